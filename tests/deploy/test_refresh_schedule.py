"""The schedule that renews the registry in the background, and the workflow that it starts."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from solders.pubkey import Pubkey
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleHandle,
    ScheduleOverlapPolicy,
    WorkflowFailureError,
)
from temporalio.exceptions import ActivityError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.finding.chain import ChainSource
from activities.refresh import RefreshActivities
from activities.registry import Registry
from deploy.temporal.schedule import ensure_refresh_schedule
from tests.activities.registry_world import SOL, USDC, Chain, Named, Pools, Tokens, genesis_chain
from workflows import names
from workflows.messages import PoolsRefreshed
from workflows.refresh import RefreshPoolsWorkflow

HOUR = timedelta(hours=1)
# Intervals count from 1970: this one begins in no year that the tests will see.
NEVER = timedelta(days=40_000)


@pytest.fixture
async def client(temporal_server: WorkflowEnvironment) -> AsyncIterator[Client]:
    """The client of a server that has no schedule before and after."""
    await ensure_refresh_schedule(temporal_server.client, timedelta())
    yield temporal_server.client
    await ensure_refresh_schedule(temporal_server.client, timedelta())


def schedule(client: Client) -> ScheduleHandle:
    return client.get_schedule_handle("refresh-pools")


async def test_the_schedule_is_created_once_with_its_interval(client):
    for _ in range(2):
        await ensure_refresh_schedule(client, timedelta(minutes=5))
    found = (await schedule(client).describe()).schedule
    assert [spec.every for spec in found.spec.intervals] == [timedelta(minutes=5)]
    assert found.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert found.action.workflow == "RefreshPoolsWorkflow"
    assert found.action.task_queue == names.TASK_QUEUE


async def test_another_interval_replaces_the_first_and_a_pause_stays(client):
    await ensure_refresh_schedule(client, HOUR)
    await schedule(client).pause(note="node maintenance")
    await ensure_refresh_schedule(client, 2 * HOUR)
    found = (await schedule(client).describe()).schedule
    assert [spec.every for spec in found.spec.intervals] == [2 * HOUR]
    assert (found.state.paused, found.state.note) == (True, "node maintenance")


async def test_an_interval_of_zero_removes_the_schedule(client):
    await ensure_refresh_schedule(client, HOUR)
    for _ in range(2):
        await ensure_refresh_schedule(client, timedelta())
    with pytest.raises(RPCError, match="not found"):
        await schedule(client).describe()


def activities(chain: Chain, pools: Pools, source: object = None) -> RefreshActivities:
    return RefreshActivities(Registry(chain, Tokens([SOL, USDC]), pools), source or ChainSource(chain))


async def first_run(client: Client) -> ScheduleActionExecutionStartWorkflow:
    """The workflow that the schedule started; the server tells of it a moment later."""
    for _ in range(1_000):
        started = (await schedule(client).describe()).info.recent_actions
        if started:
            break
        await asyncio.sleep(0.02)
    run = started[0].action
    assert isinstance(run, ScheduleActionExecutionStartWorkflow)
    return run


async def test_the_schedule_renews_the_registry_and_shows_the_counts(client, monkeypatch):
    # A queue of its own: the workers of other tests take what is on the engine's.
    monkeypatch.setattr(names, "TASK_QUEUE", "refresh-schedule")
    chain, pools = genesis_chain(), Pools()
    chain.patch(chain.pool("damm_v1"), 233, b"\x00")
    stranger = Pubkey.new_unique()
    source = Named(*(chain.pool(kind) for kind in ("cpmm", "clmm", "damm_v1")), stranger)
    await ensure_refresh_schedule(client, NEVER)
    step = activities(chain, pools, source).refresh_pools
    async with Worker(client, task_queue=names.TASK_QUEUE, workflows=[RefreshPoolsWorkflow], activities=[step]):
        await schedule(client).trigger()
        run = await first_run(client)
        handle = client.get_workflow_handle_for(
            RefreshPoolsWorkflow.run, run.workflow_id, first_execution_run_id=run.first_execution_run_id
        )
        refreshed = await handle.result()
    assert refreshed == PoolsRefreshed(
        quoted={"cpmm": 1, "clmm": 1},
        excluded={"damm_v1": {"paused": 1}},
        new=3,
        problems=(f"{stranger}: there is no such account on this cluster",),
    )
    assert len(pools.pools) == 3
    assert run.workflow_id.startswith("refresh-pools")


async def test_a_chain_that_stays_out_of_reach_fails_the_run_with_the_reason(client):
    chain = Chain({}, out_of_reach=True)
    step = activities(chain, Pools(), Named(Pubkey.new_unique())).refresh_pools
    async with Worker(client, task_queue="refresh-fails", workflows=[RefreshPoolsWorkflow], activities=[step]):
        with pytest.raises(WorkflowFailureError) as failed:
            await client.execute_workflow(RefreshPoolsWorkflow.run, id="refresh-fails", task_queue="refresh-fails")
    assert isinstance(failed.value.cause, ActivityError)
    assert "the node is down" in str(failed.value.cause.cause)
    assert chain.reads == 3
