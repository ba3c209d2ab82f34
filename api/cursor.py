"""A place in a list of orders as clients hold it: a text that means nothing to them."""

import base64
import binascii
from datetime import UTC, datetime, timedelta

from api.problems import refused_field
from db.rows import OrderView
from db.views import Position
from workflows.domain.errors import ErrorCode
from workflows.domain.ids import is_order_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def cursor_after(view: OrderView) -> str:
    """The place right after this order."""
    text = f"{(view.terms.created_at - _EPOCH) // _MICROSECOND}.{view.terms.order_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position_of(cursor: str) -> Position:
    """The place that a cursor names. Raises RequestRefused `cursor_invalid`."""
    refused = refused_field(ErrorCode.CURSOR_INVALID, "cursor", "is not one that this list gave")
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise refused from None
    microseconds, _, order_id = text.partition(".")
    if not (microseconds.isascii() and microseconds.isdigit() and len(microseconds) <= 18 and is_order_id(order_id)):
        raise refused
    try:
        created_at = _EPOCH + int(microseconds) * _MICROSECOND
    except OverflowError:
        raise refused from None
    return Position(created_at, order_id)
