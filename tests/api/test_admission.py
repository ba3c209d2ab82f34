"""One account may have so many orders on their way; those that rest or have ended do not count."""

import asyncio
import itertools
from collections.abc import Sequence
from random import Random

import pytest

from api.admission import Admission
from api.settings import ApiSettings
from db.database import Database
from db.orders import OrderRepository
from db.registry import TokenRepository
from db.views import OrderReader
from tests.api.running import order_body, serving
from tests.samples import SOL, USDC, first_events, order_event, order_terms
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.lifecycle import Status


class FakeReader:
    """Says how many there are, or that the database is away; `stored` are ids that it knows."""

    def __init__(self, count: int | None) -> None:
        self.count = count
        self.stored: set[str] = set()
        self.asked = 0

    async def in_progress(self, account: str, order_ids: Sequence[str]) -> tuple[int, frozenset[str]]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.count is None:
            raise ConnectionError("away")
        return self.count, frozenset(self.stored & set(order_ids))

    def store(self, *order_ids: str) -> None:
        """The orders are in progress from now on."""
        assert self.count is not None
        self.count += len(order_ids)
        self.stored |= set(order_ids)


class Desk:
    """Places orders one after the other, at a time that a test sets."""

    def __init__(self, count: int | None, most: int) -> None:
        self.now = 0.0
        self.reader = FakeReader(count)
        self.admission = Admission(self.reader, most, lambda: self.now)  # type: ignore[arg-type]
        self._ids = map(str, itertools.count(1))

    async def place(self, order_id: str = "", failing: BaseException | None = None) -> str | None:
        """The id of the placed order, None when it was one too many."""
        order_id = order_id or next(self._ids)
        try:
            async with self.admission.admitted("desk", order_id):
                if failing is not None:
                    raise failing
        except (EngineError, asyncio.CancelledError) as error:
            if error is not failing:
                return None
        return order_id

    async def accepted(self, times: int) -> int:
        """How many of so many orders are taken."""
        return sum([await self.place() is not None for _ in range(times)])


def unavailable() -> EngineError:
    return EngineError(ErrorCode.ENGINE_UNAVAILABLE, "not accepted")


def unknown() -> EngineError:
    return EngineError(ErrorCode.ACCEPTANCE_UNKNOWN, "perhaps accepted")


async def test_what_was_accepted_since_the_count_is_added_to_it():
    desk = Desk(1, 3)
    assert [await desk.place() for _ in range(3)] == ["1", "2", None]
    assert desk.reader.asked == 1


async def test_many_at_once_are_counted_together():
    desk = Desk(0, 2)
    placed = await asyncio.gather(*(desk.place() for _ in range(50)))
    assert (len([each for each in placed if each is not None]), desk.reader.asked) == (2, 1)


async def test_what_is_accepted_and_not_stored_yet_still_counts_when_the_count_is_renewed():
    desk = Desk(0, 3)
    first = [await desk.place() for _ in range(2)]
    for desk.now in (1.1, 2.2, 60.0):
        assert await desk.accepted(1) == (1 if desk.now == 1.1 else 0)
    desk.reader.store(first[0])
    desk.now = 61.1
    # It counts once, stored or not.
    assert await desk.accepted(1) == 0
    desk.reader.count = 0
    desk.now = 62.2
    assert await desk.accepted(2) == 1


async def test_a_database_that_is_silent_holds_up_many_no_longer_than_one():
    now = 0.0

    class SilentReader:
        asked = 0

        async def in_progress(self, account: str, order_ids: Sequence[str] = ()) -> tuple[int, frozenset[str]]:
            nonlocal now
            self.asked += 1
            # So long that the answer is old when it comes.
            now += 8.0
            raise ConnectionError("no answer")

    reader = SilentReader()
    desk = Desk(0, 10)
    desk.admission = Admission(reader, 10, lambda: now)  # type: ignore[arg-type]
    assert None not in await asyncio.gather(*(desk.place() for _ in range(10)))
    assert reader.asked == 1


async def test_what_was_not_accepted_does_not_count():
    desk = Desk(0, 1)
    for _ in range(3):
        assert await desk.place(failing=unavailable()) is not None
    assert await desk.accepted(2) == 1


@pytest.mark.parametrize("failing", [unknown(), asyncio.CancelledError()])
async def test_what_may_have_been_accepted_counts_for_a_while(failing: BaseException):
    desk = Desk(0, 1)
    await desk.place(failing=failing)
    assert await desk.accepted(1) == 0
    desk.now = 5.0
    assert await desk.accepted(1) == 0
    desk.now = 10.5
    assert await desk.accepted(2) == 1


async def test_the_same_order_counts_once_however_often_it_is_placed():
    desk = Desk(0, 1)
    assert [await desk.place("mine") for _ in range(3)] == ["mine"] * 3
    # One of several requests that fails takes nothing from the others.
    await desk.place("mine", failing=unavailable())
    assert await desk.accepted(1) == 0


async def test_while_the_database_is_away_an_old_count_refuses_nobody():
    desk = Desk(2, 2)
    assert await desk.accepted(1) == 0
    desk.now, desk.reader.count = 1.1, None
    # What is accepted from now on is all that is known of.
    assert await desk.accepted(4) == 2


async def test_nobody_is_refused_without_a_limit():
    assert await Desk(5, 0).accepted(5) == 5


async def test_never_more_than_the_limit_are_in_progress_and_never_less_for_long():
    """A day of a desk that places all it may, with orders that are stored late and starts that fail."""
    rolls, desk = Random(7), Desk(0, 20)
    late: list[str] = []
    assert desk.reader.count is not None
    for _ in range(3_000):
        desk.now += rolls.random() / 4
        if rolls.random() < 0.2:
            await desk.place(failing=unavailable())
        elif (placed := await desk.place()) is not None:
            late.append(placed)
        assert desk.reader.count + len(late) <= 20
        if late and rolls.random() < 0.6:
            desk.reader.store(late.pop(rolls.randrange(len(late))))
        if desk.reader.count and rolls.random() < 0.5:
            desk.reader.count -= 1
    free = 20 - desk.reader.count - len(late)
    desk.now += 1.1
    assert await desk.accepted(40) == free


async def test_only_orders_on_their_way_count(database: Database):
    store, reader = OrderRepository(database), OrderReader(database)
    for status in (Status.BUILDING, Status.OPEN, Status.FAILED, None):
        terms = order_terms()
        await store.create_order(terms, first_events())
        if status is not None:
            await store.append_event(terms.order_id, order_event(3, status))
    assert await reader.in_progress("local") == (2, frozenset())
    assert await reader.in_progress("other") == (0, frozenset())
    not_stored = order_terms().order_id
    assert await reader.in_progress("local", [terms.order_id, not_stored]) == (2, frozenset({terms.order_id}))


async def test_an_account_with_too_many_is_told(api_settings: ApiSettings, task_queue: str, database: Database):
    await TokenRepository(database).upsert([SOL, USDC])
    settings = api_settings.model_copy(update={"api_orders_in_progress": 2})
    async with serving(settings) as api:
        named = order_body(clientOrderId="admitted-once")
        first = await api.http.post("/api/orders", json=named)
        codes = [first.status_code]
        codes += [(await api.http.post("/api/orders", json=order_body())).status_code for _ in range(2)]
        repeated = await api.http.post("/api/orders", json=named)
        again = await api.http.post("/api/orders", json=order_body())
    assert codes == [202, 202, 429]
    # The same request is the same order, however many there are.
    assert (repeated.status_code, repeated.json()["orderId"]) == (200, first.json()["orderId"])
    assert again.json()["code"] == "too_many_orders"
