"""The watcher of a pair on a real Temporal server: it is there while an order is open, and outlives its worker."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.pools import Pair, PairState, PoolState
from activities.solana.rpc import ChainUnavailable
from activities.venues.pool import Clock, Quote, Swap
from activities.watch import WatchActivities, start_watcher, start_watchers
from activities.watch_log import WatchLog
from tests.workflows.histories import until
from workflows import names
from workflows.domain.ids import watch_id, workflow_id
from workflows.domain.open_order import OpenOrder
from workflows.domain.order import OrderType
from workflows.domain.trigger import Conditions
from workflows.messages import WatchedPair
from workflows.watch import WatchWorkflow

# Far below what a look costs.
_INTERVAL = 0.01


class Orders:
    """Open orders in memory; `away` is an outage."""

    def __init__(self, pair: WatchedPair) -> None:
        self.pair = pair
        self.open: dict[str, OpenOrder] = {}
        self.changes = 0
        self.looks = 0
        self.away = False

    def add(self) -> str:
        """An order that sells a thousand units for twice as many or more."""
        order_id = str(uuid4())
        limit = Conditions(OrderType.LIMIT, Decimal(2), None, None, triggered=False)
        self.open[order_id] = OpenOrder(order_id, 2, self.pair.first, 1_000, None, 0, 0, limit)
        self.changes += 1
        return order_id

    async def stamp(self, first: str, second: str) -> tuple[int, int]:
        self.looks += 1
        if self.away:
            raise ConnectionError("away")
        return len(self.open), self.changes

    async def of_pair(self, first: str, second: str) -> Sequence[OpenOrder]:
        return list(self.open.values())

    async def pairs(self) -> Sequence[tuple[str, str]]:
        return [(self.pair.first, self.pair.second)] if self.open else []


@dataclass
class Pools:
    """One pool that pays `price`, in a new slot at each read."""

    pair: WatchedPair
    price: int = 1
    slot: int = 0
    away: bool = False

    async def read(self, pair: Pair) -> PairState:
        if self.away:
            raise ChainUnavailable("away")
        self.slot += 1
        mint: Any = SimpleNamespace(address=self.pair.first)
        pool: Any = SimpleNamespace(address="pool", mint_a=mint, quote=self.quote)
        ref: Any = None
        return PairState(Clock(self.slot, 0, 0), (PoolState(ref, pool, None),))

    def quote(self, swap: Swap, clock: Clock) -> Quote:
        return Quote(swap, swap.amount, swap.amount * self.price, 0, fee_on_input=True, compute_units=0)


@workflow.defn(name="OrderWorkflow")
class Told:
    """An order that ends when it is told of its price."""

    def __init__(self) -> None:
        self._told = False

    @workflow.signal
    def price_reached(self) -> None:
        self._told = True

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._told)


class World:
    """A pair with its orders and its pool, and workers that watch it."""

    def __init__(self, server: WorkflowEnvironment, task_queue: str) -> None:
        tag = str(uuid4())
        self.client = server.client
        self.pair = WatchedPair(first=f"A-{tag}", second=f"B-{tag}")
        self.orders, self.pools = Orders(self.pair), Pools(self.pair)
        self.log = WatchLog()
        self._task_queue = task_queue

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        watch = WatchActivities(self.orders, self.pools, _INTERVAL, self.log)  # type: ignore[arg-type]
        worker = Worker(
            self.client,
            task_queue=self._task_queue,
            workflows=[WatchWorkflow, Told],
            activities=[watch.ensure_watched, watch.watch_pair],
            sticky_queue_schedule_to_start_timeout=names.STICKY_TIMEOUT,
        )
        async with worker:
            yield

    async def order(self) -> str:
        """An order that has just been opened, its watcher told."""
        order_id = self.orders.add()
        await self.client.start_workflow("OrderWorkflow", id=workflow_id(order_id), task_queue=self._task_queue)
        await start_watcher(self.client, self.pair)
        return order_id

    async def told(self, order_id: str) -> None:
        """Return once the order was told of its price; it is open no longer then."""
        await self.client.get_workflow_handle(workflow_id(order_id)).result()
        del self.orders.open[order_id]
        self.orders.changes += 1

    async def waits(self, order_id: str) -> bool:
        """Whether the order has not been told."""
        described = await self.client.get_workflow_handle(workflow_id(order_id)).describe()
        return described.status is WorkflowExecutionStatus.RUNNING

    async def run_id(self) -> str | None:
        """The run of the pair's watcher, None when it has none."""
        try:
            described = await self.client.get_workflow_handle(watch_id(self.pair.first, self.pair.second)).describe()
        except RPCError:
            return None
        return described.run_id if described.status is WorkflowExecutionStatus.RUNNING else None

    async def looked(self, times: int = 3) -> None:
        """Return after some more looks at the open orders."""
        wanted = self.orders.looks + times

        async def so() -> bool:
            return self.orders.looks >= wanted

        await until(so)

    async def ended(self) -> None:
        """Return once the pair has no watcher."""

        async def so() -> bool:
            return await self.run_id() is None

        await until(so)


@pytest.fixture
def world(temporal_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch) -> World:
    task_queue = f"watch-{uuid4()}"
    monkeypatch.setattr(names, "TASK_QUEUE", task_queue)
    monkeypatch.setattr("activities.watch._LINGER_SECONDS", 0.3)
    monkeypatch.setattr("activities.watch._ORDERS_SECONDS", 0.02)
    return World(temporal_server, task_queue)


async def test_an_order_is_told_when_its_price_is_reached_and_not_before(world: World) -> None:
    async with world.worker():
        order = await world.order()
        await world.looked(10)
        assert await world.waits(order)
        world.pools.price = 2
        await world.told(order)
        await world.ended()


async def test_an_order_that_opens_while_another_is_watched_is_seen(world: World) -> None:
    async with world.worker():
        first = await world.order()
        await world.looked()
        run_id = await world.run_id()
        second = await world.order()
        assert await world.run_id() == run_id
        world.pools.price = 3
        await asyncio.gather(world.told(first), world.told(second))
        await world.ended()


async def test_a_pair_is_watched_again_when_an_order_opens_after_the_end(world: World) -> None:
    world.pools.price = 2
    async with world.worker():
        for _ in range(2):
            await world.told(await world.order())
            await world.ended()


async def test_orders_that_open_at_the_very_end_are_seen(world: World) -> None:
    world.pools.price = 2
    async with world.worker():
        for milliseconds in range(250, 400, 10):
            await world.told(await world.order())
            await asyncio.sleep(milliseconds / 1_000)
        await world.ended()


async def test_a_crossing_while_no_worker_runs_is_not_lost(world: World) -> None:
    async with world.worker():
        order = await world.order()
        await world.looked()
    world.pools.price = 2
    async with world.worker():
        await world.told(order)
        await world.ended()


async def test_an_outage_is_not_taken_for_the_end(world: World) -> None:
    async with world.worker():
        order = await world.order()
        await world.looked()
        run_id = await world.run_id()
        world.orders.away = world.pools.away = True
        # Longer than a pair without orders is watched.
        await world.looked(30)
        world.orders.away = world.pools.away = False
        world.pools.price = 2
        await world.told(order)
        assert run_id is not None
        await world.ended()


async def test_a_watcher_that_somebody_ended_is_started_again_by_the_next_worker(world: World) -> None:
    async with world.worker():
        order = await world.order()
        await world.looked()
        await world.client.get_workflow_handle(watch_id(world.pair.first, world.pair.second)).terminate()
        world.pools.price = 2
        await start_watchers(world.client, world.orders)
        await world.told(order)
        await world.ended()


async def test_a_long_history_is_begun_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.watch._MOST_OPENINGS", 3)
    async with world.worker():
        order = await world.order()
        await world.looked()
        first = await world.run_id()
        for _ in range(3):
            await start_watcher(world.client, world.pair)

        async def begun_anew() -> bool:
            return await world.run_id() not in (None, first)

        await until(begun_anew)
        world.pools.price = 2
        await world.told(order)
        await world.ended()
