"""The watcher of a pair on a real Temporal server: it is there while an order is open, and outlives its worker."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.pools import Pair, PairState
from activities.solana.rpc import ChainUnavailable
from activities.venues.pool import Clock
from activities.watch import WatchActivities
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

    def __init__(self) -> None:
        self.open: dict[str, OpenOrder] = {}
        self.changes = 0
        self.away = False

    def add(self) -> str:
        """An order that sells one A for two B or more."""
        order_id = str(uuid4())
        limit = Conditions(OrderType.LIMIT, Decimal(2), None, None, triggered=False)
        self.open[order_id] = OpenOrder(order_id, 2, "A", 1_000, None, 0, 0, limit)
        self.changes += 1
        return order_id

    async def stamp(self, first: str, second: str) -> tuple[int, int]:
        if self.away:
            raise ConnectionError("away")
        return len(self.open), self.changes

    async def of_pair(self, first: str, second: str) -> Sequence[OpenOrder]:
        return list(self.open.values())

    async def pairs(self) -> Sequence[tuple[str, str]]:
        return [("A", "B")] if self.open else []


class Pools:
    """A pool-less pair whose price a test sets; counts its reads, by slot."""

    def __init__(self) -> None:
        self.price, self.slot, self.away = 1, 0, False
        self.reads = 0

    async def read(self, pair: Pair) -> PairState:
        if self.away:
            raise ChainUnavailable("away")
        self.reads += 1
        self.slot += 1
        return PairState(Clock(self.slot, 0, 0), ())


@workflow.defn(name="OrderWorkflow")
class Told:
    """Counts the hints that it is given."""

    def __init__(self) -> None:
        self._hints = 0

    @workflow.signal
    def price_reached(self) -> None:
        self._hints += 1

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._hints > 0)


class World:
    """A pair with its orders and pools, and workers that watch it."""

    def __init__(self, server: WorkflowEnvironment) -> None:
        self.client = server.client
        self.orders, self.pools = Orders(), Pools()
        tag = str(uuid4())
        self.pair = WatchedPair(first=f"A-{tag}", second=f"B-{tag}")
        self.id = watch_id(self.pair.first, self.pair.second)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        watch = WatchActivities(self.orders, self.pools, _INTERVAL)  # type: ignore[arg-type]
        worker = Worker(
            self.client,
            task_queue=names.TASK_QUEUE,
            workflows=[WatchWorkflow, Told],
            activities=[watch.ensure_watched, watch.watch_pair],
            sticky_queue_schedule_to_start_timeout=names.STICKY_TIMEOUT,
        )
        async with worker:
            yield

    async def order(self) -> str:
        """An open order whose workflow waits for a hint."""
        order_id = self.orders.add()
        await self.client.start_workflow("OrderWorkflow", id=workflow_id(order_id), task_queue=names.TASK_QUEUE)
        return order_id

    async def hinted(self, order_id: str) -> None:
        """Return once the order was told."""
        await self.client.get_workflow_handle(workflow_id(order_id)).result()

    async def runs(self) -> bool:
        """Whether the pair has a watcher."""
        try:
            described = await self.client.get_workflow_handle(self.id).describe()
        except RPCError:
            return False
        return described.status is WorkflowExecutionStatus.RUNNING


@pytest.fixture
async def world(temporal_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr("workflows.names.TASK_QUEUE", f"watch-{uuid4()}")
    monkeypatch.setattr("activities.watch._LINGER_SECONDS", 0.2)
    monkeypatch.setattr("activities.watch._ORDERS_SECONDS", 0.02)
    world = World(temporal_server)
    price = defaultdict[object, Decimal](lambda: Decimal(world.pools.price))
    monkeypatch.setattr("activities.watch.Prices.of", lambda _, size: price.default_factory() if True else None)
    yield world
    if await world.runs():
        await world.client.get_workflow_handle(world.id).terminate()
