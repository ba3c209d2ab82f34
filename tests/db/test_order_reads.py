"""What clients and streams read."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import text

from db.database import Database
from db.orders import OrderRepository
from db.settings import DatabaseSettings
from db.views import OrderReader, Position
from tests.samples import BEGINNING, first_events, order_event, order_terms
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms


@pytest.fixture
def orders(database: Database) -> OrderRepository:
    return OrderRepository(database)


@pytest.fixture
def reader(database: Database) -> OrderReader:
    return OrderReader(database)


async def stored(orders: OrderRepository, count: int, **changes: object) -> list[OrderTerms]:
    """Orders, oldest first; each three of them share a moment."""
    made = [
        order_terms(created_at=BEGINNING + timedelta(microseconds=number // 3), **changes) for number in range(count)
    ]
    for terms in made:
        await orders.create_order(terms, first_events())
    return sorted(made, key=lambda terms: (terms.created_at, terms.order_id))


async def pages(reader: OrderReader, limit: int, **filters: object) -> list[str]:
    listed: list[str] = []
    before = None
    while page := await reader.newest("local", limit, before=before, **filters):
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
    assert await pages(reader, 2, status=Status.FAILED) == ended[::-1]
    assert await pages(reader, 2, status=Status.CONFIRMED) == []
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


@pytest.mark.parametrize("status", [None, Status.CONFIRMED])
async def test_a_page_can_be_read_from_an_index_in_its_order(database_url, status):
    """However long the list is, a page costs as many rows as it shows."""
    # A table as small as this one would be read whole, and sorted.
    options = " ".join(f"-c enable_{way}=off" for way in ("seqscan", "bitmapscan", "sort"))
    database = Database(DatabaseSettings(database_url=f"{database_url}?options={quote(options)}"))
    condition = f"AND status = '{status}'" if status else ""
    plan = await database.fetch(
        text(
            "EXPLAIN SELECT * FROM orders WHERE account = 'local' "
            f"{condition} AND (created_at, id) < (now(), gen_random_uuid()) ORDER BY created_at DESC, id DESC LIMIT 50"
        )
    )
    await database.close()
    lines = "\n".join(row[0] for row in plan)
    # Which of the two indexes serves a status depends on how many orders have it.
    assert "Index Scan using orders_newest_" in lines
    assert "Sort" not in lines
