"""The schedule that reconciles in the background."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.client import Client, ScheduleOverlapPolicy
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from deploy.temporal.schedule import ensure_reconcile_schedule, ensure_refresh_schedule
from workflows import names

HOUR = timedelta(hours=1)


@pytest.fixture
async def client(temporal_server: WorkflowEnvironment) -> AsyncIterator[Client]:
    """The client of a server that has no schedule before and after."""
    yield temporal_server.client
    for ensure in (ensure_reconcile_schedule, ensure_refresh_schedule):
        await ensure(temporal_server.client, timedelta())


async def test_it_stands_beside_the_other_one_with_an_interval_of_its_own(client: Client) -> None:
    await ensure_refresh_schedule(client, 3 * HOUR)
    for every in (HOUR, 2 * HOUR):
        await ensure_reconcile_schedule(client, every)
    found = (await client.get_schedule_handle("reconcile").describe()).schedule
    assert [spec.every for spec in found.spec.intervals] == [2 * HOUR]
    # Two at once would be safe and of no use.
    assert found.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert (found.action.workflow, found.action.task_queue) == ("ReconcileWorkflow", names.TASK_QUEUE)
    other = (await client.get_schedule_handle("refresh-pools").describe()).schedule
    assert other.action.workflow == "RefreshPoolsWorkflow"


async def test_zero_turns_it_off(client: Client) -> None:
    await ensure_reconcile_schedule(client, HOUR)
    await ensure_reconcile_schedule(client, timedelta())
    with pytest.raises(RPCError, match="not found"):
        await client.get_schedule_handle("reconcile").describe()
