"""Ties the activities of an order to it: log lines, spans, and on each span what the step found out."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from temporalio import activity
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.client import OutboundInterceptor, StartWorkflowInput, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput
from temporalio.worker import Interceptor as WorkerInterceptor

from deploy.telemetry.context import Followed, follow, followed, unfollow
from workflows.domain.attempt import SwapAttempt, SwapOutcome
from workflows.domain.order import OrderEvent, OrderTerms
from workflows.domain.routing import VenueQuotes
from workflows.messages import PreparedSwap, SwapExecuted, SwapSettled

log = logging.getLogger(__name__)

_ORDER_WORKFLOW = "order-"

# What a log line repeats of what a step found out; the rest is in its trace and its event.
_IN_LOGS = (
    "status",
    "outcome",
    "reason",
    "venue",
    "kind",
    "quotes",
    "quoted",
    "quoted_out",
    "filled_out",
    "signature",
    "slot",
)


class OrderContext(ClientInterceptor, WorkerInterceptor):
    """Names the order of each activity, and of the request that places it."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        """Stand between the client and the server."""
        return _Placed(next)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Stand between the worker and its activities."""
        return _Step(next)


class _Placed(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        order, terms = followed(), input.args[0] if input.args else None
        if order is not None and isinstance(terms, OrderTerms):
            order.order_id, order.account = terms.order_id, terms.account
        handle = await super().start_workflow(input)
        if isinstance(terms, OrderTerms):
            log.info("accepted: %s", terms.title)
        return handle


class _Step(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        info = activity.info()
        workflow_id = info.workflow_id or ""
        if not workflow_id.startswith(_ORDER_WORKFLOW):
            return await self.next.execute_activity(input)
        request = input.args[0] if input.args else None
        order = Followed(workflow_id.removeprefix(_ORDER_WORKFLOW), account_of(request), attempt_of(request))
        token, started = follow(order), time.perf_counter()
        span = trace.get_current_span()
        try:
            if span.is_recording():
                span.set_attributes(_known(id=order.order_id, account=order.account, attempt=order.attempt))
            answer = await self.next.execute_activity(input)
            if span.is_recording() or log.isEnabledFor(logging.INFO):
                facts = found_out(answer)
                span.set_attributes(facts)
                _log(logging.INFO, info.activity_type, started, facts)
            return answer
        except ApplicationError as error:
            facts = _known(reason=error.type, detail=error.message)
            span.set_attributes(facts)
            _log(logging.WARNING, f"{info.activity_type} refused", started, facts)
            raise
        finally:
            unfollow(token)


def _log(level: int, step: str, started: float, facts: Mapping[str, Any]) -> None:
    told = [f"{name}={facts[key]}" for name in _IN_LOGS if (key := f"order.{name}") in facts]
    log.log(level, "%s, %.0f ms: %s", step, (time.perf_counter() - started) * 1_000, " ".join(told) or "done")


def account_of(request: Any) -> str | None:
    """Whose order a step's message is about, where it says so."""
    terms = getattr(request, "terms", None)
    found = getattr(terms if terms is not None else request, "account", None)
    return found if isinstance(found, str) else None


def attempt_of(request: Any) -> int | None:
    """Which attempt a step's message is about, where it says so."""
    for part in (request, getattr(request, "swap", None), getattr(request, "event", None)):
        if isinstance(attempt := getattr(part, "attempt", None), int):
            return attempt
    return None


def found_out(answer: Any) -> Mapping[str, Any]:
    """What a step found out, as attributes of its span. Amounts are text: no number of a trace touches money."""
    match answer:
        case VenueQuotes():
            best = answer.quotes[0] if answer.quotes else None
            return _known(
                venue=answer.venue,
                slot=answer.slot,
                quotes=len(answer.quotes),
                refusals=len(answer.refusals),
                best_kind=best and best.kind,
                best_pool=best and best.pool,
                best_out=best and str(best.amount_out),
                reason=answer.reason,
                detail=answer.detail,
            )
        case OrderEvent():
            return _event(answer)
        case PreparedSwap():
            return _swap(answer.swap)
        case SwapExecuted():
            return {**_event(answer.event), **_outcome(answer.outcome)}
        case SwapSettled():
            return {**_swap(answer.swap), **_outcome(answer.outcome)}
        case _:
            return {}


def _event(event: OrderEvent) -> Mapping[str, Any]:
    data = event.data
    return _known(
        status=event.status,
        seq=event.seq,
        reason=event.reason,
        detail=data.get("detail"),
        venue=event.venue,
        signature=event.signature,
        kind=data.get("kind"),
        pool=data.get("pool"),
        quoted=data.get("quotedOut"),
        why=data.get("why"),
        filled_out=event.fill and str(event.fill.amount_out),
    )


def _swap(swap: SwapAttempt) -> Mapping[str, Any]:
    return _known(
        venue=swap.venue,
        kind=swap.kind,
        pool=swap.pool,
        signature=swap.signature,
        quoted_out=str(swap.quoted_out),
        least_out=str(swap.least_out),
        last_valid_block_height=swap.last_valid_block_height,
    )


def _outcome(outcome: SwapOutcome | None) -> Mapping[str, Any]:
    if outcome is None:
        return {"order.outcome": "not sent"}
    return _known(
        outcome=outcome.kind,
        slot=outcome.slot,
        reason=outcome.reason,
        detail=outcome.detail,
        filled_out=outcome.fill and str(outcome.fill.amount_out),
    )


def _known(**facts: Any) -> Mapping[str, Any]:
    return {f"order.{name}": value for name, value in facts.items() if value not in (None, "")}
