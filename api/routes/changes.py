"""Orders: cancel, change, cancel many, cancel all unless told otherwise."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from api.access import account
from api.body import json_object
from api.commands import Versions
from api.described import ETAG, json_body, needed, refusals
from api.examples import AMEND_EXAMPLES, CANCEL_ALL_AFTER_EXAMPLES, CANCEL_ALL_EXAMPLES
from api.present import etag, order_out
from api.problems import refused_field
from api.requests import AmendRequest, CancelAllAfterRequest, CancelAllRequest
from api.schemas import CancelAllAfterOut, CancelAllOut, CancelOut, OrderOut
from api.services import Services, services
from workflows.domain.errors import EngineError, ErrorCode
from workflows.messages import CancelResult

router = APIRouter(tags=["orders"])

_Services = Annotated[Services, Depends(services)]
_Account = Annotated[str, Depends(account)]
_Key = Annotated[
    str | None,
    Header(max_length=128, description="A request that is repeated under the same key is answered as the first one."),
]


# Before the routes with an order id, which would take its path.
@router.post(
    "/api/orders/cancel-all",
    openapi_extra=json_body(CancelAllRequest, CANCEL_ALL_EXAMPLES) | refusals(ErrorCode.TOKEN_UNKNOWN),
)
async def cancel_all(request: Request, engine: _Services, owner: _Account) -> CancelAllOut:
    """Cancel all orders that have not ended and fit the filter, oldest first, at most 500 at a time.

    Each is answered as by its own cancellation. An order that was accepted this very moment may not be among them.
    """
    return await engine.commands.cancel_all(await json_object(request), owner)


@router.post(
    "/api/orders/cancel-all-after",
    openapi_extra=json_body(CancelAllAfterRequest, CANCEL_ALL_AFTER_EXAMPLES) | refusals(ErrorCode.SWITCH_UNKNOWN),
)
async def cancel_all_after(request: Request, engine: _Services, owner: _Account) -> CancelAllAfterOut:
    """Cancel all orders of the account in so many seconds, unless this is asked for again before; 0 switches it off.

    A dead man's switch: a bot asks every few seconds for the next minute, and should it die, or its line, its orders
    are canceled. It needs neither this API process nor the line to it. There is one per account, which all of its keys
    renew; orders that are accepted after it has fired are not touched. With 503 `switch_unknown` ask again.
    """
    return await engine.commands.cancel_all_after(await json_object(request), owner)


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
    answer = await engine.commands.cancel(order_id, owner, idempotency_key)
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
    `amendment_unknown` the change may still be made; repeated under its `Idempotency-Key` it is made once.
    """
    body = await json_object(request)
    if if_match is None:
        raise EngineError(ErrorCode.VERSION_REQUIRED, "the request does not say which version it is about")
    changed = await engine.commands.amend(order_id, body, owner, _versions(if_match), idempotency_key)
    response.headers["ETag"] = etag(changed)
    return order_out(changed, engine.web_ui)


def _versions(if_match: str) -> Versions:
    """The versions that an If-Match header allows. Raises RequestRefused `request_invalid`."""
    tags = [tag.strip() for tag in if_match.split(",")]
    if tags == ["*"]:
        return None
    if any(not (tag.startswith(('"', 'W/"')) and tag.endswith('"')) for tag in tags):
        raise refused_field(ErrorCode.REQUEST_INVALID, "If-Match", 'must be an ETag such as "3", or *')
    # A weak tag never matches here, nor does one of something else (RFC 9110).
    numbers = (tag[1:-1] for tag in tags if tag.startswith('"'))
    return frozenset(int(number) for number in numbers if number.isascii() and number.isdigit() and len(number) <= 10)
