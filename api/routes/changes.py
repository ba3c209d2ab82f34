"""Orders: cancel, change, cancel many."""

import asyncio
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends, Header, Request, Response

from api.access import account
from api.body import json_object
from api.described import ETAG, json_body, needed, refusals
from api.examples import AMEND_EXAMPLES, CANCEL_ALL_EXAMPLES
from api.present import etag, order_out
from api.problems import refused_field
from api.requests import AmendRequest, CancelAllRequest
from api.schemas import CancelAllOut, CancelOut, OrderOut
from api.services import Services, services
from api.swaps import mints_of_pair, validated
from api.terms import amendment_of, check_limit
from db.filters import OrderFilter
from db.rows import OrderView
from workflows.domain.amendment import amended
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.ids import is_order_id
from workflows.domain.lifecycle import is_terminal
from workflows.messages import AmendOrder, CancelResult

router = APIRouter(tags=["orders"])

_Services = Annotated[Services, Depends(services)]
_Account = Annotated[str, Depends(account)]
_Key = Annotated[
    str | None,
    Header(max_length=128, description="A request that is repeated under the same key is answered as the first one."),
]

# What one request cancels, and how many of them at a time: seconds at most.
_MOST_CANCELED = 500
_CONCURRENT = 20


# Before the routes with an order id, which would take its path.
@router.post(
    "/api/orders/cancel-all",
    openapi_extra=json_body(CancelAllRequest, CANCEL_ALL_EXAMPLES) | refusals(ErrorCode.TOKEN_UNKNOWN),
)
async def cancel_all(request: Request, engine: _Services, owner: _Account) -> CancelAllOut:
    """Cancel all orders that have not ended and fit the filter, oldest first, at most 500 at a time.

    Each is answered as by its own cancellation. An order that was accepted this very moment may not be among them.
    """
    wanted = validated(CancelAllRequest, await json_object(request))
    chosen = OrderFilter(
        order_ids=[each for each in wanted.order_ids if is_order_id(each)] if wanted.order_ids is not None else None,
        pair=await mints_of_pair(engine.tokens, wanted.pair) if wanted.pair is not None else None,
        types=[wanted.type] if wanted.type is not None else None,
        wallet=wanted.wallet,
    )
    try:
        views = await engine.reader.live(owner, chosen, _MOST_CANCELED + 1)
    except ConnectionError as error:
        raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, "PostgreSQL does not answer") from error
    gate = asyncio.Semaphore(_CONCURRENT)

    async def one(view: OrderView) -> CancelOut | str:
        async with gate:
            try:
                return await _cancel(engine, view, owner, str(uuid4()))
            except EngineError:
                return view.terms.order_id

    answers = await asyncio.gather(*(one(view) for view in views[:_MOST_CANCELED]))
    return CancelAllOut(
        orders=[answer for answer in answers if isinstance(answer, CancelOut)],
        failed=[answer for answer in answers if isinstance(answer, str)],
        remaining=len(views) > _MOST_CANCELED,
    )


@router.post(
    "/api/orders/{order_id}/cancel",
    responses={202: {"model": CancelOut, "description": "The wish is stored; no worker has answered yet."}},
)
async def cancel_order(
    order_id: str, response: Response, engine: _Services, owner: _Account, idempotency_key: _Key = None
) -> CancelOut:
    """Cancel an order, answered definitely: it is canceled, or it is too late, or it had ended before.

    202 `pending` when no worker answers: the wish is stored, and honored as soon as one runs. Cancelling again does no
    harm. 503 `engine_unavailable` says that the wish may not be stored.
    """
    view = await engine.lookup.find_for_stream(order_id, owner)
    answer = await _cancel(engine, view, owner, idempotency_key or str(uuid4()))
    if answer.result is CancelResult.PENDING:
        response.status_code = 202
    return answer


@router.patch(
    "/api/orders/{order_id}",
    responses={200: {"headers": ETAG}},
    openapi_extra=json_body(AmendRequest, AMEND_EXAMPLES)
    | refusals(
        ErrorCode.PRICE_INVALID,
        ErrorCode.VERSION_REQUIRED,
        ErrorCode.VERSION_MISMATCH,
        ErrorCode.ORDER_NOT_AMENDABLE,
        ErrorCode.ORDER_ENDED,
        ErrorCode.AMENDMENT_UNKNOWN,
    ),
)
async def amend_order(
    order_id: str,
    request: Request,
    response: Response,
    engine: _Services,
    owner: _Account,
    if_match: Annotated[
        str | None, Header(description="The order's `ETag`, or `*`.", examples=["*"], json_schema_extra=needed)
    ] = None,
    idempotency_key: _Key = None,
) -> OrderOut:
    """Change prices, expiry, slippage or deadline of an order that is pending or open.

    428 without `If-Match`, 412 when the order has moved on since, 409 when it can no longer be changed. With 503
    `amendment_unknown` the change may still be made.
    """
    amendment = amendment_of(validated(AmendRequest, await json_object(request)))
    if if_match is None:
        raise EngineError(ErrorCode.VERSION_REQUIRED, "the request does not say which version it is about")
    view = await engine.lookup.find_for_stream(order_id, owner)
    version = _version(if_match, view)
    check_limit(amended(view.terms, amendment))
    wanted = AmendOrder(amendment=amendment, version=version)
    answer = await engine.changes.amend(order_id, wanted, idempotency_key or str(uuid4()))
    changed = OrderView(
        terms=answer.terms,
        status=answer.status,
        last_seq=answer.seq,
        attempt=answer.attempt,
        reason=None,
        venue=None,
        signature=None,
        fill=None,
        updated_at=answer.updated_at,
    )
    response.headers["ETag"] = etag(changed)
    return order_out(changed, engine.web_ui)


async def _cancel(engine: Services, view: OrderView, owner: str, update_id: str) -> CancelOut:
    order_id = view.terms.order_id
    if not is_terminal(view.status):
        answer = await engine.changes.cancel(order_id, update_id)
        if not isinstance(answer, bool):
            return CancelOut(order_id=order_id, result=answer.result, status=answer.status, signature=answer.signature)
        if answer:
            return CancelOut(
                order_id=order_id, result=CancelResult.PENDING, status=view.status, signature=view.signature
            )
        view = await engine.lookup.find_for_stream(order_id, owner)
        if not is_terminal(view.status):
            raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, f"Temporal knows no workflow of order {order_id}")
    return CancelOut(
        order_id=order_id, result=CancelResult.ALREADY_TERMINAL, status=view.status, signature=view.signature
    )


def _version(if_match: str, view: OrderView) -> int | None:
    """The version that the order must be at, None for any. Raises EngineError `version_mismatch`."""
    tags = [tag.strip() for tag in if_match.split(",")]
    if tags == ["*"]:
        return None
    if any(not (tag.startswith(('"', 'W/"')) and tag.endswith('"')) for tag in tags):
        raise refused_field(ErrorCode.REQUEST_INVALID, "If-Match", 'must be an ETag such as "3", or *')
    # A weak tag never matches here, nor does one of something else (RFC 9110).
    if etag(view) not in tags:
        raise EngineError(ErrorCode.VERSION_MISMATCH, f"the order is at version {view.last_seq}")
    return view.last_seq
