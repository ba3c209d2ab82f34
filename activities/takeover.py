"""What an activity does beside its work when it goes on where another worker stopped."""

import logging
from datetime import timedelta

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest
from temporalio.service import RPCError

log = logging.getLogger(__name__)

# Waiting for the worker that died costs little more.
_PATIENCE = timedelta(seconds=1)


async def release_workflow() -> None:
    """Let the next task of this activity's workflow go to any worker at once.

    The server gives it to the worker that has the workflow in memory, and to others only when that one has not come
    for it in `names.STICKY_TIMEOUT`. It is most likely the one that died; should it live, a replay is all that this
    costs. Raises nothing: without it the order ends as well, and later.
    """
    info = activity.info()
    execution = WorkflowExecution(workflow_id=info.workflow_id or "", run_id=info.workflow_run_id or "")
    request = ResetStickyTaskQueueRequest(namespace=info.namespace, execution=execution)
    try:
        await activity.client().workflow_service.reset_sticky_task_queue(request, timeout=_PATIENCE)
    except (RPCError, RuntimeError) as error:
        log.info("workflow %s waits for the worker that had it: %s", info.workflow_id, error)
