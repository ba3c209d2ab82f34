"""What a swap pays to land: a price from recent fees between a floor and caps, and what the wallet needs for it."""

import asyncio
import logging
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from solders.pubkey import Pubkey

from activities.settings import WorkerSettings
from activities.solana import fees as fees_module
from activities.solana.fees import MAX_FEE_ACCOUNTS, Fees, PriorityFees, Tip, percentile
from activities.solana.funds import Needs, most_needed, needs
from activities.solana.rpc import ChainUnavailable
from activities.solana.token_accounts import TokenSide, buying_side, selling_side
from activities.solana.transaction import LAMPORTS_PER_SIGNATURE, priority_fee
from activities.venues.mint import NATIVE_MINT, TOKEN_PROGRAM
from activities.venues.pool import MAX_COMPUTE_UNITS
from activities.worker import _fees as fees_of

RENT, WALLET_RENT = 2_039_280, 890_880

prices = st.integers(0, 10_000_000_000)
recents = st.lists(prices, max_size=150)
attempts = st.integers(1, 100)
units = st.integers(1, MAX_COMPUTE_UNITS)
policies = st.builds(
    Fees,
    compute_unit_price=prices,
    margin_percent=st.just(15),
    price_cap=prices,
    lamports_cap=prices,
    percentile=st.integers(0, 100),
    bump_percent=st.integers(0, 1_000),
)


class TestPercentile:
    @pytest.mark.parametrize(
        ("values", "percent", "expected"),
        [
            ([], 75, 0),
            ([7], 0, 7),
            ([7], 100, 7),
            ([4, 1, 3, 2], 0, 1),
            ([4, 1, 3, 2], 25, 1),
            ([4, 1, 3, 2], 26, 2),
            ([4, 1, 3, 2], 50, 2),
            ([4, 1, 3, 2], 75, 3),
            ([4, 1, 3, 2], 76, 4),
            ([4, 1, 3, 2], 100, 4),
            ([0, 0, 0, 9], 75, 0),
        ],
    )
    def test_nearest_rank(self, values: list[int], percent: int, expected: int) -> None:
        assert percentile(values, percent) == expected

    @given(st.lists(prices, min_size=1, max_size=150), st.integers(0, 100))
    def test_at_least_so_many_slots_took_no_more(self, values: list[int], percent: int) -> None:
        price = percentile(values, percent)
        assert price in values
        assert sum(value <= price for value in values) * 100 >= percent * len(values)


class TestPrice:
    @pytest.mark.parametrize(
        ("recent", "attempt", "price"),
        [
            ([], 1, 1_000),
            ([0] * 150, 1, 1_000),
            ([5_000] * 150, 1, 5_000),
            ([0] * 100 + [9_999] * 50, 1, 9_999),
            ([5_000] * 150, 2, 7_500),
            ([5_000] * 150, 3, 11_250),
            ([5_001] * 150, 2, 7_501),
            ([40_000] * 150, 1, 20_000),
            ([15_000] * 150, 2, 20_000),
        ],
    )
    def test_floor_percentile_bump_and_cap(self, recent: list[int], attempt: int, price: int) -> None:
        assert Fees(1_000, 15, price_cap=20_000).price(recent, attempt) == price

    @given(policies, recents, attempts)
    def test_a_price_stays_between_floor_and_cap(self, fees: Fees, recent: list[int], attempt: int) -> None:
        price = fees.price(recent, attempt)
        assert min(fees.compute_unit_price, fees.price_cap) <= price <= fees.price_cap

    @given(policies, recents, attempts)
    def test_a_further_attempt_never_bids_less(self, fees: Fees, recent: list[int], attempt: int) -> None:
        assert fees.price(recent, attempt) <= fees.price(recent, attempt + 1)

    @given(policies, prices, units)
    def test_no_transaction_pays_more_than_the_cap(self, fees: Fees, price: int, limit: int) -> None:
        paid = fees.affordable(price, limit)
        assert priority_fee(limit, paid) <= fees.lamports_cap
        # And nothing is given away: one micro-lamport more, and it would, or would be more than was bid.
        assert paid == price or priority_fee(limit, paid + 1) > fees.lamports_cap

    def test_a_limit_of_nothing_costs_nothing(self) -> None:
        assert Fees(1_000, 15).affordable(7, 0) == 7

    @given(prices, units)
    def test_the_fee_is_rounded_as_the_runtime_rounds(self, price: int, limit: int) -> None:
        # solana-compute-budget: micro-lamports, plus a million less one, by a million, in integers.
        assert priority_fee(limit, price) == (limit * price + 999_999) // 1_000_000


class Node:
    """Answers with what it is given, or not at all."""

    def __init__(self, recent: list[int] | Exception) -> None:
        self.recent = recent
        self.asked: list[Sequence[Pubkey]] = []
        self.silent = False

    async def recent_fees(self, accounts: Sequence[Pubkey]) -> list[int]:
        self.asked.append(accounts)
        if self.silent:
            await asyncio.Event().wait()
        if isinstance(self.recent, Exception):
            raise self.recent
        return self.recent


ACCOUNTS = [Pubkey.new_unique() for _ in range(200)]


class TestAsking:
    async def test_orders_of_the_same_pool_share_one_answer(self) -> None:
        node = Node([5_000])
        fees = PriorityFees(node, Fees(1_000, 15, max_age=60))
        bids = await asyncio.gather(*(fees.price(ACCOUNTS[:3], attempt) for attempt in (1, 1, 2)))
        assert bids == [5_000, 5_000, 7_500]
        assert await fees.price(reversed(ACCOUNTS[:3]), 1) == 5_000
        assert len(node.asked) == 1
        assert await fees.price(ACCOUNTS[:4], 1) == 5_000
        assert len(node.asked) == 2

    async def test_no_more_accounts_are_named_than_a_node_takes(self) -> None:
        node = Node([5_000])
        await PriorityFees(node, Fees(1_000, 15)).price(ACCOUNTS, 1)
        assert len(node.asked[0]) == MAX_FEE_ACCOUNTS

    async def test_a_node_that_refuses_leaves_the_floor_and_a_word_in_the_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        node = Node(ChainUnavailable("Method not found"))
        with caplog.at_level(logging.WARNING, fees_module.__name__):
            fees = PriorityFees(node, Fees(1_000, 15, max_age=60))
            assert await fees.price(ACCOUNTS[:3], 1) == 1_000
            assert await fees.price(ACCOUNTS[:3], 3) == 2_250
        assert [record.message for record in caplog.records] == [
            "recent priority fees: Method not found; swaps bid from the floor"
        ]
        # One order's trouble is enough for a while.
        assert len(node.asked) == 1

    async def test_a_node_that_says_nothing_is_not_waited_for(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fees_module, "_PATIENCE_SECONDS", 0.01)
        node = Node([5_000])
        node.silent = True
        with caplog.at_level(logging.WARNING, fees_module.__name__):
            assert await PriorityFees(node, Fees(1_000, 15)).price(ACCOUNTS[:3], 1) == 1_000
        assert "no answer in time" in caplog.text


class TestNeeds:
    def test_what_is_needed_at_once_and_what_comes_back(self) -> None:
        wallet = Pubkey.new_unique()
        selling = selling_side(wallet, NATIVE_MINT, TOKEN_PROGRAM, 1_000_000_000, "memo", RENT)
        buying = buying_side(wallet, Pubkey.new_unique(), TOKEN_PROGRAM, False, "memo", RENT)
        needed = needs(selling, buying, tokens=0, fee=5_100, tip=10_000)
        assert needed == Needs(5_100, 1_000_000_000 + 2 * RENT, RENT, 10_000, 0)
        # The tip is paid from the rent that is back by then.
        assert needed.lamports == 5_100 + 1_000_000_000 + 2 * RENT

    @pytest.mark.parametrize(
        ("held", "deposits", "shortage"),
        [
            (0, 100_000, 105_000),
            (104_999, 100_000, 1),
            # Nothing may be left, but not less than the wallet's rent, neither of the whole nor after the fee alone.
            (5_000, 0, 0),
            (5_001, 0, WALLET_RENT - 1),
            (5_000 + WALLET_RENT, 0, 0),
            (5_000 + WALLET_RENT - 1, 0, 1),
            (105_000, 100_000, WALLET_RENT - 100_000),
            (5_000 + WALLET_RENT, WALLET_RENT, 0),
            (5_000 + WALLET_RENT, WALLET_RENT - 1, WALLET_RENT - 1),
        ],
    )
    def test_a_wallet_keeps_its_rent_or_nothing(self, held: int, deposits: int, shortage: int) -> None:
        assert Needs(fee=5_000, deposits=deposits).shortage(held, WALLET_RENT) == shortage

    @given(
        st.integers(0, 10**12),
        st.integers(5_000, 10**7),
        st.integers(0, 10**12),
        st.booleans(),
        st.integers(0, 10**6),
    )
    def test_who_has_enough_can_pay_every_step(
        self, held: int, fee: int, deposits: int, temporary: bool, tip: int
    ) -> None:
        needed = Needs(fee, deposits, deposits if temporary else 0, tip)
        enough = needed.shortage(held, WALLET_RENT) == 0
        left, steps = held, []
        for change in (-fee, -deposits, needed.returned, -tip):
            left += change
            steps.append(left)
        payable = min(steps) >= 0
        kept = all(kept == 0 or kept >= WALLET_RENT for kept in (steps[0], steps[-1]))
        assert enough == (payable and kept)

    @pytest.mark.parametrize("sells_sol", [True, False])
    @pytest.mark.parametrize("buys_sol", [True, False])
    def test_the_most_is_never_less_than_what_a_swap_needs(self, sells_sol: bool, buys_sol: bool) -> None:
        fees = Fees(1_000, 15, tip=Tip(Pubkey.new_unique(), 10_000))
        wallet, amount = Pubkey.new_unique(), 7_000_000
        selling: TokenSide = selling_side(
            wallet, NATIVE_MINT if sells_sol else Pubkey.new_unique(), TOKEN_PROGRAM, amount, "memo", RENT
        )
        buying = buying_side(
            wallet, NATIVE_MINT if buys_sol else Pubkey.new_unique(), TOKEN_PROGRAM, False, "memo", RENT
        )
        most = most_needed(amount, sells_sol, RENT, fees)
        for limit in (1, 200_000, MAX_COMPUTE_UNITS):
            fee = LAMPORTS_PER_SIGNATURE + priority_fee(limit, fees.affordable(fees.price_cap, limit))
            needed = needs(selling, buying, 0 if sells_sol else amount, fee, fees.tip_lamports)
            assert needed.lamports <= most.lamports
            assert needed.tokens == most.tokens


class TestSettings:
    def settings(self, **given: object) -> WorkerSettings:
        return WorkerSettings.model_validate(
            {"database_url": "postgresql+psycopg://nobody@127.0.0.1:1/none", "redis_url": "redis://127.0.0.1:1/0"}
            | given
        )

    def test_what_is_set_is_what_is_paid(self) -> None:
        account = Pubkey.new_unique()
        fees = fees_of(
            self.settings(
                compute_unit_price=7,
                compute_unit_margin_percent=20,
                compute_unit_price_cap=70,
                priority_fee_cap=700,
                priority_fee_percentile=50,
                priority_fee_bump_percent=25,
                priority_fee_max_age_ms=500,
                tip_account=str(account),
                tip_lamports=1_000,
            )
        )
        assert fees == Fees(7, 20, 70, 700, 50, 25, 0.5, Tip(account, 1_000))

    def test_there_is_no_tip_by_default(self) -> None:
        assert fees_of(self.settings()) == Fees(1_000, 15)

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"compute_unit_price": 2_000_001}, "compute_unit_price is above compute_unit_price_cap"),
            ({"tip_lamports": 1}, "set together"),
            ({"tip_account": str(Pubkey.new_unique())}, "set together"),
            ({"tip_account": "nobody", "tip_lamports": 1}, "no base58 address"),
            ({"priority_fee_percentile": 101}, "less than or equal to 100"),
        ],
    )
    def test_what_does_not_fit_is_refused_at_the_start(self, given: dict[str, object], words: str) -> None:
        with pytest.raises(ValidationError, match=words):
            self.settings(**given)
