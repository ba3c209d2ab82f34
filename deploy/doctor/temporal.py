"""Temporal: the namespace, what is set up in it, who works in it, and its clock."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from deploy.doctor.clock import Now, compared
from deploy.doctor.finding import Finding, failure, ok, warning

if TYPE_CHECKING:
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import PollerInfo
    from temporalio.client import Client

_SETUP = "run order-engine setup"
_ASK_AGAIN_SECONDS = 0.02
_POLL = timedelta(seconds=10)


async def examine_temporal(address: str, namespace: str, schedules: Sequence[str], now: Now) -> Sequence[Finding]:
    """Everything about one server; `schedules` are the ids of those that must be there.

    Raises what the client raises when the server cannot be asked.
    """
    from temporalio.service import RPCError, RPCStatusCode

    from deploy.local.health import temporal_client, temporal_namespace

    client = await temporal_client(address, namespace)
    reachable = ok("temporal", f"answers at {address}")
    try:
        await temporal_namespace(address, namespace)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return [reachable, failure("temporal namespace", f"there is no namespace {namespace}", _SETUP)]
    return [
        reachable,
        ok("temporal namespace", namespace),
        await _search_attributes(client, namespace),
        *[await _schedule(client, name) for name in schedules],
        await _worker(client, namespace),
        await _clock(client, namespace, now),
    ]


async def _search_attributes(client: "Client", namespace: str) -> Finding:
    from temporalio.api.enums.v1 import IndexedValueType
    from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest

    from workflows.names import SEARCH_ATTRIBUTES

    check = "search attributes"
    answer = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=namespace))
    known = answer.custom_attributes
    missing = [key.name for key in SEARCH_ATTRIBUTES if key.name not in known]
    if missing:
        return failure(check, f"{', '.join(missing)} missing", _SETUP)
    wrong = [key.name for key in SEARCH_ATTRIBUTES if known[key.name] != int(key.indexed_value_type)]
    if wrong:
        types = ", ".join(f"{name} is {IndexedValueType.Name(known[name])}" for name in wrong)
        mend = "remove them (temporal operator search-attribute remove), then run order-engine setup"
        return failure(check, f"of another type: {types}", mend)
    return ok(check, f"all {len(SEARCH_ATTRIBUTES)} are there")


async def _schedule(client: "Client", name: str) -> Finding:
    from temporalio.service import RPCError, RPCStatusCode

    check = f"schedule {name}"
    try:
        found = await client.get_schedule_handle(name).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return failure(check, "is not there", _SETUP)
    if found.schedule.state.paused:
        return warning(check, "is paused", f"temporal schedule toggle --unpause --schedule-id {name}")
    return ok(check, f"is there, ran {found.info.num_actions} times")


async def _worker(client: "Client", namespace: str) -> Finding:
    from temporalio.api.enums.v1 import TaskQueueType

    from workflows.names import TASK_QUEUE

    kinds = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
    polling = [{poller.identity for poller in await _pollers(client, namespace, TASK_QUEUE, kind)} for kind in kinds]
    workers = set.intersection(*polling)
    if not workers:
        return failure("worker", f"none polls task queue {TASK_QUEUE}", "start one: order-engine worker")
    return ok("worker", f"{len(workers)} polled task queue {TASK_QUEUE} in the last minutes")


async def _clock(client: "Client", namespace: str, now: Now) -> Finding:
    """The server's clock, which it tells only of the moment at which somebody began to poll: so somebody does."""
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest

    # A queue of its own, which nobody ever puts a task on.
    queue, kind = f"doctor-{uuid4()}", TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    request = PollActivityTaskQueueRequest(
        namespace=namespace, task_queue=TaskQueue(name=queue), identity="order-engine doctor"
    )
    before = now()
    poll = asyncio.ensure_future(client.workflow_service.poll_activity_task_queue(request, timeout=_POLL))
    try:
        found = await _pollers(client, namespace, queue, kind)
        while not found:
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
            found = await _pollers(client, namespace, queue, kind)
        after = now()
    finally:
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)
    began = found[0].last_access_time
    return compared("temporal", began.seconds + began.nanos / 1e9, before, after)


async def _pollers(
    client: "Client", namespace: str, queue: str, kind: "TaskQueueType.ValueType"
) -> Sequence["PollerInfo"]:
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(namespace=namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind)
    )
    return answer.pollers
