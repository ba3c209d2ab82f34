"""Raydium AMM v4 against recorded runs, at its boundaries and over whole ranges."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, MissingAccounts, SwapRefused
from activities.venues.mint import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, Mint
from activities.venues.pool import Account, Clock, Mode, Swap, SwapCall, UserAccounts
from activities.venues.raydium.amm_v4 import AUTHORITY, KIND, PROGRAM, AmmV4Pool
from activities.venues.raydium.amm_v4_legacy import OrderBook, legacy_instruction
from deploy.vectors.check import check_case, check_instruction_case
from deploy.vectors.raydium_amm_v4 import RaydiumAmmV4
from tests.venues.recorded import patched, recorded, scenario_of, settle, u64

U64_MAX = 2**64 - 1
CLOCK = Clock(slot=400_000_000, epoch=925, unix_timestamp=1_790_000_000)
USER = UserAccounts(*(Pubkey.new_unique() for _ in range(3)))
ADAPTER = RaydiumAmmV4()


def make_pool(balance_a: int = 10**12, balance_b: int = 17 * 10**10, **changes: int) -> AmmV4Pool:
    numbers = {"status": 6, "fee_numerator": 25, "fee_denominator": 10_000, "pnl_a": 0, "pnl_b": 0, "open_time": 0}
    keys = [Pubkey.from_bytes(bytes([index]) * 32) for index in range(1, 6)]
    return AmmV4Pool(
        address=keys[0],
        mint_a=Mint(keys[1], 9, TOKEN_PROGRAM),
        mint_b=Mint(keys[2], 6, TOKEN_PROGRAM),
        vault_a=keys[3],
        vault_b=keys[4],
        balance_a=balance_a,
        balance_b=balance_b,
        **(numbers | changes),
    )


def sell(amount: int, limit: int | None = None, a_to_b: bool = True) -> Swap:
    return Swap(a_to_b, Mode.EXACT_IN, amount, limit)


def buy(amount: int, limit: int | None = None, a_to_b: bool = True) -> Swap:
    return Swap(a_to_b, Mode.EXACT_OUT, amount, limit)


def refusal(pool: AmmV4Pool, swap: Swap, clock: Clock = CLOCK, balance: int | None = None) -> SwapRefused:
    with pytest.raises(SwapRefused) as raised:
        pool.quote(swap, clock, balance)
    return raised.value


pools = st.builds(
    make_pool,
    st.integers(1, 2**62),
    st.integers(1, 2**62),
    fee_numerator=st.integers(0, 500),
)


def test_every_recorded_swap_is_exact() -> None:
    differences = {
        f"{scenario.id}: {case}": found
        for scenario in recorded("raydium_amm_v4").scenarios
        for case in scenario.cases
        if (found := check_case(ADAPTER, scenario, case))
    }
    assert differences == {}


def test_every_instruction_of_the_sdk_is_equal_in_all_forms() -> None:
    cases = [case for case in recorded("swap_instructions").instruction_cases if case.program == "raydium_amm_v4"]
    differences = {
        f"{case.scenario}: {case.case}": found
        for case in cases
        if (found := check_instruction_case(ADAPTER, scenario_of("raydium_amm_v4", case.scenario), case))
    }
    assert (len(cases), differences) == (64, {})


@pytest.mark.parametrize("status", [0, 2, 3, 4, 5])
def test_a_status_without_swaps_is_refused(status: int) -> None:
    pool = make_pool(status=status)
    assert refusal(pool, sell(1000)).code == 22
    assert pool.unavailable(CLOCK) == "paused"


@pytest.mark.parametrize("status", [1, 6])
def test_swaps_run_without_the_order_book(status: int) -> None:
    pool = make_pool(status=status)
    assert pool.unavailable(CLOCK) is None
    assert pool.quote(sell(1000), CLOCK).amount_out == 169
    assert pool.after(pool.quote(sell(1000), CLOCK), CLOCK).status == status


def test_an_unknown_status_stops_the_program_without_a_code() -> None:
    assert refusal(make_pool(status=8), sell(1000)).code is None


def test_a_waiting_pool_opens_at_its_time_and_stays_open() -> None:
    pool = make_pool(status=7, open_time=CLOCK.unix_timestamp + 1)
    assert refusal(pool, sell(1000)).code == 22
    assert pool.unavailable(CLOCK) == "not_open"
    opening = Clock(CLOCK.slot, CLOCK.epoch, CLOCK.unix_timestamp + 1)
    assert pool.unavailable(opening) is None
    assert pool.after(pool.quote(sell(1000), opening), opening).status == 6


def test_a_pool_of_one_mint_is_refused() -> None:
    pool = make_pool()
    same = replace(pool, mint_b=pool.mint_a)
    assert refusal(same, sell(1000)).code == 59


def test_profit_owed_over_the_balance_is_refused_and_leaves_nothing() -> None:
    pool = make_pool(pnl_b=17 * 10**10 + 1)
    assert refusal(pool, sell(1000)).code == 32
    assert pool.reserves() == (10**12, 0)
    assert pool.unavailable(CLOCK) == "empty"


def test_the_fee_rounds_up_even_for_dust() -> None:
    quote = make_pool().quote(sell(7), CLOCK)
    assert (quote.fee, quote.fee_on_input, quote.amount_out) == (1, True, 1)
    assert make_pool().quote(buy(1), CLOCK).amount_in == 7


@pytest.mark.parametrize(("swap", "code"), [(sell(0), 29), (buy(0), 29), (sell(6), 29)])
def test_nothing_in_or_out_is_refused(swap: Swap, code: int) -> None:
    assert refusal(make_pool(), swap).code == code


def test_the_limit_is_checked_before_an_empty_output() -> None:
    assert refusal(make_pool(), sell(6, limit=1)).code == 30


@pytest.mark.parametrize("a_to_b", [True, False])
def test_limits_hold_to_the_unit(a_to_b: bool) -> None:
    pool = make_pool()
    out = pool.quote(sell(10**9, a_to_b=a_to_b), CLOCK).amount_out
    assert pool.quote(sell(10**9, out, a_to_b), CLOCK).amount_out == out
    assert refusal(pool, sell(10**9, out + 1, a_to_b)).code == 30
    cost = pool.quote(buy(out, a_to_b=a_to_b), CLOCK).amount_in
    assert pool.quote(buy(out, cost, a_to_b), CLOCK).amount_in == cost
    assert refusal(pool, buy(out, cost - 1, a_to_b)).code == 30


def test_the_program_itself_refuses_what_the_user_does_not_have() -> None:
    pool = make_pool()
    assert refusal(pool, sell(1000, limit=10**9), balance=999).code == 40
    cost = pool.quote(buy(1000), CLOCK).amount_in
    assert refusal(pool, buy(1000, limit=1), balance=cost - 1).code == 40
    assert pool.quote(buy(1000), CLOCK, cost).amount_in == cost


def test_arithmetic_beyond_the_programs_types_is_refused_without_a_code() -> None:
    assert refusal(make_pool(), buy(17 * 10**10)).code is None
    assert refusal(make_pool(fee_denominator=0), sell(1000)).code is None
    assert refusal(make_pool(fee_numerator=10_001), sell(1000)).code is None
    assert refusal(make_pool(fee_numerator=10_000), buy(1)).code is None
    assert refusal(make_pool(2**63, 2**63), buy(2**63 - 1)).code is None
    assert refusal(make_pool(0, 5, fee_numerator=10_000), sell(1)).code is None
    # The whole fee leaves nothing to swap, which is no panic.
    assert refusal(make_pool(fee_numerator=10_000), sell(1000)).code == 29


def test_an_empty_side_is_refused() -> None:
    assert refusal(make_pool(balance_b=0), sell(1000)).code == 29
    assert refusal(make_pool(balance_a=0), sell(1000)).code == 40
    assert refusal(make_pool(balance_a=0), buy(1)).code == 29
    assert make_pool(balance_a=0).unavailable(CLOCK) == "empty"
    with pytest.raises(SwapRefused):
        make_pool(balance_a=0).spot_price()


@pytest.mark.parametrize("swap", [sell(U64_MAX + 1), sell(-1), Swap(True, Mode.PARTIAL_FILL, 1)])
def test_what_no_instruction_can_ask_is_refused(swap: Swap) -> None:
    assert refusal(make_pool(), swap).code is None


def test_an_input_that_the_vault_cannot_count_is_refused() -> None:
    pool = make_pool(2**63, 2**63)
    assert refusal(pool, sell(2**63)).code == 14
    assert pool.quote(sell(2**63 - 1), CLOCK).amount_in == 2**63 - 1


def test_spot_price_and_reserves_leave_out_the_profit_owed() -> None:
    pool = make_pool(1000, 500, pnl_a=200, pnl_b=100)
    assert pool.spot_price() == Fraction(1, 2)
    assert pool.reserves() == (800, 400)


@given(pools, st.integers(1, 2**62), st.booleans())
def test_the_output_is_the_most_that_keeps_the_product(pool: AmmV4Pool, amount: int, a_to_b: bool) -> None:
    try:
        quote = pool.quote(sell(amount, a_to_b=a_to_b), CLOCK)
    except SwapRefused:
        return
    reserve_in, reserve_out = pool.reserves() if a_to_b else pool.reserves()[::-1]
    product, after_in = reserve_in * reserve_out, reserve_in + amount - quote.fee
    assert after_in * (reserve_out - quote.amount_out) >= product
    assert after_in * (reserve_out - quote.amount_out - 1) < product


@given(pools, st.lists(st.integers(1, 2**62), min_size=2, max_size=6), st.booleans())
def test_more_in_never_gives_less_out(pool: AmmV4Pool, amounts: list[int], a_to_b: bool) -> None:
    outputs = []
    for amount in sorted(amounts):
        try:
            outputs.append(pool.quote(sell(amount, a_to_b=a_to_b), CLOCK).amount_out)
        except SwapRefused as refused:
            assert not outputs or refused.name == "Overflow"  # noqa: PT017
    assert all(less <= more for less, more in pairwise(outputs))


@given(pools, st.integers(1, 2**62), st.booleans())
def test_there_and_back_never_gains(pool: AmmV4Pool, amount: int, a_to_b: bool) -> None:
    try:
        there = pool.quote(sell(amount, a_to_b=a_to_b), CLOCK)
        back = pool.after(there, CLOCK).quote(sell(there.amount_out, a_to_b=not a_to_b), CLOCK)
    except SwapRefused:
        return
    assert back.amount_out <= amount


@given(pools, st.integers(1, 2**62), st.booleans())
def test_buying_what_a_sale_gives_costs_no_more_than_the_sale(pool: AmmV4Pool, amount: int, a_to_b: bool) -> None:
    try:
        sale = pool.quote(sell(amount, a_to_b=a_to_b), CLOCK)
    except SwapRefused:
        return
    cost = pool.quote(buy(sale.amount_out, a_to_b=a_to_b), CLOCK).amount_in
    assert cost <= amount
    assert pool.quote(sell(cost, a_to_b=a_to_b), CLOCK).amount_out >= sale.amount_out


@given(st.integers(1, 2**62), st.booleans(), st.sampled_from([Mode.EXACT_IN, Mode.EXACT_OUT]))
def test_the_next_state_decodes_from_its_own_bytes(amount: int, a_to_b: bool, mode: Mode) -> None:
    scenario = scenario_of("raydium_amm_v4", "status_7_open_b")
    address = scenario.roles["amm"]
    pool = KIND.decode(address, scenario.accounts)
    try:
        quote = pool.quote(Swap(a_to_b, mode, amount), scenario.clock)
    except SwapRefused:
        return
    after = pool.after(quote, scenario.clock)
    coin, pc = scenario.roles["coin_vault"], scenario.roles["pc_vault"]
    vault_in, vault_out = (coin, pc) if a_to_b else (pc, coin)
    moves = {vault_in: quote.amount_in, vault_out: -quote.amount_out}
    assert KIND.decode(address, settle(scenario.accounts, after.writes(scenario.accounts), moves)) == after


def test_unchanged_bytes_are_not_written() -> None:
    scenario = scenario_of("raydium_amm_v4", "plain_a")
    pool = KIND.decode(scenario.roles["amm"], scenario.accounts)
    assert pool.after(pool.quote(sell(1000), CLOCK), CLOCK).writes(scenario.accounts) == {}


def test_requirements_are_complete_after_two_rounds() -> None:
    scenario = scenario_of("raydium_amm_v4", "plain_a")
    roles = scenario.roles
    address = roles["amm"]
    assert KIND.requirements(address, {}) == (address,)
    keys = KIND.requirements(address, {address: scenario.accounts[address]})
    assert set(keys) == {roles[name] for name in ("amm", "coin_vault", "pc_vault", "coin_mint", "pc_mint")}
    fetched = {key: scenario.accounts[key] for key in keys}
    assert KIND.requirements(address, fetched) == keys
    assert KIND.decode(address, fetched).address == address


def test_decoding_names_every_account_that_was_not_fetched() -> None:
    scenario = scenario_of("raydium_amm_v4", "plain_a")
    address = scenario.roles["amm"]
    with pytest.raises(MissingAccounts) as raised:
        KIND.decode(address, {address: scenario.accounts[address]})
    assert len(raised.value.keys) == 4


def broken_states() -> list[tuple[str, dict[Pubkey, Account | None]]]:
    scenario = scenario_of("raydium_amm_v4", "plain_a")
    accounts, roles = dict(scenario.accounts), scenario.roles
    amm, vault, mint = roles["amm"], roles["pc_vault"], roles["pc_mint"]
    pool, holder, token = accounts[amm], accounts[vault], accounts[mint]
    assert pool is not None
    assert holder is not None
    assert token is not None
    return [
        ("closed", {**accounts, amm: None}),
        ("owner", {**accounts, amm: Account(TOKEN_PROGRAM, 1, pool.data)}),
        ("short", {**accounts, amm: Account(PROGRAM, 1, pool.data[:-1])}),
        ("long", {**accounts, amm: Account(PROGRAM, 1, pool.data + b"\0")}),
        ("bump", dict(patched(accounts, amm, 8, u64(253)))),
        ("vault of another mint", dict(patched(accounts, vault, 0, bytes(32)))),
        ("vault owner", {**accounts, vault: Account(PROGRAM, 1, holder.data)}),
        ("vault of Token-2022", {**accounts, vault: Account(TOKEN_2022_PROGRAM, 1, holder.data)}),
        ("mint of Token-2022", {**accounts, mint: Account(TOKEN_2022_PROGRAM, 1, token.data)}),
    ]


@pytest.mark.parametrize(("case", "accounts"), broken_states(), ids=[name for name, _ in broken_states()])
def test_a_broken_account_is_named(case: str, accounts: dict[Pubkey, Account | None]) -> None:
    with pytest.raises(DecodeError):
        KIND.decode(scenario_of("raydium_amm_v4", "plain_a").roles["amm"], accounts)


BOOK = OrderBook(*(Pubkey.new_unique() for _ in range(9)))
FULL_BOOK = OrderBook(*(Pubkey.new_unique() for _ in range(10)))


@pytest.mark.parametrize("swap", [sell(1000, 7), buy(1000, 9000, a_to_b=False)])
@pytest.mark.parametrize("book", [None, BOOK, FULL_BOOK])
def test_parsing_undoes_building_in_every_form(swap: Swap, book: OrderBook | None) -> None:
    pool = make_pool()
    quote = pool.quote(swap, CLOCK)
    assert swap.limit is not None
    if book is None:
        built = pool.instruction(quote, swap.limit, USER)
        assert (built.data[0], len(built.accounts)) == (16 if swap.mode is Mode.EXACT_IN else 17, 8)
    else:
        built = legacy_instruction(pool, quote, swap.limit, USER, book)
        assert len(built.accounts) == (17 if book.target_orders is None else 18)
    assert KIND.parse(built) == SwapCall(pool.address, USER, swap.mode, swap.amount, swap.limit)


def test_the_instruction_signs_for_the_user_alone() -> None:
    pool = make_pool()
    built = pool.instruction(pool.quote(sell(1000), CLOCK), 1, USER)
    assert [meta.pubkey for meta in built.accounts if meta.is_signer] == [USER.owner]
    assert [meta.pubkey for meta in built.accounts if not meta.is_writable] == [TOKEN_PROGRAM, AUTHORITY, USER.owner]


@pytest.mark.parametrize("limit", [-1, U64_MAX + 1])
def test_a_limit_that_no_instruction_can_carry_is_refused(limit: int) -> None:
    pool = make_pool()
    with pytest.raises(SwapRefused):
        pool.instruction(pool.quote(sell(1000), CLOCK), limit, USER)


def test_parse_passes_over_what_is_no_swap_and_refuses_malformed_ones() -> None:
    metas = [AccountMeta(Pubkey.new_unique(), is_signer=False, is_writable=True) for _ in range(20)]
    swap_data = bytes([16]) + bytes(16)
    assert KIND.parse(Instruction(PROGRAM, b"", metas)) is None
    assert KIND.parse(Instruction(PROGRAM, bytes([3]) + bytes(16), metas)) is None
    assert KIND.parse(Instruction(TOKEN_PROGRAM, swap_data, metas)) is None
    assert KIND.parse(Instruction(PROGRAM, swap_data, metas)) is not None
    for data, given_metas in ((swap_data[:-1], metas), (swap_data, metas[:7]), (bytes([9]) + bytes(16), metas)):
        with pytest.raises(DecodeError):
            KIND.parse(Instruction(PROGRAM, data, given_metas))


def test_filters_find_the_pair_in_both_orders() -> None:
    scenario = scenario_of("raydium_amm_v4", "plain_a")
    roles, data = scenario.roles, scenario.accounts[scenario.roles["amm"]]
    assert data is not None
    for pair in ((roles["coin_mint"], roles["pc_mint"]), (roles["pc_mint"], roles["coin_mint"])):
        matches = [
            query.data_size == len(data.data)
            and all(data.data[at : at + len(value)] == value for at, value in query.memcmp)
            for query in KIND.filters(*pair)
        ]
        assert sorted(matches) == [False, True]
