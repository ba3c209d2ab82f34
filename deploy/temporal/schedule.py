"""The schedules that work in the background: renewing the registry of pools, and reconciliation."""

from datetime import timedelta
from typing import Any

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from workflows import names
from workflows.reconcile import ReconcileWorkflow
from workflows.refresh import RefreshPoolsWorkflow


async def ensure_refresh_schedule(client: Client, every: timedelta) -> None:
    """Search for pools at this interval, see `_ensure`."""
    await _ensure(client, names.REFRESH_POOLS_ID, RefreshPoolsWorkflow.run, "Renew the registry of pools", every)


async def ensure_reconcile_schedule(client: Client, every: timedelta) -> None:
    """Reconcile database, Temporal and chain at this interval, see `_ensure`."""
    await _ensure(client, names.RECONCILE_ID, ReconcileWorkflow.run, "Compare database, Temporal and chain", every)


async def _ensure(client: Client, name: str, run: Any, summary: str, every: timedelta) -> None:
    """Create the schedule, or give the one that is there this interval; zero removes it.

    A schedule that an operator paused stays paused. Raises RPCError when the server refuses.
    """
    handle = client.get_schedule_handle(name)
    if not every:
        try:
            await handle.delete()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(run, id=name, task_queue=names.TASK_QUEUE, static_summary=summary),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        # After an outage one run is enough: what was missed is not made up for.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=every),
    )
    try:
        await client.create_schedule(name, schedule)
    except ScheduleAlreadyRunningError:
        await handle.update(lambda known: _updated(schedule, known))


def _updated(schedule: Schedule, known: ScheduleUpdateInput) -> ScheduleUpdate:
    schedule.state = known.description.schedule.state
    return ScheduleUpdate(schedule)
