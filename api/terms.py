"""From what a client asks for to the terms of an order, and the name under which it is the same order again."""

import hashlib
import json
import os
import re
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from api.problems import refused_field
from api.requests import CLIENT_ORDER_ID, AmendRequest, OrderRequest
from workflows.domain.amendment import Amendment
from workflows.domain.errors import ErrorCode
from workflows.domain.guard import least_at_limit, most_at_limit
from workflows.domain.ids import derived_order_id, new_order_id
from workflows.domain.money import MAX_BASE_UNITS, AmountError, parse_price
from workflows.domain.order import OrderTerms, OrderType
from workflows.domain.time_in_force import TimeInForce, end_of, may_rest
from workflows.messages import QuoteRequest

_NEEDS = {
    OrderType.MARKET: (),
    OrderType.LIMIT: ("limitPrice",),
    OrderType.STOP: ("stopPrice",),
    OrderType.STOP_LIMIT: ("stopPrice", "limitPrice"),
    OrderType.TAKE_PROFIT: ("stopPrice",),
}

# Timers beyond this are not for people.
_LONGEST = timedelta(days=3_650)

# What two requests must agree on to be the same: the meaning of each term, not how it was written, and not what the
# moment of acceptance made of it.
_FINGERPRINTED = (
    "wallet",
    "type",
    "amount_in",
    "amount_out",
    "limit_price",
    "stop_price",
    "time_in_force",
    "deadline",
    "slippage_bps",
    "max_attempts",
)


def name_of(wanted: OrderRequest, key: str | None) -> str | None:
    """The client's name of the order: its `clientOrderId` or `Idempotency-Key`, which must not differ.

    Raises RequestRefused `request_invalid`.
    """
    if key is None:
        return wanted.client_order_id
    # The header's draft standard writes keys as quoted strings; most clients write them plainly.
    key = key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key
    if not re.match(CLIENT_ORDER_ID, key):
        detail = "must have 1 to 128 letters, digits or characters of ._:~-"
        raise refused_field(ErrorCode.REQUEST_INVALID, "Idempotency-Key", detail)
    if wanted.client_order_id not in (None, key):
        detail = "names another order than clientOrderId; send one of them, or both alike"
        raise refused_field(ErrorCode.REQUEST_INVALID, "Idempotency-Key", detail)
    return key


def terms_of(wanted: OrderRequest, swap: QuoteRequest, account: str, name: str | None) -> OrderTerms:
    """The terms of the order, accepted now. Raises RequestRefused for fields that do not go together."""
    now = datetime.now(UTC)
    time_in_force = wanted.time_in_force
    if time_in_force is None:
        time_in_force = TimeInForce.IOC if wanted.type is OrderType.MARKET else TimeInForce.GTC
    _check_fields(wanted, time_in_force)
    order_id = derived_order_id(account, name) if name else new_order_id(time.time_ns() // 1_000_000, os.urandom(10))
    terms = OrderTerms(
        order_id=order_id,
        account=account,
        wallet=wanted.wallet,
        type=wanted.type,
        token_in=swap.token_in,
        token_out=swap.token_out,
        amount_in=swap.amount_in,
        amount_out=swap.amount_out,
        limit_price=price_of("limitPrice", wanted.limit_price),
        stop_price=price_of("stopPrice", wanted.stop_price),
        time_in_force=time_in_force,
        expire_at=end_of(time_in_force, now, wanted.expire_at),
        deadline=wanted.deadline,
        slippage_bps=wanted.slippage_bps,
        max_attempts=wanted.max_attempts,
        created_at=now,
        client_order_id=name,
    )
    check_limit(terms)
    return terms.model_copy(update={"fingerprint": _fingerprint(terms, wanted)}) if name else terms


def check_times(wanted: OrderRequest | AmendRequest) -> None:
    """Refuse times that are over. Not for a request that may be an earlier one again."""
    now = datetime.now(UTC)
    for field, moment in (("expireAt", wanted.expire_at), ("deadline", wanted.deadline)):
        if moment is not None and not now < moment < now + _LONGEST:
            raise refused_field(ErrorCode.REQUEST_INVALID, field, "must be in the future, at most ten years from now")


def amendment_of(wanted: AmendRequest) -> Amendment:
    """The change that a client asks for. Raises RequestRefused `price_invalid` or `request_invalid`."""
    check_times(wanted)
    amendment = Amendment(
        limit_price=price_of("limitPrice", wanted.limit_price),
        stop_price=price_of("stopPrice", wanted.stop_price),
        expire_at=wanted.expire_at,
        deadline=wanted.deadline,
        slippage_bps=wanted.slippage_bps,
    )
    if not amendment.changes:
        raise refused_field(ErrorCode.REQUEST_INVALID, "body", "names nothing to change")
    return amendment


def price_of(field: str, text: str | None) -> Decimal | None:
    """The price that a field states. Raises RequestRefused `price_invalid`."""
    try:
        return None if text is None else parse_price(text)
    except AmountError as error:
        raise refused_field(ErrorCode(error.code), field, str(error)) from None


def check_limit(terms: OrderTerms) -> None:
    """Refuse a limit that no amount of the tokens could meet. Raises RequestRefused `price_invalid`."""
    beyond = most_at_limit(terms) == 0 if terms.exact_out else least_at_limit(terms) > MAX_BASE_UNITS
    if beyond:
        raise refused_field(ErrorCode.PRICE_INVALID, "limitPrice", "no amount of the token could ever meet it")


def _check_fields(wanted: OrderRequest, time_in_force: TimeInForce) -> None:
    needed = _NEEDS[wanted.type]
    for field, given in (("limitPrice", wanted.limit_price), ("stopPrice", wanted.stop_price)):
        if (field in needed) != (given is not None):
            detail = "is needed for" if field in needed else "is no part of"
            raise refused_field(ErrorCode.REQUEST_INVALID, field, f"{detail} a {wanted.type} order")
    if wanted.amount_out is not None and wanted.max_amount_in is None:
        raise refused_field(ErrorCode.REQUEST_INVALID, "maxAmountIn", "is needed with amountOut")
    if "stopPrice" in needed and not may_rest(time_in_force):
        raise refused_field(
            ErrorCode.REQUEST_INVALID, "timeInForce", f"a {wanted.type} order waits; use gtc, gtd or day"
        )
    if (time_in_force is TimeInForce.GTD) != (wanted.expire_at is not None):
        raise refused_field(ErrorCode.REQUEST_INVALID, "expireAt", "goes with timeInForce gtd, and is needed there")


def _fingerprint(terms: OrderTerms, wanted: OrderRequest) -> str:
    facts = terms.model_dump(mode="json", include=set(_FINGERPRINTED))
    facts |= {"token_in": terms.token_in.mint, "token_out": terms.token_out.mint}
    facts["expire_at"] = wanted.expire_at.isoformat() if wanted.expire_at else None
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
