"""The schedule that renews the registry of pools in the background."""

from datetime import timedelta

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
from workflows.refresh import RefreshPoolsWorkflow


async def ensure_refresh_schedule(client: Client, every: timedelta) -> None:
    """Create the schedule, or give the one that is there this interval; zero removes it.

    A schedule that an operator paused stays paused. Raises RPCError when the server refuses.
    """
    handle = client.get_schedule_handle(names.REFRESH_POOLS_ID)
    if not every:
        try:
            await handle.delete()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return
    schedule = _schedule(every)
    try:
        await client.create_schedule(names.REFRESH_POOLS_ID, schedule)
    except ScheduleAlreadyRunningError:
        await handle.update(lambda known: _updated(schedule, known))


def _schedule(every: timedelta) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            RefreshPoolsWorkflow.run,
            id=names.REFRESH_POOLS_ID,
            task_queue=names.TASK_QUEUE,
            static_summary="Renew the registry of pools",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        # After an outage one search is enough: what was missed is not made up for.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=every),
    )


def _updated(schedule: Schedule, known: ScheduleUpdateInput) -> ScheduleUpdate:
    schedule.state = known.description.schedule.state
    return ScheduleUpdate(schedule)
