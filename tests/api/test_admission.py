"""One account may have so many orders on their way; those that rest or have ended do not count."""

import asyncio

import pytest

from api.admission import Admission
from api.settings import ApiSettings
from db.database import Database
from db.orders import OrderRepository
from db.registry import TokenRepository
from db.views import OrderReader
from tests.api.running import order_body, serving
from tests.samples import SOL, USDC, first_events, order_event, order_terms
from workflows.domain.errors import EngineError
from workflows.domain.lifecycle import Status


class FakeReader:
    """Says how many there are, or that the database is away."""

    def __init__(self, count: int | None) -> None:
        self.count = count
        self.asked = 0

    async def in_progress(self, account: str) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        if self.count is None:
            raise ConnectionError("away")
        return self.count


async def refused(admission: Admission) -> bool:
    try:
        await admission.admit("desk")
    except EngineError as error:
        return error.code == "too_many_orders"
    return False


async def test_what_was_accepted_since_the_count_is_added_to_it():
    reader, now = FakeReader(1), 0.0
    admission = Admission(reader, 3, lambda: now)  # type: ignore[arg-type]
    assert [await refused(admission) for _ in range(3)] == [False, False, True]
    assert reader.asked == 1
    now, reader.count = 1.1, 0
    assert not await refused(admission)
    assert reader.asked == 2


async def test_many_at_once_are_counted_together():
    reader = FakeReader(0)
    admission = Admission(reader, 2, lambda: 0.0)  # type: ignore[arg-type]
    answers = await asyncio.gather(*(refused(admission) for _ in range(50)))
    assert (answers.count(False), reader.asked) == (2, 1)


async def test_an_old_count_refuses_nobody_while_the_database_is_away():
    reader, now = FakeReader(2), 0.0
    admission = Admission(reader, 2, lambda: now)  # type: ignore[arg-type]
    assert await refused(admission)
    now, reader.count = 1.1, None
    assert [await refused(admission) for _ in range(4)] == [False] * 4


async def test_a_database_that_is_silent_holds_up_many_no_longer_than_one():
    now = 0.0

    class SilentReader:
        asked = 0

        async def in_progress(self, account: str) -> int:
            nonlocal now
            self.asked += 1
            # So long that the answer is old when it comes.
            now += 8.0
            raise ConnectionError("no answer")

    reader = SilentReader()
    admission = Admission(reader, 1, lambda: now)  # type: ignore[arg-type]
    assert await asyncio.gather(*(refused(admission) for _ in range(10))) == [False] * 10
    assert reader.asked == 1


@pytest.mark.parametrize(("count", "most"), [(None, 1), (5, 0)])
async def test_nobody_is_refused_without_a_limit_or_a_database(count: int | None, most: int):
    admission = Admission(FakeReader(count), most)  # type: ignore[arg-type]
    assert [await refused(admission) for _ in range(5)] == [False] * 5


async def test_only_orders_on_their_way_count(database: Database):
    store, reader = OrderRepository(database), OrderReader(database)
    for status in (Status.BUILDING, Status.OPEN, Status.FAILED, None):
        terms = order_terms()
        await store.create_order(terms, first_events())
        if status is not None:
            await store.append_event(terms.order_id, order_event(3, status))
    assert await reader.in_progress("local") == 2
    assert await reader.in_progress("other") == 0


async def test_an_account_with_too_many_is_told(api_settings: ApiSettings, task_queue: str, database: Database):
    await TokenRepository(database).upsert([SOL, USDC])
    settings = api_settings.model_copy(update={"api_orders_in_progress": 2})
    async with serving(settings) as api:
        named = order_body(clientOrderId="mine")
        first = await api.http.post("/api/orders", json=named)
        codes = [first.status_code]
        codes += [(await api.http.post("/api/orders", json=order_body())).status_code for _ in range(2)]
        repeated = await api.http.post("/api/orders", json=named)
        again = await api.http.post("/api/orders", json=order_body())
    assert codes == [202, 202, 429]
    # The same request is the same order, however many there are.
    assert (repeated.status_code, repeated.json()["orderId"]) == (200, first.json()["orderId"])
    assert again.json()["code"] == "too_many_orders"
