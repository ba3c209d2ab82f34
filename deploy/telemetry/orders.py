"""Ties the activities of an order to it: log lines, spans, and on each span what the step found out."""

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
from workflows.domain.routing import VenueQuotes, recorded
from workflows.messages import PreparedSwap, SwapExecuted, SwapSettled

_ORDER_WORKFLOW = "order-"


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
        return await super().start_workflow(input)


class _Step(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        workflow_id = activity.info().workflow_id or ""
        if not workflow_id.startswith(_ORDER_WORKFLOW):
            return await self.next.execute_activity(input)
        order = Followed(workflow_id.removeprefix(_ORDER_WORKFLOW))
        request = input.args[0] if input.args else None
        order.account, order.attempt = account_of(request), attempt_of(request)
        token = follow(order)
        try:
            span = trace.get_current_span()
            if not span.is_recording():
                return await self.next.execute_activity(input)
            span.set_attributes(_given(order.order_id, order.account, order.attempt))
            answer = await self.next.execute_activity(input)
            span.set_attributes(found_out(answer))
            return answer
        except ApplicationError as error:
            if error.type:
                trace.get_current_span().set_attributes(_known(reason=error.type, detail=error.message))
            raise
        finally:
            unfollow(token)


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
    decision = recorded(event.data) if "decision" in event.data else None
    return _known(
        status=event.status,
        seq=event.seq,
        reason=event.reason,
        detail=event.data.get("detail"),
        venue=event.venue,
        signature=event.signature,
        kind=decision and decision.route.kind,
        pool=decision and decision.route.pool,
        quoted_out=decision and str(decision.route.amount_out),
        why=decision and decision.why,
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


def _given(order_id: str | None, account: str | None, attempt: int | None) -> Mapping[str, Any]:
    return _known(id=order_id, account=account, attempt=attempt)


def _known(**facts: Any) -> Mapping[str, Any]:
    return {f"order.{name}": value for name, value in facts.items() if value not in (None, "")}
