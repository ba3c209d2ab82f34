"""The dead man's switch: it fires unless renewed in time, by the times in the signals, whoever was away meanwhile."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from tests.workflows.histories import happened, until
from workflows import names
from workflows.dead_mans_switch import DeadMansSwitchWorkflow
from workflows.switch_messages import CancelOrders, DeadMansSwitch, OrdersAsked, RenewSwitch

Switch = WorkflowHandle[DeadMansSwitchWorkflow, None]

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NONE_LEFT = OrdersAsked(asked=0, left=0)


class Account:
    """An account with a switch; each pass over its orders is answered by the script, the last answer for ever."""

    def __init__(self, environment: WorkflowEnvironment, *answers: OrdersAsked | None) -> None:
        self._environment = environment
        self._answers = answers or (NONE_LEFT,)
        self._task_queue = f"switches-{uuid4()}"
        self.passes: list[datetime] = []

    @activity.defn
    async def cancel_orders(self, request: CancelOrders) -> OrdersAsked:
        assert request.account == "desk"
        self.passes.append(request.accepted_by)
        answer = self._answers[min(len(self.passes), len(self._answers)) - 1]
        if answer is None:
            raise ApplicationError("PostgreSQL is away", type="ConnectionError")
        return answer

    @contextlib.asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        async with Worker(
            self._environment.client,
            task_queue=self._task_queue,
            workflows=[DeadMansSwitchWorkflow],
            activities=[self.cancel_orders],
            sticky_queue_schedule_to_start_timeout=names.STICKY_TIMEOUT,
        ):
            yield

    async def arm(self, at: datetime, lasting: timedelta, in_real_time: bool = True) -> Switch:
        """Start the switch with its first sign of life."""
        with self._environment.with_time_skipping_disabled() if in_real_time else contextlib.nullcontext():
            return await self._environment.client.start_workflow(
                DeadMansSwitchWorkflow.run,
                DeadMansSwitch(account="desk"),
                id=f"switch-{uuid4()}",
                task_queue=self._task_queue,
                task_timeout=names.WORKFLOW_TASK_TIMEOUT,
                start_signal=names.RENEW_SWITCH,
                start_signal_args=[RenewSwitch(at=at, until=at + lasting)],
            )


async def renew(switch: Switch, at: datetime, lasting: timedelta | None) -> None:
    ends = at + lasting if lasting is not None else None
    await switch.signal(DeadMansSwitchWorkflow.renew, RenewSwitch(at=at, until=ends))


async def standing(switch: Switch) -> DeadMansSwitch:
    return await switch.query(DeadMansSwitchWorkflow.state)


def now() -> datetime:
    return datetime.now(UTC)


async def test_without_a_sign_of_life_the_orders_of_that_moment_are_canceled(skipping_server: WorkflowEnvironment):
    account = Account(skipping_server, OrdersAsked(asked=3, left=3), OrdersAsked(asked=1, left=1), NONE_LEFT)
    at = now()
    async with account.worker():
        switch = await account.arm(at, HOUR, in_real_time=False)
        await switch.result()
    assert set(account.passes) == {at + HOUR}
    # One pass after the other until none is left, and one when late ones must have appeared.
    assert len(account.passes) >= 3


async def test_an_order_that_appears_late_is_found(skipping_server: WorkflowEnvironment):
    account = Account(skipping_server, NONE_LEFT, NONE_LEFT, OrdersAsked(asked=1, left=1), NONE_LEFT)
    async with account.worker():
        await (await account.arm(now(), MINUTE, in_real_time=False)).result()
    assert len(account.passes) >= 4


async def test_an_outage_is_outlasted(skipping_server: WorkflowEnvironment):
    account = Account(skipping_server, None, None, None, NONE_LEFT)
    async with account.worker():
        await (await account.arm(now(), MINUTE, in_real_time=False)).result()
    assert len(account.passes) > 3


async def test_a_sign_of_life_puts_it_off(skipping_server: WorkflowEnvironment):
    account, at = Account(skipping_server), now()
    async with account.worker():
        switch = await account.arm(at, MINUTE)
        await happened(switch, "timer_started")
        await renew(switch, now(), HOUR)
        await skipping_server.fast_forward(switch, 2 * MINUTE)
        assert (await standing(switch)).fired_at is None
        assert account.passes == []
        await skipping_server.fast_forward(switch, HOUR)
        await switch.result()
    (fired,) = set(account.passes)
    assert HOUR <= fired - at < HOUR + MINUTE


async def test_it_can_be_brought_forward(skipping_server: WorkflowEnvironment):
    account = Account(skipping_server)
    async with account.worker():
        switch = await account.arm(now(), HOUR)
        await happened(switch, "timer_started")
        sooner = now()
        await renew(switch, sooner, timedelta(milliseconds=50))

        async def fired() -> bool:
            return bool(account.passes)

        await until(fired)
        assert account.passes[0] == sooner + timedelta(milliseconds=50)
        await skipping_server.fast_forward(switch, HOUR)
        await switch.result()


async def test_switched_off_it_ends_and_cancels_nothing(skipping_server: WorkflowEnvironment):
    account = Account(skipping_server)
    async with account.worker():
        switch = await account.arm(now(), HOUR)
        await renew(switch, now(), None)
        await switch.result()
    assert account.passes == []


async def test_while_no_worker_runs_the_times_in_the_signals_decide(skipping_server: WorkflowEnvironment):
    kept, lost, at = Account(skipping_server), Account(skipping_server), now() - MINUTE
    alive = await kept.arm(at, timedelta(seconds=10))
    await renew(alive, at + timedelta(seconds=9), HOUR)
    late = await lost.arm(at, timedelta(seconds=10))
    await renew(late, at + timedelta(seconds=10), HOUR)
    async with kept.worker(), lost.worker():
        assert (await standing(alive)).until == at + timedelta(seconds=9) + HOUR

        async def fired() -> bool:
            return bool(lost.passes)

        await until(fired)
        # It fired when it should have, and what came later arms it anew.
        assert lost.passes[0] == at + timedelta(seconds=10)
        assert (await standing(late)).until == at + timedelta(seconds=10) + HOUR
        for switch in (alive, late):
            await renew(switch, now(), None)
            await switch.result()
    assert kept.passes == []


async def test_its_history_begins_anew_before_it_is_long(
    skipping_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("workflows.dead_mans_switch._MOST_RENEWALS", 3)
    account = Account(skipping_server)
    async with account.worker():
        switch = await account.arm(now(), HOUR)
        first = (await switch.describe()).run_id
        for minutes in range(5):
            last = now()
            await renew(switch, last, HOUR + minutes * MINUTE)
            await happened(switch, "workflow_task_completed")

        async def begun_anew() -> bool:
            return (await switch.describe()).run_id != first

        await until(begun_anew)
        assert await standing(switch) == DeadMansSwitch(account="desk", until=last + HOUR + 4 * MINUTE)
        await renew(switch, now(), None)
        await switch.result()
