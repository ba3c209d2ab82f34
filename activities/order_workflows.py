"""The orders' workflows as Temporal knows them: which there are, how one stands, and starting a lost one again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.audit import AcceptedOrder
from workflows import names
from workflows.domain.ids import order_id_of, workflow_id
from workflows.domain.order import OrderTerms
from workflows.starting import start_options

_OF_ORDERS = f"WorkflowType = '{names.ORDER_WORKFLOW}'"
_RUNNING = f"{_OF_ORDERS} AND ExecutionStatus = 'Running'"
_LIST_PAGE = 1_000
_RPC_TIMEOUT = timedelta(seconds=5)


class Standing(StrEnum):
    """Where an order's newest workflow run stands."""

    ABSENT = "absent"
    RUNNING = "running"
    COMPLETED = "completed"
    # Terminated by hand, or failed, timed out or canceled, which an order's workflow never does by itself.
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class WorkflowState:
    """How an order's workflow stands, and for people what it waits for."""

    standing: Standing
    detail: str = ""


class OrderWorkflows:
    """Every method raises ConnectionError when Temporal does not answer."""

    def __init__(self, client: Client, task_queue: str = names.TASK_QUEUE) -> None:
        self._client = client
        self._task_queue = task_queue

    async def accepted(self) -> AsyncIterator[AcceptedOrder]:
        """Every order workflow that Temporal remembers, running or closed."""
        async for each in self._listed(_OF_ORDERS):
            yield each

    async def running(self) -> AsyncIterator[AcceptedOrder]:
        """Every order workflow that runs, as the list has it, which is a moment old."""
        async for each in self._listed(_RUNNING):
            yield each

    async def running_of(self, account: str, accepted_by: datetime) -> AsyncIterator[AcceptedOrder]:
        """Those of an account that were accepted by then."""
        of_account = f"{names.ORDER_ACCOUNT.name} = '{account}' AND StartTime <= '{accepted_by.isoformat()}'"
        async for each in self._listed(f"{_RUNNING} AND {of_account}"):
            yield each

    async def _listed(self, query: str) -> AsyncIterator[AcceptedOrder]:
        try:
            async for each in self._client.list_workflows(query, page_size=_LIST_PAGE, rpc_timeout=_RPC_TIMEOUT):
                order_id = order_id_of(each.id)
                if order_id is not None:
                    yield AcceptedOrder(order_id, each.start_time)
        except (RPCError, RuntimeError) as error:
            raise ConnectionError(f"Temporal does not list the orders: {error}") from error

    async def state(self, order_id: str) -> WorkflowState:
        """How the order's workflow stands now."""
        handle = self._client.get_workflow_handle(workflow_id(order_id))
        try:
            described = await handle.describe(rpc_timeout=_RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return WorkflowState(Standing.ABSENT, "Temporal has no workflow of it")
            raise ConnectionError(f"Temporal does not describe order {order_id}: {error}") from error
        except RuntimeError as error:
            raise ConnectionError(f"Temporal does not answer: {error}") from error
        status = described.status
        if status is WorkflowExecutionStatus.RUNNING:
            return WorkflowState(Standing.RUNNING, _waits_for(described))
        if status is WorkflowExecutionStatus.COMPLETED:
            return WorkflowState(Standing.COMPLETED)
        return WorkflowState(Standing.BROKEN, f"its workflow was {status.name.lower() if status else 'lost'}")

    async def start_again(self, terms: OrderTerms, standing: Standing) -> bool:
        """Start the order's workflow under its own id; False when another start was faster or it is not as it was.

        Where a run is known, only one that did not complete is followed by another: an order that ends meanwhile
        stays ended.
        """
        broken = standing is Standing.BROKEN
        reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY if broken else WorkflowIDReusePolicy.REJECT_DUPLICATE
        try:
            await self._client.start_workflow(
                names.ORDER_WORKFLOW,
                terms,
                task_queue=self._task_queue,
                id_reuse_policy=reuse,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                rpc_timeout=_RPC_TIMEOUT,
                **start_options(terms),
            )
        except WorkflowAlreadyStartedError:
            return False
        except (RPCError, RuntimeError) as error:
            raise ConnectionError(f"Temporal does not start order {terms.order_id}: {error}") from error
        return True


def _waits_for(described: WorkflowExecutionDescription) -> str:
    raw = described.raw_description
    if raw.pending_activities:
        pending = raw.pending_activities[0]
        state = PendingActivityState.Name(pending.state).removeprefix("PENDING_ACTIVITY_STATE_").lower()
        failure = f", last failure: {pending.last_failure.message}" if pending.HasField("last_failure") else ""
        return f"{pending.activity_type.name} is {state}, try {pending.attempt}{failure}"
    if raw.HasField("pending_workflow_task"):
        return f"its workflow task is pending, try {raw.pending_workflow_task.attempt}"
    return "it waits for a timer or a message"
