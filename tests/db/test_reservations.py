"""What orders promise of a wallet and of a day, from many workers at once, on a real PostgreSQL."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from db.database import Database
from db.orders import OrderRepository
from db.risk import ReservationRepository
from db.settings import DatabaseSettings
from deploy.local.postgres import libpq_url
from tests.db.test_halts import waits_for_a_lock
from tests.samples import EXPIRED, FILL, LANDED, first_events, order_event, order_terms, swap_attempt
from workflows.domain import risk
from workflows.domain.attempt import OutcomeKind, SwapOutcome
from workflows.domain.errors import EngineError
from workflows.domain.lifecycle import TERMINAL, Status
from workflows.domain.money import Token, TokenAmount
from workflows.domain.order import OrderTerms
from workflows.domain.risk import Claim, Limits, Needs, Reserved

NOTHING = Reserved(0, 0, 0, 0)
WHOLE = Token(mint="reference", symbol="WHOLE", decimals=0, program="program")


@pytest.fixture
def orders(database: Database) -> OrderRepository:
    return OrderRepository(database)


@pytest.fixture
def reservations(database: Database) -> ReservationRepository:
    return ReservationRepository(database)


async def accepted(orders: OrderRepository, **changes: Any) -> OrderTerms:
    """A new order on its way."""
    terms = order_terms(**changes)
    await orders.create_order(terms, first_events())
    return terms


def claim(terms: OrderTerms, lamports: int = 0, **changes: Any) -> Claim:
    """A claim on a wallet that holds 100 lamports and 100 units of the token sold as of slot 50."""
    facts: dict[str, Any] = {
        "order_id": terms.order_id,
        "attempt": 1,
        "account": terms.account,
        "wallet": "wallet",
        "mint": "mint",
        "needs": Needs(lamports, changes.pop("spare", 0), changes.pop("tokens", 0)),
        "slot": 50,
        "held_lamports": 100,
        "held_tokens": 100,
    }
    return Claim(**facts | changes)


async def others(reservations: ReservationRepository, orders: OrderRepository, **changes: Any) -> Reserved:
    """What a new order, which reserves nothing, finds reserved."""
    terms = await accepted(orders)
    found = await reservations.reserve(claim(terms, **changes), {})
    assert found is not None
    await orders.append_event(terms.order_id, order_event(3, Status.CANCELED))
    return found


async def settled(orders: OrderRepository, terms: OrderTerms, outcome: SwapOutcome, seq: int = 3) -> None:
    """Send the order's swap and learn what became of it."""
    attempt = (seq - 1) // 2
    swap = swap_attempt(terms.order_id, attempt)
    event = order_event(seq, Status.SUBMITTED, attempt=attempt, signature=swap.signature)
    await orders.record_attempt(swap, event)
    await orders.settle_attempt(swap, outcome)


def landed(slot: int) -> SwapOutcome:
    """It traded in the slot."""
    return SwapOutcome(kind=OutcomeKind.LANDED, slot=slot, fill=FILL.model_copy(update={"slot": slot}))


class TestReserve:
    async def test_what_fits_is_reserved_and_counts_for_the_next(self, orders, reservations):
        first, second = await accepted(orders), await accepted(orders)
        assert await reservations.reserve(claim(first, 60, spare=3, tokens=70), {"why": "a test"}) == NOTHING
        assert await reservations.reserve(claim(second, 1), {}) == Reserved(60, 3, 70)

    @pytest.mark.parametrize("over", [{"lamports": 41}, {"lamports": 30, "spare": 11}, {"tokens": 31}])
    async def test_what_does_not_fit_is_not_reserved(self, orders, reservations, over):
        first, second = await accepted(orders), await accepted(orders)
        await reservations.reserve(claim(first, 60, tokens=70), {})
        assert await reservations.reserve(claim(second, **over), {}) == Reserved(60, 0, 70)
        assert await others(reservations, orders) == Reserved(60, 0, 70)

    async def test_all_of_the_balance_fits(self, orders, reservations):
        first, second = await accepted(orders), await accepted(orders)
        await reservations.reserve(claim(first, 60, spare=10, tokens=70), {})
        await reservations.reserve(claim(second, 30, spare=4, tokens=30), {})
        assert await others(reservations, orders) == Reserved(90, 10, 100)

    async def test_the_spare_lamports_of_an_earlier_order_stay_covered(self, orders, reservations):
        first, second = await accepted(orders), await accepted(orders)
        await reservations.reserve(claim(first, 60, spare=30), {})
        await reservations.reserve(claim(second, 11), {})
        assert await others(reservations, orders) == Reserved(60, 30, 0)

    async def test_a_repetition_replaces_what_the_order_had_reserved(self, orders, reservations):
        terms = await accepted(orders)
        for lamports in (90, 90, 20):
            assert await reservations.reserve(claim(terms, lamports), {}) == NOTHING
        assert await others(reservations, orders) == Reserved(20, 0, 0)

    async def test_a_repetition_that_does_not_fit_leaves_the_former(self, orders, reservations):
        terms = await accepted(orders)
        await reservations.reserve(claim(terms, 20), {})
        await reservations.reserve(claim(terms, 101), {})
        assert await others(reservations, orders) == Reserved(20, 0, 0)

    async def test_another_wallet_and_another_token_are_apart(self, orders, reservations):
        terms = await accepted(orders)
        await reservations.reserve(claim(terms, 60, tokens=70), {})
        assert await others(reservations, orders, wallet="other") == NOTHING
        assert await others(reservations, orders, mint="other") == Reserved(60, 0, 0)

    async def test_amounts_of_64_bits_add_up(self, orders, reservations):
        most = 2**64 - 1
        for _ in range(2):
            terms = await accepted(orders)
            rich = claim(terms, most, tokens=most, held_lamports=2 * most, held_tokens=2 * most)
            await reservations.reserve(rich, {})
        assert await others(reservations, orders) == Reserved(2 * most, 0, 2 * most)


class TestRelease:
    @pytest.mark.parametrize("end", sorted(TERMINAL))
    async def test_an_order_that_has_ended_reserves_nothing(self, orders, reservations, end):
        terms = await accepted(orders)
        await reservations.reserve(claim(terms, 60), {})
        await orders.append_event(terms.order_id, order_event(3, end))
        assert await others(reservations, orders) == NOTHING

    async def test_an_order_that_rests_reserves_nothing_until_it_is_checked_again(self, orders, reservations):
        terms = await accepted(orders)
        await reservations.reserve(claim(terms, 60), {})
        await orders.append_event(terms.order_id, order_event(3, Status.OPEN))
        assert await others(reservations, orders) == NOTHING
        await reservations.reserve(claim(terms, 50, attempt=2), {})
        assert await others(reservations, orders) == Reserved(50, 0, 0)

    async def test_a_swap_in_flight_counts_whenever_the_balance_was_read(self, orders, reservations):
        terms = await accepted(orders)
        await reservations.reserve(claim(terms, 60), {})
        swap = swap_attempt(terms.order_id)
        await orders.record_attempt(swap, order_event(3, Status.SUBMITTED, signature=swap.signature))
        assert await others(reservations, orders, slot=2**62) == Reserved(60, 0, 0)

    @pytest.mark.parametrize("ended", [False, True])
    @pytest.mark.parametrize("outcome", [landed(50), SwapOutcome(kind=OutcomeKind.REVERTED, slot=50)])
    async def test_a_block_counts_for_balances_that_do_not_show_it(self, orders, reservations, outcome, ended):
        terms = await accepted(orders)
        await reservations.reserve(claim(terms, 60), {})
        await settled(orders, terms, outcome)
        traded = outcome.kind is OutcomeKind.LANDED
        if ended:
            end = order_event(4, Status.CONFIRMED, fill=outcome.fill) if traded else order_event(4, Status.FAILED)
            await orders.append_event(terms.order_id, end)
        assert await others(reservations, orders, slot=49) == Reserved(60, 0, 0)
        shown = NOTHING if traded or ended else Reserved(60, 0, 0)
        assert await others(reservations, orders, slot=50) == shown

    async def test_an_expired_swap_releases_with_the_end_of_its_order(self, orders, reservations):
        terms = await accepted(orders)
        await reservations.reserve(claim(terms, 60), {})
        await settled(orders, terms, EXPIRED)
        assert await others(reservations, orders, slot=2**62) == Reserved(60, 0, 0)
        await orders.append_event(terms.order_id, order_event(4, Status.FAILED))
        assert await others(reservations, orders, slot=0) == NOTHING

    async def test_an_end_with_a_swap_that_may_still_land_does_not_release(self, orders, reservations):
        terms = await accepted(orders)
        await reservations.reserve(claim(terms, 60), {})
        swap = swap_attempt(terms.order_id)
        await orders.record_attempt(swap, order_event(3, Status.SUBMITTED, signature=swap.signature))
        await orders.append_event(terms.order_id, order_event(4, Status.FAILED))
        assert await others(reservations, orders) == Reserved(60, 0, 0)
        await orders.settle_attempt(swap, EXPIRED)
        assert await others(reservations, orders) == NOTHING

    async def test_an_order_that_has_ended_or_traded_reserves_nothing_any_more(self, orders, reservations):
        ended, traded = await accepted(orders), await accepted(orders)
        await orders.append_event(ended.order_id, order_event(3, Status.CANCELED))
        await settled(orders, traded, landed(50))
        assert [await reservations.reserve(claim(terms, 60), {}) for terms in (ended, traded)] == [None, None]
        assert await others(reservations, orders) == NOTHING

    async def test_reserving_and_ending_at_once_never_leave_a_promise(self, orders, reservations):
        for _ in range(20):
            terms = await accepted(orders)
            await asyncio.gather(
                reservations.reserve(claim(terms, 60), {}),
                orders.append_event(terms.order_id, order_event(3, Status.CANCELED)),
            )
        assert await others(reservations, orders) == NOTHING

    async def test_an_order_that_ends_while_it_reserves_leaves_no_promise(
        self, orders, reservations, database, database_url
    ):
        terms = await accepted(orders)
        async with await psycopg.AsyncConnection.connect(libpq_url(database_url)) as ending:
            await ending.execute(f"UPDATE orders SET status = 'canceled', last_seq = 3 WHERE id = '{terms.order_id}'")
            reserving = asyncio.create_task(reservations.reserve(claim(terms, 60), {}))
            await waits_for_a_lock(database)
            await ending.commit()
        assert await reserving is None
        assert await others(reservations, orders) == NOTHING


class TestDay:
    async def notional(self, reservations, orders, **changes) -> int:
        return (await others(reservations, orders, notional=1, **changes)).notional

    async def test_orders_of_an_account_add_up_to_its_limit(self, orders, reservations):
        limited = {"most_a_day": 100}
        for notional, before in ((60, 0), (41, 60), (40, 60), (1, 100)):
            found = await reservations.reserve(claim(await accepted(orders), notional=notional, **limited), {})
            assert found.notional == before
        assert await self.notional(reservations, orders, account="other") == 0
        assert await self.notional(reservations, orders) == 100

    @pytest.mark.parametrize("end", sorted(TERMINAL - {Status.CONFIRMED}))
    async def test_what_did_not_trade_does_not_count(self, orders, reservations, end):
        terms = await accepted(orders)
        await reservations.reserve(claim(terms, notional=60), {})
        await orders.append_event(terms.order_id, order_event(3, end))
        assert await self.notional(reservations, orders) == 0

    async def test_wallets_of_one_account_share_its_day(self, orders, reservations):
        many = [await accepted(orders) for _ in range(30)]
        found = await asyncio.gather(
            *(
                reservations.reserve(claim(terms, wallet=terms.order_id, notional=10, most_a_day=100), {})
                for terms in many
            )
        )
        assert sorted(each.notional for each in found) == [*range(0, 100, 10), *[100] * 20]

    async def test_orders_that_end_and_orders_that_begin_at_once_agree_on_the_day(self, orders, reservations):
        many = [await accepted(orders) for _ in range(40)]
        for terms in many[:20]:
            await reservations.reserve(claim(terms, notional=1), {})
        ending = (orders.append_event(terms.order_id, order_event(3, Status.FAILED)) for terms in many[:20])
        beginning = (reservations.reserve(claim(terms, notional=3), {}) for terms in many[20:])
        await asyncio.gather(*ending, *beginning)
        assert await self.notional(reservations, orders) == 60

    async def test_what_traded_counts_for_the_whole_day(self, orders, reservations):
        terms = await accepted(orders)
        await reservations.reserve(claim(terms, notional=60), {})
        await settled(orders, terms, LANDED)
        await orders.append_event(terms.order_id, order_event(4, Status.CONFIRMED, fill=FILL))
        assert await self.notional(reservations, orders) == 60

    async def test_a_repetition_counts_once(self, orders, reservations):
        terms = await accepted(orders)
        for attempt, notional in ((1, 60), (1, 60), (2, 90)):
            found = await reservations.reserve(claim(terms, notional=notional, attempt=attempt, most_a_day=100), {})
            assert found.notional == 0
        assert await self.notional(reservations, orders) == 90

    async def test_another_day_begins_at_nothing(self, orders, reservations, database):
        terms = await accepted(orders)
        await reservations.reserve(claim(terms, notional=60), {})
        for table in ("risk_days", "risk_reservations"):
            await database.fetch(text(f"UPDATE {table} SET day = day - 1"))
        assert await self.notional(reservations, orders) == 0
        # The order's next attempt moves it to the new day.
        await reservations.reserve(claim(terms, notional=50, attempt=2), {})
        assert await self.notional(reservations, orders) == 50
        days = await database.fetch(text("SELECT notional FROM risk_days ORDER BY day"))
        assert [int(row.notional) for row in days] == [0, 50]

    async def test_funds_that_lack_leave_the_day_alone(self, orders, reservations):
        await reservations.reserve(claim(await accepted(orders), 101, notional=60), {})
        assert await self.notional(reservations, orders) == 0


Asked = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 20), st.integers(0, 60), st.integers(0, 60)), min_size=2, max_size=8
)


@settings(max_examples=30)
@given(Asked)
def test_many_workers_together_never_promise_more_than_there_is(postgres_server, asked):
    """Whoever was passed fits together; whoever was refused would not have fitted beside them."""
    name = str(uuid4())

    async def all_at_once() -> tuple[list[Claim], list[Claim]]:
        workers = [Database(DatabaseSettings(database_url=postgres_server.url())) for _ in range(2)]
        orders = OrderRepository(workers[0])
        passed, refused = [], []

        async def one(number: int, lamports: int, spare: int, tokens: int, notional: int) -> None:
            terms = await accepted(orders, account=name)
            needs = {"spare": spare, "tokens": tokens, "notional": notional}
            asks = claim(terms, lamports, wallet=name, account=name, most_a_day=100, **needs)
            found = await ReservationRepository(workers[number % 2]).reserve(asks, {})
            assert found is not None
            (passed if fits(terms, asks, found) else refused).append(asks)

        try:
            await asyncio.gather(*(one(number, *each) for number, each in enumerate(asked)))
        finally:
            for worker in workers:
                await worker.close()
        return passed, refused

    passed, refused = asyncio.run(all_at_once())
    assert together(passed)
    assert not any(together([*passed, each]) for each in refused)


def fits(terms: OrderTerms, asks: Claim, found: Reserved) -> bool:
    """Whether the rules of the domain pass the order."""
    limits, notional = Limits(daily_notional=Decimal(100)), TokenAmount(token=WHOLE, base_units=asks.notional)
    try:
        risk.check_funds(terms, asks, found)
        risk.check_daily_notional(limits, asks.account, notional, found)
    except EngineError:
        return False
    return True


def together(claims: list[Claim]) -> bool:
    """Whether all of them fit the wallet and the day."""
    needs = [each.needs for each in claims]
    lamports = sum(each.lamports for each in needs) + max((each.spare_lamports for each in needs), default=0)
    day = sum(each.notional for each in claims)
    return max(lamports, sum(each.tokens for each in needs), day) <= 100


async def test_two_orders_that_sell_the_same_sol_are_not_both_passed(orders, reservations):
    pair = [await accepted(orders) for _ in range(2)]
    found = await asyncio.gather(*(reservations.reserve(claim(terms, 60), {}) for terms in pair))
    assert sorted(each.lamports for each in found) == [0, 60]


async def test_two_hundred_orders_of_a_rich_wallet_all_pass(orders, reservations):
    many = [await accepted(orders) for _ in range(200)]
    found = await asyncio.gather(*(reservations.reserve(claim(terms, 5, held_lamports=1_000), {}) for terms in many))
    assert sorted(each.lamports for each in found) == [5 * number for number in range(200)]


async def test_the_figures_of_the_checks_are_kept(orders, reservations, database):
    terms = await accepted(orders)
    await reservations.reserve(claim(terms), {"skipped": ["price deviation: no other venue"]})
    (row,) = await database.fetch(text("SELECT order_id, figures FROM risk_reservations"))
    assert (row.order_id, row.figures) == (UUID(terms.order_id), {"skipped": ["price deviation: no other venue"]})
