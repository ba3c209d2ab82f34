"""Orders: accept, show, list; their events and attempts."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic.alias_generators import to_camel

from api.access import account
from api.body import json_object
from api.cursor import cursor_after, position_of
from api.examples import ORDER_EXAMPLES
from api.present import attempt_out, etag, event_out, order_out, order_path
from api.schemas import AttemptList, EventList, EventOut, OrderOut, OrderPage, WorkflowOut
from api.services import Services, services
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.ids import is_order_id, workflow_id
from workflows.domain.lifecycle import Status

router = APIRouter(tags=["orders"])

REPLAYED = "Idempotency-Replayed"

_Services = Annotated[Services, Depends(services)]
_Account = Annotated[str, Depends(account)]
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/OrderRequest"}, "examples": ORDER_EXAMPLES}
        },
    }
}
_REPLAYED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": OrderOut,
        "description": "The same request was taken before: its order, as it stands.",
        "headers": {REPLAYED: {"description": "`true`", "schema": {"type": "string"}}},
    }
}


# The two other paths are those of the first version of the service, whose clients go on working.
@router.post("/api/orders", status_code=202, openapi_extra=_BODY, responses=_REPLAYED)
@router.post("/order", status_code=202, include_in_schema=False)
@router.post("/api/orders/execute", status_code=202, include_in_schema=False)
async def submit_order(
    request: Request,
    response: Response,
    engine: _Services,
    owner: _Account,
    idempotency_key: Annotated[str | None, Header(description="The same as `clientOrderId`.")] = None,
) -> OrderOut:
    """Accept an order.

    The answer comes once the order is durable: from then on it reaches a terminal status whatever fails. 503
    `engine_unavailable` means that nothing was created; with `acceptance_unknown` the order may exist under the
    `orderId` of the problem. A request that names its order by `clientOrderId` or `Idempotency-Key` can simply be
    repeated, for ever: the same request is answered with the same order and `Idempotency-Replayed: true`, another one
    under the same name with 422 `idempotency_key_reused`.
    """
    view, replayed = await engine.commands.place(await json_object(request), owner, idempotency_key)
    response.headers["Location"] = order_path(view.terms.order_id)
    response.headers["ETag"] = etag(view)
    if replayed:
        response.status_code = 200
        response.headers[REPLAYED] = "true"
    return order_out(view, engine.web_ui)


@router.get("/api/orders")
async def list_orders(
    engine: _Services,
    owner: _Account,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="`nextCursor` of the page before.")] = None,
    status: Status | None = None,
) -> OrderPage:
    """Orders, newest first. An order appears once its first event is stored, moments after it was accepted."""
    before = position_of(cursor) if cursor is not None else None
    try:
        # One more than asked tells whether there is a next page.
        views = await engine.reader.newest(owner, limit + 1, before, status)
    except ConnectionError as error:
        raise _no_database() from error
    page = views[:limit]
    return OrderPage(
        orders=[order_out(view, engine.web_ui) for view in page],
        next_cursor=cursor_after(page[-1]) if len(views) > limit else None,
    )


@router.get("/api/orders/{order_id}")
async def show_order(order_id: str, response: Response, engine: _Services, owner: _Account) -> OrderOut:
    """An order as it stands: from PostgreSQL, and from its workflow before the first write or in an outage."""
    view = await engine.lookup.find(order_id, owner)
    response.headers["ETag"] = etag(view)
    return order_out(view, engine.web_ui)


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
    """Every swap that was signed for an order, with what became of it."""
    view = await engine.lookup.find(order_id, owner)
    try:
        attempts = await engine.reader.attempts(order_id)
    except ConnectionError as error:
        raise _no_database() from error
    return AttemptList(order_id=order_id, attempts=[attempt_out(attempt, view.terms) for attempt in attempts])


def _no_database() -> EngineError:
    return EngineError(ErrorCode.ENGINE_UNAVAILABLE, "PostgreSQL does not answer")


def _camel(value: Any) -> Any:
    """The same JSON with camelCase keys."""
    if isinstance(value, dict):
        return {to_camel(key): _camel(each) for key, each in value.items()}
    return [_camel(each) for each in value] if isinstance(value, list) else value
