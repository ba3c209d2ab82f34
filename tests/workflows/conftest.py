"""A worker with scripted activities on a real Temporal server that skips the time an order waits."""

import contextlib
import sysconfig
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from deploy.local.temporal import DYNAMIC_CONFIG
from tests.samples import limit_order, order_terms
from tests.workflows.histories import until
from tests.workflows.scripted import Script, ScriptedActivities
from workflows import names
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms
from workflows.messages import OrderResult
from workflows.order import OrderWorkflow
from workflows.plugin import order_engine_plugin
from workflows.starting import start_options

Started = WorkflowHandle[OrderWorkflow, OrderResult]


class Engine:
    """A task queue with its activities; `worker()` works on it."""

    def __init__(self, environment: WorkflowEnvironment, script: Script) -> None:
        self.activities = ScriptedActivities(script)
        self._environment = environment
        self._task_queue = f"orders-{uuid4()}"

    def worker(self) -> Worker:
        """A worker as the engine's own is set up; a test may stop one and start the next."""
        return Worker(
            self._environment.client,
            task_queue=self._task_queue,
            workflows=[OrderWorkflow],
            activities=self.activities.all(),
            sticky_queue_schedule_to_start_timeout=names.STICKY_TIMEOUT,
        )

    async def start(self, terms: OrderTerms | None = None, in_real_time: bool = False) -> Started:
        """Start an order; in real time it really waits between attempts. Nothing happens to it without a worker."""
        terms = terms or order_terms()
        with self._environment.with_time_skipping_disabled() if in_real_time else contextlib.nullcontext():
            return await self._environment.client.start_workflow(
                OrderWorkflow.run, terms, task_queue=self._task_queue, **start_options(terms)
            )

    async def rest(self, terms: OrderTerms | None = None) -> Started:
        """Start an order that waits for a price; returns once it is open."""
        handle = await self.start(terms or limit_order(), in_real_time=True)
        await self.status(handle, Status.OPEN)
        return handle

    async def status(self, handle: Started, status: Status) -> None:
        """Return once the order's log says so."""
        order_id = handle.id.removeprefix("order-")

        async def so() -> bool:
            stored = self.activities.store.orders.get(order_id)
            return stored is not None and stored.log[-1].status is status

        await until(so)

    async def reset(self, order: Started) -> Started:
        """Start the order again from its first task, as the button of the Web UI does."""
        client = self._environment.client
        request = ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=order.id),
            reason="a test",
            workflow_task_finish_event_id=4,
            request_id=str(uuid4()),
        )
        answer = await client.workflow_service.reset_workflow_execution(request)
        return client.get_workflow_handle_for(OrderWorkflow.run, order.id, run_id=answer.run_id)

    async def execute(self, terms: OrderTerms | None = None) -> OrderResult:
        """Run an order to its end."""
        return await (await self.start(terms)).result()


RunEngine = Callable[[Script], contextlib.AbstractAsyncContextManager[Engine]]


@pytest.fixture(scope="session")
async def skipping_server() -> AsyncIterator[WorkflowEnvironment]:
    """The session's time-skipping Temporal server: one virtual clock per order."""
    settings = {**DYNAMIC_CONFIG, "frontend.WorkflowTimeSkippingEnabled": "true"}
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(Path(sysconfig.get_path("scripts")) / "temporal"),
        dev_server_extra_args=[
            part for item in settings.items() for part in ("--dynamic-config-value", "=".join(item))
        ],
        dev_server_log_level="error",
        search_attributes=names.SEARCH_ATTRIBUTES,
        plugins=[order_engine_plugin()],
    ) as environment:
        yield environment


@pytest.fixture
def engine(skipping_server: WorkflowEnvironment) -> RunEngine:
    """Runs an engine whose steps answer as a script says."""

    @contextlib.asynccontextmanager
    async def run(script: Script) -> AsyncIterator[Engine]:
        engine = Engine(skipping_server, script)
        async with engine.worker():
            yield engine

    return run
