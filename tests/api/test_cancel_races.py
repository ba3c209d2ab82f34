"""Cancelled over HTTP before, within and after every step of its execution, an order is never canceled and traded."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, get_type_hints

import httpx
import pytest
from temporalio import activity
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.publish import RedisRelay
from db.database import Database
from db.orders import OrderRepository
from tests.api.running import Api, StoringActivities
from tests.api.test_changes import AT_150, show
from tests.workflows.scripted import EXPIRED, landed, reverted
from workflows.domain.attempt import SwapAttempt, SwapOutcome
from workflows.domain.ids import workflow_id
from workflows.domain.lifecycle import Status
from workflows.messages import CancelResult
from workflows.order import OrderWorkflow

STEPS = (
    "persist_order",
    "fetch_raydium_quote",
    "fetch_meteora_quote",
    "choose_route",
    "check_risk",
    "prepare_swap",
    "execute_swap",
    "publish_status",
)
MOMENTS = [f"{when} {step}" for step in STEPS for when in ("before", "after")]
MOMENTS += ["before the sending", "after the sending", "after the outcome"]

# For the cancellation to be answered before the step goes on, where it can be: some steps hold back the answer.
_HEAD_START_SECONDS = 0.1


class RacedActivities(StoringActivities):
    """Each order is canceled at a moment of its own, and has an outcome of its own."""

    def __init__(self, api: Api, store: OrderRepository, relay: RedisRelay) -> None:
        super().__init__(AT_150, store, relay)
        self._api = api
        self._moments: dict[str, str] = {}
        self._fates: dict[str, SwapOutcome] = {}
        self.asked: dict[str, asyncio.Task[httpx.Response]] = {}

    def plan(self, order_id: str, moment: str, fate: SwapOutcome) -> None:
        """What will befall the order."""
        self._moments[workflow_id(order_id)] = moment
        self._fates[workflow_id(order_id)] = fate

    def all(self) -> Sequence[Callable[..., Any]]:
        return [self._raced(step) for step in super().all()]

    def _raced(self, step: Callable[..., Any]) -> Callable[..., Any]:
        async def raced(request: Any) -> Any:
            await self._reach(f"before {step.__name__}")
            answer = await step(request)
            await self._reach(f"after {step.__name__}")
            return answer

        hints = get_type_hints(step)
        answer = hints.pop("return")
        raced.__annotations__ = {"request": next(iter(hints.values())), "return": answer}
        return activity.defn(name=step.__name__)(raced)

    async def _send(self, swap: SwapAttempt) -> SwapOutcome:
        await self._reach("before the sending")
        self.chain.send(swap.order_id, swap.signature)
        await self._reach("after the sending")
        outcome = self.chain.settle(swap.signature, self._fates[workflow_id(swap.order_id)])
        await self._reach("after the outcome")
        return outcome

    async def _reach(self, moment: str) -> None:
        workflow = activity.info().workflow_id
        assert workflow is not None
        if self._moments[workflow] == moment and workflow not in self.asked:
            path = f"/api/orders/{workflow.removeprefix('order-')}/cancel"
            self.asked[workflow] = asyncio.create_task(self._api.http.post(path))
            await asyncio.wait({self.asked[workflow]}, timeout=_HEAD_START_SECONDS)


@asynccontextmanager
async def running(server: WorkflowEnvironment, task_queue: str, steps: RacedActivities) -> AsyncIterator[None]:
    async with Worker(
        server.client,
        task_queue=task_queue,
        workflows=[OrderWorkflow],
        activities=steps.all(),
        max_cached_workflows=100,
    ):
        yield


async def test_never_both(
    api: Api,
    temporal_server: WorkflowEnvironment,
    task_queue: str,
    database: Database,
    relay: RedisRelay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.changes._PATIENCE", timedelta(seconds=30))
    steps = RacedActivities(api, OrderRepository(database), relay)
    orders: dict[str, tuple[str, SwapOutcome]] = {}
    for fate in (landed(), EXPIRED, reverted()):
        for moment in MOMENTS:
            order_id = (await api.submit(maxAttempts=2))["orderId"]
            orders[order_id] = (moment, fate)
            steps.plan(order_id, moment, fate)
    async with running(temporal_server, task_queue, steps):
        ends = await asyncio.gather(*(ended(api, order_id) for order_id in orders))
        answers = {name: (await asked).json() for name, asked in steps.asked.items()}
    assert {orders[name.removeprefix("order-")][0] for name in answers} == set(MOMENTS)
    told = set()
    for (order_id, (moment, fate)), end in zip(orders.items(), ends, strict=True):
        traded = steps.chain.landed(order_id)
        assert len(traded) == (end["status"] == Status.CONFIRMED), moment
        if (answer := answers.get(workflow_id(order_id))) is None:
            # The step is none of this life: nothing was published by itself.
            assert "publish_status" in moment
            continue
        told.add(answer["result"])
        if answer["result"] == CancelResult.CANCELED:
            assert end["status"] == Status.CANCELED, moment
        elif answer["result"] == CancelResult.TOO_LATE:
            assert answer["signature"] in steps.chain.sent[order_id]
            assert end["status"] == (Status.CONFIRMED if fate == landed() else Status.CANCELED), moment
        else:
            assert answer["result"] == CancelResult.ALREADY_TERMINAL
            assert answer["status"] == end["status"]
    # An order that waits for nothing is signed in the task that accepts it: no cancellation comes between.
    assert CancelResult.TOO_LATE in told


async def ended(api: Api, order_id: str) -> dict[str, Any]:
    """The order once it has ended."""
    while (order := await show(api, order_id))["phase"] not in ("COMPLETED", "FAILED"):
        await api.http.get(f"/api/orders/{order_id}?wait=terminal&timeout=30")
    return order
