"""What happened to an order: its events, its attempts, its workflow, and all of it explained."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic.alias_generators import to_camel

from api.access import account
from api.explanation import explain
from api.explanation_schemas import ExplanationOut
from api.present import attempt_out, event_out
from api.present_explanation import explanation_out
from api.schemas import AttemptList, EventList, EventOut, WorkflowOut
from api.services import Services, services
from db.views import MOST_EVENTS, OrderReader
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.ids import is_order_id, workflow_id
from workflows.domain.order import OrderEvent

router = APIRouter(tags=["orders"])

_Services = Annotated[Services, Depends(services)]
_Account = Annotated[str, Depends(account)]


@router.get("/api/orders/{order_id}/workflow")
async def show_workflow(order_id: str, engine: _Services, owner: _Account) -> WorkflowOut:
    """The order's workflow, live: its step, attempt, quotes, decision and signature. Amounts in base units."""
    found = await engine.engine.state(order_id) if is_order_id(order_id) else None
    if found is None or found[0].terms.account != owner:
        raise EngineError(ErrorCode.ORDER_NOT_FOUND, f"there is no workflow of an order {order_id}")
    state, run_id = found
    # The signed bytes stay inside.
    hidden = {"prepared": {"swap": {"transaction"}}}
    return WorkflowOut(
        order_id=order_id,
        workflow_id=workflow_id(order_id),
        run_id=run_id,
        web_url=engine.web_ui.order(order_id, run_id),
        state=_camel(state.model_dump(mode="json", exclude=hidden)),
    )


@router.get("/api/orders/{order_id}/events")
async def list_events(
    order_id: str,
    engine: _Services,
    owner: _Account,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="Only events with a greater `seq`.")] = 0,
) -> EventList:
    """The steps of an order's life so far, at most 1000 at a time."""
    view = await engine.lookup.find(order_id, owner)
    try:
        events = await engine.reader.events(order_id, after)
    except ConnectionError as error:
        raise _no_database() from error
    return EventList(
        order_id=order_id,
        last_seq=max([view.last_seq, *(event.seq for event in events)]),
        events=[event_out(event, view.terms, EventOut) for event in events],
    )


@router.get("/api/orders/{order_id}/attempts")
async def list_attempts(order_id: str, engine: _Services, owner: _Account) -> AttemptList:
    """Every swap that was signed for an order, with what became of it: price, fee, and the fill against its quote."""
    view = await engine.lookup.find(order_id, owner)
    try:
        attempts = await engine.reader.attempts(order_id)
    except ConnectionError as error:
        raise _no_database() from error
    return AttemptList(
        order_id=order_id, attempts=[attempt_out(attempt, view.terms, engine.web_ui) for attempt in attempts]
    )


@router.get("/api/orders/{order_id}/explain")
async def explain_order(order_id: str, engine: _Services, owner: _Account) -> ExplanationOut:
    """Why the order went as it did: every pool that was looked at, each decision and what it gained over the best other
    one, every swap with its outcome, every retry with its reason, the risk check, and the fill against its quote.

    `summary` tells it in sentences.
    """
    view = await engine.lookup.find(order_id, owner)
    try:
        events = await _all_events(engine.reader, order_id)
        attempts = await engine.reader.attempts(order_id)
        check = await engine.reader.risk_check(order_id)
    except ConnectionError as error:
        raise _no_database() from error
    return explanation_out(explain(view, events, attempts, check), engine.web_ui)


async def _all_events(reader: OrderReader, order_id: str) -> list[OrderEvent]:
    events: list[OrderEvent] = []
    while True:
        page = await reader.events(order_id, events[-1].seq if events else 0)
        events += page
        if len(page) < MOST_EVENTS:
            return events


def _no_database() -> EngineError:
    return EngineError(ErrorCode.ENGINE_UNAVAILABLE, "PostgreSQL does not answer")


def _camel(value: Any) -> Any:
    """The same JSON with camelCase keys."""
    if isinstance(value, dict):
        return {to_camel(key): _camel(each) for key, each in value.items()}
    return [_camel(each) for each in value] if isinstance(value, list) else value
