"""What the tables hold of an order's type, of its changes, and for the watcher of its pair."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from db.database import Database
from db.filters import OrderFilter
from db.open_orders import OpenOrderReader
from db.orders import OrderRepository
from db.views import OrderReader
from tests.samples import SOL, USDC, limit_order, order_event, order_terms, swap_attempt
from workflows.domain.lifecycle import Status
from workflows.domain.money import Token
from workflows.domain.order import OrderTerms, OrderType
from workflows.domain.time_in_force import TimeInForce

PAIR = sorted((SOL.mint, USDC.mint))
BONK = Token(mint="DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", symbol="BONK", decimals=5, program=SOL.program)


@pytest.fixture
def orders(database: Database) -> OrderRepository:
    return OrderRepository(database)


@pytest.fixture
def reader(database: Database) -> OrderReader:
    return OrderReader(database)


@pytest.fixture
def watched(database: Database) -> OpenOrderReader:
    return OpenOrderReader(database)


async def opened(orders: OrderRepository, terms: OrderTerms) -> OrderTerms:
    await orders.create_order(terms, (order_event(1, Status.PENDING),))
    await orders.append_event(terms.order_id, order_event(2, Status.OPEN))
    return terms


async def test_every_term_comes_back(orders, reader, database):
    moment = datetime(2030, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    terms = limit_order(
        type=OrderType.STOP_LIMIT,
        amount_out=7,
        stop_price=Decimal("0.000000000000000000000000000001"),
        limit_price=Decimal("123456789.123456789123456789"),
        time_in_force=TimeInForce.GTD,
        expire_at=moment,
        deadline=moment,
        client_order_id="mine",
        fingerprint="f",
        parent_id="018f0000-0000-7000-8000-000000000000",
    )
    await opened(orders, terms)
    view = await reader.order(terms.order_id)
    assert view is not None
    assert view.terms == terms
    assert await reader.order_by_client_id("local", "mine") == view
    assert await reader.order_by_client_id("another", "mine") is None
    (row,) = await database.fetch(text("SELECT * FROM orders"))
    assert (row.limit_price, row.stop_price, row.amount_out) == (terms.limit_price, terms.stop_price, 7)
    assert (row.time_in_force, row.expire_at, row.deadline) == ("gtd", moment, moment)
    assert (row.client_order_id, str(row.parent_id), row.triggered) == ("mine", terms.parent_id, False)


async def test_a_name_is_taken_once_per_account_and_for_ever(orders, reader):
    await opened(orders, limit_order(client_order_id="mine"))
    await opened(orders, limit_order(client_order_id="mine", account="another"))
    with pytest.raises(IntegrityError, match="orders_client_order_id_key"):
        await opened(orders, limit_order(client_order_id="mine"))


async def test_an_amendment_changes_the_row_with_its_event(orders, reader, database):
    terms = await opened(orders, limit_order())
    moment = datetime(2031, 1, 1, tzinfo=UTC)
    changed = terms.model_copy(update={"limit_price": Decimal("0.5"), "slippage_bps": 1, "deadline": moment})
    event = order_event(3, Status.OPEN, data={"amended": {"limitPrice": "0.5"}})
    assert await orders.append_event(terms.order_id, event, changed) == event
    view = await reader.order(terms.order_id)
    assert view is not None
    assert (view.terms, view.last_seq, view.status) == (changed, 3, Status.OPEN)
    (row,) = await database.fetch(text("SELECT * FROM orders"))
    assert (row.limit_price, row.slippage_bps, row.deadline, row.stop_price) == (Decimal("0.5"), 1, moment, None)
    # Repeated, it changes nothing, whatever it says.
    await orders.append_event(terms.order_id, event, terms)
    again = await reader.order(terms.order_id)
    assert again == view


async def test_the_most_input_of_a_swap_is_kept(orders, reader):
    terms = await opened(orders, limit_order())
    swap = swap_attempt(terms.order_id, most_in=2**64 - 1)
    await orders.record_attempt(swap, order_event(3, Status.SUBMITTED))
    (attempt,) = await reader.attempts(terms.order_id)
    assert attempt.swap == swap


class TestForTheWatcher:
    async def test_it_sees_the_open_orders_of_its_pair_in_both_directions(self, orders, watched):
        selling = await opened(orders, limit_order())
        buying = await opened(
            orders,
            limit_order(
                token_in=USDC, token_out=SOL, amount_in=300_000_000, amount_out=10**9, limit_price=Decimal("1e-3")
            ),
        )
        await opened(orders, limit_order(token_out=BONK))
        await orders.create_order(limit_order(), (order_event(1, Status.PENDING),))
        found = {order.order_id: order for order in await watched.of_pair(*PAIR)}
        assert set(found) == {selling.order_id, buying.order_id}
        first, second = found[selling.order_id], found[buying.order_id]
        assert (first.amount_in, first.amount_out, first.decimals_in, first.decimals_out) == (1_500_000_000, None, 9, 6)
        assert (first.token_in, first.version) == (SOL.mint, 2)
        assert first.conditions == (OrderType.LIMIT, Decimal(200), None, None, False)
        assert (second.amount_out, second.conditions.most) == (10**9, Fraction(1, 300))
        assert await watched.pairs() == sorted({tuple(PAIR), tuple(sorted((SOL.mint, BONK.mint)))})

    async def test_it_notices_whatever_changes(self, orders, watched):
        stamps = [await watched.stamp(*PAIR)]
        assert stamps[0][0] == 0
        first = await opened(orders, limit_order())
        stamps.append(await watched.stamp(*PAIR))
        await orders.append_event(first.order_id, order_event(3, Status.OPEN, data={"triggered": True}))
        stamps.append(await watched.stamp(*PAIR))
        (seen,) = await watched.of_pair(*PAIR)
        assert seen.conditions.triggered
        await orders.append_event(first.order_id, order_event(4, Status.CANCELED))
        await opened(orders, limit_order())
        stamps.append(await watched.stamp(*PAIR))
        assert len(set(stamps)) == len(stamps)
        assert await watched.stamp(*PAIR) == stamps[-1]


class TestTheLiveOnes:
    async def test_each_side_of_a_filter(self, orders, reader):
        sol = await opened(orders, limit_order())
        bonk = await opened(orders, limit_order(token_in=BONK, wallet="other"))
        back = await opened(orders, order_terms(token_in=USDC, token_out=SOL))
        ended = await opened(orders, limit_order())
        await orders.append_event(ended.order_id, order_event(3, Status.EXPIRED))
        await opened(orders, limit_order(account="another"))

        async def ids(**wanted: object) -> set[str]:
            return {view.terms.order_id for view in await reader.live("local", OrderFilter(**wanted), 10)}

        assert await ids() == {sol.order_id, bonk.order_id, back.order_id}
        assert await ids(pair=(SOL.mint, USDC.mint)) == {sol.order_id, back.order_id}
        assert await ids(types=[OrderType.MARKET]) == {back.order_id}
        assert await ids(wallet="other") == {bonk.order_id}
        assert await ids(order_ids=[sol.order_id, ended.order_id]) == {sol.order_id}
        assert await ids(order_ids=[]) == set()
        assert len(await reader.live("local", OrderFilter(), 2)) == 2
