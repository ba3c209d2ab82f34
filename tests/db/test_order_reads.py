"""What clients and streams read."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from db.database import Database
from db.filters import OrderFilter
from db.orders import OrderRepository
from db.views import OrderReader, Position
from tests.samples import BEGINNING, SOL, USDC, first_events, order_event, order_terms
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms, OrderType
from workflows.domain.routing import Venue

BONK = USDC.model_copy(update={"symbol": "BONK", "mint": "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB263"})


@pytest.fixture
def orders(database: Database) -> OrderRepository:
    return OrderRepository(database)


@pytest.fixture
def reader(database: Database) -> OrderReader:
    return OrderReader(database)


async def stored(orders: OrderRepository, count: int, **changes: object) -> list[OrderTerms]:
    """Orders, oldest first; each three of them share a moment."""
    made = [
        order_terms(**{"created_at": BEGINNING + timedelta(microseconds=number // 3)} | changes)
        for number in range(count)
    ]
    for terms in made:
        await orders.create_order(terms, first_events())
    return sorted(made, key=lambda terms: (terms.created_at, terms.order_id))


async def pages(reader: OrderReader, limit: int, **wanted: Any) -> list[str]:
    listed: list[str] = []
    before = None
    while page := await reader.newest("local", limit, before, OrderFilter(**wanted)):
        assert len(page) <= limit
        listed += [view.terms.order_id for view in page]
        last = page[-1].terms
        before = Position(last.created_at, last.order_id)
    return listed


@pytest.mark.parametrize("limit", [1, 2, 7, 200])
async def test_the_pages_hold_every_order_once_newest_first(orders, reader, limit):
    made = await stored(orders, 10)
    assert await pages(reader, limit) == [terms.order_id for terms in reversed(made)]


async def test_orders_that_arrive_between_pages_shift_nothing(orders, reader):
    made = await stored(orders, 4)
    first = await reader.newest("local", 2)
    await orders.create_order(order_terms(created_at=BEGINNING + timedelta(hours=1)), first_events())
    last = first[-1].terms
    second = await reader.newest("local", 2, before=Position(last.created_at, last.order_id))
    assert [view.terms.order_id for view in (*first, *second)] == [terms.order_id for terms in reversed(made)]


async def test_a_list_holds_one_account_and_one_status(orders, reader):
    made = await stored(orders, 6)
    await stored(orders, 2, account="another")
    ended = [terms.order_id for terms in made[::2]]
    for order_id in ended:
        await orders.append_event(order_id, order_event(3, Status.FAILED))
    assert await pages(reader, 2, statuses=[Status.FAILED]) == ended[::-1]
    assert await pages(reader, 2, statuses=[Status.CONFIRMED]) == []
    assert len(await pages(reader, 5)) == 6


async def test_events_come_in_order_after_a_seq(orders, reader):
    (terms,) = await stored(orders, 1)
    for seq in (4, 3, 5):
        await orders.append_event(terms.order_id, order_event(seq, Status.ROUTING))
    assert [event.seq for event in await reader.events(terms.order_id)] == [1, 2, 3, 4, 5]
    assert [event.seq for event in await reader.events(terms.order_id, after=3)] == [4, 5]
    assert [event.seq for event in await reader.events(terms.order_id, after=1, limit=2)] == [2, 3]
    assert await reader.events(terms.order_id, after=5) == []


async def test_the_last_seqs_of_many_orders(orders, reader):
    made = await stored(orders, 3)
    await orders.append_event(made[1].order_id, order_event(3, Status.BUILDING))
    asked = [terms.order_id for terms in made] + [order_terms().order_id]
    assert await reader.last_seqs(asked) == {made[0].order_id: 2, made[1].order_id: 3, made[2].order_id: 2}
    assert await reader.last_seqs([]) == {}


async def test_what_is_not_stored(reader):
    order_id = order_terms().order_id
    assert await reader.order(order_id) is None
    assert await reader.events(order_id) == []
    assert await reader.attempts(order_id) == []


class TestFilters:
    async def test_each_side_alone_and_together(self, orders, reader):
        (parent,) = await stored(orders, 1, created_at=BEGINNING - timedelta(days=1))
        plain = await stored(orders, 2)
        limits = await stored(orders, 2, type=OrderType.LIMIT, limit_price=Decimal(3), wallet="cold")
        back = await stored(orders, 2, token_in=USDC, token_out=SOL, parent_id=parent.order_id)
        bonk = await stored(orders, 1, token_out=BONK)
        moment = BEGINNING + timedelta(minutes=1)
        late = await stored(orders, 1, created_at=moment, wallet="cold")
        venues = ("raydium", "meteora", "raydium+meteora")
        for terms, venue in zip((*plain, limits[0]), venues, strict=True):
            await orders.append_event(terms.order_id, order_event(3, Status.BUILDING, venue=venue))
        await orders.append_event(limits[1].order_id, order_event(3, Status.REJECTED))

        async def found(**wanted: Any) -> list[OrderTerms]:
            listed = await pages(reader, 2, **wanted)
            assert len(set(listed)) == len(listed)
            made = (parent, *plain, *limits, *back, *bonk, *late)
            return [terms for terms in made if terms.order_id in listed]

        assert await found(types=[OrderType.LIMIT]) == limits
        assert await found(types=list(OrderType)) == [parent, *plain, *limits, *back, *bonk, *late]
        assert await found(wallet="cold") == [*limits, *late]
        assert await found(pair=(SOL.mint, USDC.mint)) == [parent, *plain, *limits, *back, *late]
        assert await found(pair=(USDC.mint, SOL.mint)) == [parent, *plain, *limits, *back, *late]
        assert await found(pair=(BONK.mint, SOL.mint)) == bonk
        assert await found(venue=Venue.RAYDIUM) == [plain[0], limits[0]]
        assert await found(venue=Venue.METEORA) == [plain[1], limits[0]]
        assert await found(parent_id=parent.order_id) == back
        assert await found(created_after=moment) == late
        assert await found(created_before=BEGINNING) == [parent]
        assert await found(created_after=BEGINNING, created_before=moment) == [*plain, *limits, *back, *bonk]
        assert await found(statuses=[Status.BUILDING, Status.REJECTED]) == [*plain, *limits]
        assert await found(statuses=[Status.BUILDING], wallet="cold", venue=Venue.METEORA) == [limits[0]]
        assert await found(statuses=[]) == []

    @pytest.mark.parametrize(
        ("index", "wanted"),
        [
            ("orders_newest_idx", OrderFilter()),
            ("orders_newest_idx", OrderFilter(created_after=BEGINNING, created_before=BEGINNING + timedelta(days=1))),
            ("orders_newest_by_status_idx", OrderFilter(statuses=[Status.CONFIRMED])),
            ("orders_newest_by_type_idx", OrderFilter(types=[OrderType.STOP])),
            ("orders_newest_by_pair_idx", OrderFilter(pair=(SOL.mint, BONK.mint))),
            ("orders_newest_by_wallet_idx", OrderFilter(wallet="cold")),
            ("orders_newest_by_parent_idx", OrderFilter(parent_id="018f0000-0000-7000-8000-000000000000")),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_a_page_is_read_from_an_index_in_its_order(self, database, index: str, wanted: OrderFilter):
        """However long the list is, a page costs as many rows as it shows."""
        await database.fetch(text(_MANY))
        await database.fetch(text("ANALYZE orders"))
        seen = _Seen(database)
        here = Position(BEGINNING + timedelta(hours=1), "018f0000-0000-7000-8000-000000000000")
        await OrderReader(seen).newest("local", 50, here, wanted)
        assert f"Index Scan using {index} on orders" in seen.plan
        assert "Sort" not in seen.plan


# Orders as an account of a bot has them: mostly market orders of one wallet and pair.
_MANY = f"""
INSERT INTO orders (id, account, wallet, type, token_in, token_out, amount_in, slippage_bps, max_attempts, terms,
    status, last_seq, attempt, venue, created_at, updated_at, parent_id)
SELECT gen_random_uuid(), 'local', CASE WHEN n % 50 = 0 THEN 'cold' ELSE 'default' END,
    CASE WHEN n % 50 = 1 THEN 'stop' ELSE 'market' END, '{SOL.mint}',
    CASE WHEN n % 50 = 2 THEN '{BONK.mint}' ELSE '{USDC.mint}' END, 1, 50, 3, '{{}}',
    CASE WHEN n % 50 = 3 THEN 'confirmed' ELSE 'failed' END, 1, 1, 'raydium',
    timestamptz '{BEGINNING.isoformat()}' + n * interval '1 s', now(), CASE WHEN n % 50 = 4 THEN gen_random_uuid() END
FROM generate_series(1, 5000) AS n
"""


class _Seen(Database):
    """Asks how a statement would be run, instead of running it."""

    def __init__(self, database: Database) -> None:
        self._asked = database
        self.plan = ""

    async def fetch(self, statement, parameters=None):
        written = statement.compile(dialect=postgresql.psycopg.dialect(), compile_kwargs={"literal_binds": True})
        self.plan = "\n".join(row[0] for row in await self._asked.fetch(text(f"EXPLAIN {_literal(written)}")))
        return ()


def _literal(written: object) -> str:
    # A colon in a literal would be the name of a parameter.
    return str(written).replace(":", r"\:")
