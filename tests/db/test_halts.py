"""The kill switch on a real PostgreSQL: once a halt is committed no swap can be recorded, whoever was on the way."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import text

from db.database import Database
from db.orders import OrderRepository
from db.risk import HaltRepository
from db.views import OrderReader
from deploy.local.postgres import libpq_url
from tests.samples import EXPIRED, LANDED, first_events, order_event, order_terms, swap_attempt
from workflows.domain.attempt import SwapAttempt
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderEvent

Connection = psycopg.AsyncConnection[tuple[object, ...]]

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
def orders(database: Database) -> OrderRepository:
    return OrderRepository(database)


@pytest.fixture
def halts(database: Database) -> HaltRepository:
    return HaltRepository(database)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A connection whose transactions end when the test says so."""
    async with await psycopg.AsyncConnection.connect(libpq_url(database_url)) as connection:
        yield connection


async def signed(orders: OrderRepository) -> tuple[SwapAttempt, OrderEvent]:
    """A swap that is ready to be recorded, with its event."""
    terms = order_terms()
    await orders.create_order(terms, (*first_events(), order_event(3, Status.BUILDING)))
    swap = swap_attempt(terms.order_id)
    return swap, order_event(4, Status.SUBMITTED, signature=swap.signature)


async def waits_for_a_lock(database: Database) -> None:
    """Return when some statement waits for another's lock."""
    waiting = 0
    while not waiting:
        waiting = (await database.fetch(text(WAITING)))[0][0]
        await asyncio.sleep(0.01)


async def test_trading_is_halted_and_resumed(halts):
    assert await halts.in_force() is None
    assert await halts.halt("ops", "a drill")
    halt = await halts.in_force()
    assert (halt.by, halt.reason) == ("ops", "a drill")
    assert str(halt).startswith("ops halted trading at 20")
    assert await halts.resume("ops") == halt
    assert await halts.in_force() is None
    assert await halts.resume("ops") is None


async def test_the_first_halt_stands(halts):
    assert await halts.halt("ops", "first")
    assert not await halts.halt("dev", "second")
    assert (await halts.in_force()).reason == "first"


async def test_halts_at_once_are_one_halt(halts):
    assert sorted(await asyncio.gather(*(halts.halt("ops", "") for _ in range(5)))) == [False] * 4 + [True]


async def test_who_halted_and_resumed_is_kept(halts, database):
    for reason in ("one", "two"):
        await halts.halt("ops", reason)
        await halts.resume("dev")
    rows = await database.fetch(text("SELECT * FROM trading_halts ORDER BY id"))
    assert [(row.halted_by, row.reason, row.resumed_by) for row in rows] == [
        ("ops", "one", "dev"),
        ("ops", "two", "dev"),
    ]
    assert all(row.resumed_at >= row.halted_at for row in rows)


async def test_no_swap_is_recorded_while_trading_is_halted(orders, halts, database):
    swap, event = await signed(orders)
    await halts.halt("ops", "a drill")
    with pytest.raises(EngineError, match=r"ops halted trading at .*: a drill") as refused:
        await orders.record_attempt(swap, event)
    assert refused.value.code is ErrorCode.TRADING_HALTED
    assert await OrderReader(database).last_seqs([swap.order_id]) == {swap.order_id: 3}
    assert await database.fetch(text("SELECT FROM swap_attempts")) == []
    await halts.resume("ops")
    assert await orders.record_attempt(swap, event) == event


async def test_what_was_recorded_before_stands_and_is_settled_under_a_halt(orders, halts):
    swap, event = await signed(orders)
    await orders.record_attempt(swap, event)
    await halts.halt("ops", "")
    assert await orders.record_attempt(swap, event) == event
    await orders.settle_attempt(swap, LANDED)
    assert (await orders.recorded_swap(swap.order_id, swap.signature))[1] == LANDED


async def test_an_event_that_stands_in_the_way_comes_before_the_halt(orders, halts):
    swap, event = await signed(orders)
    other = order_event(4, Status.ROUTING, attempt=2)
    await orders.append_event(swap.order_id, other)
    await halts.halt("ops", "")
    assert await orders.record_attempt(swap, event) == other


async def test_an_end_comes_before_the_halt(orders, halts):
    swap, event = await signed(orders)
    end = order_event(4, Status.CANCELED)
    await orders.append_event(swap.order_id, end)
    await halts.halt("ops", "")
    assert await orders.record_attempt(swap, event.model_copy(update={"seq": 5})) == end


async def test_a_swap_that_meets_a_halt_on_its_way_waits_and_is_refused(orders, database, connection):
    swap, event = await signed(orders)
    await connection.execute("SELECT halt_trading('ops', '')")
    recording = asyncio.create_task(orders.record_attempt(swap, event))
    await waits_for_a_lock(database)
    await connection.commit()
    with pytest.raises(EngineError, match="ops halted trading"):
        await recording


async def test_a_halt_waits_for_a_swap_that_is_being_recorded(orders, halts, database, connection):
    # The lock is that of the recording statement, held as its transaction would hold it.
    await connection.execute("SELECT FROM trading_halts WHERE resumed_at IS NULL FOR KEY SHARE")
    halting = asyncio.create_task(halts.halt("ops", ""))
    await waits_for_a_lock(database)
    assert await halts.in_force() is None
    await connection.commit()
    assert await halting


async def test_recording_does_not_wait_for_recording(orders, halts, connection):
    await connection.execute("SELECT FROM trading_halts WHERE resumed_at IS NULL FOR KEY SHARE")
    swap, event = await signed(orders)
    assert await orders.record_attempt(swap, event) == event


async def test_no_record_is_committed_after_the_halt_however_they_race(orders, halts, database):
    for _ in range(10):
        ready = [await signed(orders) for _ in range(12)]
        recording = [asyncio.create_task(orders.record_attempt(*each)) for each in ready]
        await asyncio.wait(recording, return_when=asyncio.FIRST_COMPLETED)
        await halts.halt("ops", "")
        recorded = {row.signature for row in await database.fetch(text("SELECT signature FROM swap_attempts"))}
        answers = await asyncio.gather(*recording, return_exceptions=True)
        passed = {event.signature for event in answers if isinstance(event, OrderEvent)}
        assert passed <= recorded
        after = {row.signature for row in await database.fetch(text("SELECT signature FROM swap_attempts"))}
        assert after == recorded
        for swap, _ in ready:
            if swap.signature in recorded:
                await orders.settle_attempt(swap, EXPIRED)
        await halts.resume("ops")
