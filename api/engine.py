"""The engine as the API sees it: Temporal, asked within bounds, its errors turned into ours."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from uuid import uuid4

from temporalio.client import Client, Interceptor, WorkflowFailureError, WorkflowQueryFailedError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RetryConfig, RPCError, RPCStatusCode

from api.problems import RequestRefused
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.ids import workflow_id
from workflows.domain.order import OrderTerms
from workflows.messages import OrderState, PairSurvey, QuoteComparison, QuoteRequest, SurveyPair
from workflows.names import TASK_QUEUE
from workflows.order import OrderWorkflow
from workflows.plugin import order_engine_plugin
from workflows.quote import QuoteWorkflow
from workflows.starting import start_options
from workflows.survey import SurveyWorkflow

log = logging.getLogger(__name__)

# Where Temporal's own tools look when nothing is configured.
_DEFAULT_ADDRESS = "127.0.0.1:7233"

# What a client waits at most before it hears whether its order was taken.
_START_TIMEOUT = timedelta(seconds=5)
_READ_TIMEOUT = timedelta(seconds=2)
_QUOTE_TIMEOUT_SECONDS = 5.0

# An engine that answered this recently is asked without a test of the line.
_TRUST_SECONDS = 0.25

# How many orders that this process accepted it still knows by heart: their streams open within moments.
_REMEMBERED_ORDERS = 4_096

# A refusal of these kinds is about the request, so it was decided before anything was stored.
_REFUSALS = frozenset(
    {
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.NOT_FOUND,
        RPCStatusCode.PERMISSION_DENIED,
        RPCStatusCode.UNAUTHENTICATED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.UNIMPLEMENTED,
        RPCStatusCode.FAILED_PRECONDITION,
    }
)


async def connect(interceptors: Sequence[Interceptor] = ()) -> Client:
    """A client for the server that TEMPORAL_* variables or Temporal's configuration file name.

    It connects when it is first used, so that the API starts whether or not Temporal is there.
    """
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", _DEFAULT_ADDRESS)
    return await Client.connect(
        **config,
        lazy=True,
        interceptors=interceptors,
        plugins=[order_engine_plugin()],
        connect_timeout=timedelta(seconds=2),
        retry_config=RetryConfig(max_interval_millis=500, max_elapsed_time_millis=3_000, max_retries=4),
    )


class Engine:
    """Starts order workflows and reads them.

    Every method raises EngineError `engine_unavailable` when Temporal, or a worker where one is needed, stays silent.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._answered_at = float("-inf")
        self._remembered: OrderedDict[str, OrderTerms] = OrderedDict()

    @property
    def namespace(self) -> str:
        """The Temporal namespace of the orders."""
        return self._client.namespace

    async def start(self, terms: OrderTerms) -> OrderTerms:
        """Accept the order: returns once Temporal has its workflow, with the terms that it was accepted with.

        Those are other ones when an order of this id was accepted before, as a client's name of an order makes it.

        `engine_unavailable` means that there is no such workflow; where that cannot be told, the error is
        `acceptance_unknown` with the order id. To keep that rare, a line that was silent for a while is tested first:
        an outage is then noticed before anything was sent.
        """
        if monotonic() - self._answered_at > _TRUST_SECONDS and not await self.healthy():
            raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, "Temporal does not answer; the order was not accepted")
        try:
            await self._client.start_workflow(
                OrderWorkflow.run,
                terms,
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                rpc_timeout=_START_TIMEOUT,
                **start_options(terms),
            )
        except WorkflowAlreadyStartedError:
            # An earlier request of the same name, or our own start, repeated after its answer was lost.
            return await self._accepted_before(terms)
        except RPCError as error:
            self._answered_at = float("-inf")
            log.warning("order %s: start failed: %s %s", terms.order_id, error.status.name, error)
            await self._find_out(terms, error)
            return await self._accepted_before(terms)
        except RuntimeError as error:
            # The client never had a connection.
            raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, "Temporal does not answer") from error
        self._answered_at = monotonic()
        self._remember(terms)
        return terms

    async def _accepted_before(self, terms: OrderTerms) -> OrderTerms:
        if terms.client_order_id is None:
            # Nobody else could have made this id.
            self._remember(terms)
            return terms
        return await self.accepted(terms.order_id) or terms

    async def _find_out(self, terms: OrderTerms, failure: RPCError) -> None:
        """Return when the workflow is there all the same; otherwise raise what is known."""
        detail = "Temporal did not take the order; it was not accepted"
        if failure.status in _REFUSALS:
            raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, detail) from failure
        try:
            await self._client.get_workflow_handle(workflow_id(terms.order_id)).describe(rpc_timeout=_READ_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                # The server gives a request up at its deadline, so nothing comes after this either.
                raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, detail) from failure
            raise RequestRefused(
                ErrorCode.ACCEPTANCE_UNKNOWN,
                f"Temporal fell silent while it was given order {terms.order_id}",
                members={"orderId": terms.order_id},
            ) from failure

    async def state(self, order_id: str, patience: timedelta = _READ_TIMEOUT) -> tuple[OrderState, str] | None:
        """The live view of an order and the id of its run, or None when Temporal has no such order."""
        handle = self._client.get_workflow_handle(workflow_id(order_id))
        try:
            async with asyncio.timeout(patience.total_seconds()):
                described = await handle.describe(rpc_timeout=patience)
                return await handle.query(OrderWorkflow.state, rpc_timeout=patience), described.run_id
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise _silent("no worker answers for the order", error) from error
        except (TimeoutError, WorkflowQueryFailedError, RuntimeError) as error:
            raise _silent("no worker answers for the order", error) from error

    async def accepted(self, order_id: str) -> OrderTerms | None:
        """The terms of an accepted order, or None when Temporal has no such order. Needs no worker."""
        if order_id in self._remembered:
            return self._remembered[order_id]
        handle = self._client.get_workflow_handle(workflow_id(order_id))
        try:
            # The first event of a history is the start, with the workflow's input.
            async with asyncio.timeout(_READ_TIMEOUT.total_seconds()):
                first = await anext(handle.fetch_history_events(page_size=1, rpc_timeout=_READ_TIMEOUT))
                payloads = first.workflow_execution_started_event_attributes.input.payloads
                (terms,) = await self._client.data_converter.decode(payloads, [OrderTerms])
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise _silent("Temporal does not answer", error) from error
        except (TimeoutError, RuntimeError) as error:
            raise _silent("Temporal does not answer", error) from error
        assert isinstance(terms, OrderTerms)
        return terms

    async def compare(self, request: QuoteRequest, summary: str) -> QuoteComparison:
        """Both venues' quotes, read by a worker."""
        try:
            async with asyncio.timeout(_QUOTE_TIMEOUT_SECONDS):
                return await self._client.execute_workflow(
                    QuoteWorkflow.run,
                    request,
                    id=f"quote-{uuid4()}",
                    task_queue=TASK_QUEUE,
                    # Nobody waits for it any longer: it must not be left for a worker that comes later.
                    execution_timeout=timedelta(seconds=_QUOTE_TIMEOUT_SECONDS),
                    static_summary=summary,
                    rpc_timeout=_START_TIMEOUT,
                )
        except (TimeoutError, RPCError, WorkflowFailureError, RuntimeError) as error:
            raise _silent("no worker answers with quotes", error) from error

    async def survey(self, request: SurveyPair, summary: str) -> PairSurvey:
        """Every pool of a pair, looked at by a worker."""
        try:
            async with asyncio.timeout(_QUOTE_TIMEOUT_SECONDS):
                return await self._client.execute_workflow(
                    SurveyWorkflow.run,
                    request,
                    id=f"survey-{uuid4()}",
                    task_queue=TASK_QUEUE,
                    execution_timeout=timedelta(seconds=_QUOTE_TIMEOUT_SECONDS),
                    static_summary=summary,
                    rpc_timeout=_START_TIMEOUT,
                )
        except (TimeoutError, RPCError, WorkflowFailureError, RuntimeError) as error:
            raise _silent("no worker looks at the pools", error) from error

    async def healthy(self) -> bool:
        """Whether Temporal answers within a second."""
        try:
            return await self._client.service_client.check_health(timeout=timedelta(seconds=1))
        except (RPCError, RuntimeError):
            return False

    def _remember(self, terms: OrderTerms) -> None:
        self._remembered[terms.order_id] = terms
        if len(self._remembered) > _REMEMBERED_ORDERS:
            self._remembered.popitem(last=False)


def _silent(detail: str, cause: Exception) -> EngineError:
    log.warning("%s: %s", detail, cause)
    return EngineError(ErrorCode.ENGINE_UNAVAILABLE, detail)
