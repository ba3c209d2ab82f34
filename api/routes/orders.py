"""Orders: accept, show, list."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from api.access import account
from api.body import json_object
from api.cursor import cursor_after, position_of
from api.described import AMOUNT_CODES, ETAG, LOCATION, REPLAYED, json_body, refusals
from api.examples import ORDER_EXAMPLES
from api.listing import ListQuery, filter_of
from api.metrics import hold_back
from api.present import etag, order_out, order_path
from api.requests import CLIENT_ORDER_ID, OrderRequest
from api.schemas import OrderOut, OrderPage
from api.services import Services, services
from api.waiting import LONGEST_WAIT_SECONDS
from workflows.domain.errors import EngineError, ErrorCode

router = APIRouter(tags=["orders"])

_Services = Annotated[Services, Depends(services)]
_Account = Annotated[str, Depends(account)]
_SHOWN: dict[int | str, dict[str, Any]] = {200: {"headers": ETAG}}
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"description": "The order is durable.", "headers": LOCATION | ETAG},
    200: {
        "model": OrderOut,
        "description": "The same request was taken before: its order, as it stands.",
        "headers": LOCATION | ETAG | REPLAYED,
    },
}
_BODY = json_body(OrderRequest, ORDER_EXAMPLES) | refusals(
    *AMOUNT_CODES,
    ErrorCode.PRICE_INVALID,
    ErrorCode.IDEMPOTENCY_KEY_REUSED,
    ErrorCode.TOO_MANY_ORDERS,
    ErrorCode.ACCEPTANCE_UNKNOWN,
)


# The two other paths are those of the first version of the service, whose clients go on working.
@router.post("/api/orders", status_code=202, openapi_extra=_BODY, responses=_ACCEPTED)
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
        response.headers["Idempotency-Replayed"] = "true"
    return order_out(view, engine.web_ui)


@router.get(
    "/api/orders",
    openapi_extra=refusals(ErrorCode.CURSOR_INVALID, ErrorCode.TOKEN_UNKNOWN),
)
async def list_orders(engine: _Services, owner: _Account, query: Annotated[ListQuery, Query()]) -> OrderPage:
    """Orders that fit every filter, newest first.

    `nextCursor` leads on, with the same filters; orders that arrive meanwhile shift nothing. An order appears once its
    first event is stored, moments after it was accepted.
    """
    wanted = await filter_of(query, engine.tokens)
    before = position_of(query.cursor, wanted) if query.cursor is not None else None
    try:
        # One more than asked tells whether there is a next page.
        views = await engine.reader.newest(owner, query.limit + 1, before, wanted)
    except ConnectionError as error:
        raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, "PostgreSQL does not answer") from error
    page = views[: query.limit]
    return OrderPage(
        orders=[order_out(view, engine.web_ui) for view in page],
        next_cursor=cursor_after(page[-1], wanted) if len(views) > query.limit else None,
    )


# Before the routes with an order id: a client may call an order by any name of theirs.
@router.get(
    "/api/orders/by-client-order-id/{client_order_id}",
    responses=_SHOWN,
    openapi_extra=refusals(ErrorCode.ORDER_NOT_FOUND),
)
async def show_order_by_client_order_id(
    client_order_id: Annotated[str, Path(pattern=CLIENT_ORDER_ID)],
    response: Response,
    engine: _Services,
    owner: _Account,
) -> OrderOut:
    """The order that was placed under this `clientOrderId` or `Idempotency-Key`, as it stands."""
    view = await engine.lookup.find_by_client_id(client_order_id, owner)
    response.headers["ETag"] = etag(view)
    return order_out(view, engine.web_ui)


@router.get("/api/orders/{order_id}", responses=_SHOWN)
async def show_order(
    order_id: str,
    request: Request,
    response: Response,
    engine: _Services,
    owner: _Account,
    wait: Annotated[
        Literal["terminal"] | None, Query(description="Answer when the order has ended, or after `timeout`.")
    ] = None,
    seconds: Annotated[
        int,
        Query(alias="timeout", ge=1, le=LONGEST_WAIT_SECONDS, description="With `wait`: seconds to wait at most."),
    ] = 30,
) -> OrderOut:
    """An order as it stands: from PostgreSQL, and from its workflow before the first write or in an outage.

    With `wait=terminal` the answer comes once the order has ended. After `timeout` seconds it shows the order as it
    stands then: ask again.
    """
    if wait is None:
        view = await engine.lookup.find(order_id, owner)
    else:
        hold_back(request)
        view = await engine.waits.until_terminal(order_id, owner, seconds, request)
    response.headers["ETag"] = etag(view)
    return order_out(view, engine.web_ui)
