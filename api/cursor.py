"""A place in a list of orders as clients hold it: a text that means nothing to them.

It goes with the filters of its list: under others it would skip orders that were never shown.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from api.problems import refused_field
from db.filters import OrderFilter
from db.rows import OrderView
from db.views import Position
from workflows.domain.errors import ErrorCode
from workflows.domain.ids import is_order_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def cursor_after(view: OrderView, wanted: OrderFilter) -> str:
    """The place right after this order in the list of these filters."""
    text = f"{(view.terms.created_at - _EPOCH) // _MICROSECOND}.{view.terms.order_id}.{_digest(wanted)}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position_of(cursor: str, wanted: OrderFilter) -> Position:
    """The place that a cursor names. Raises RequestRefused `cursor_invalid`, for one of another list too."""
    refused = refused_field(ErrorCode.CURSOR_INVALID, "cursor", "is not one that this list gave")
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        microseconds, order_id, digest = text.split(".")
    except (binascii.Error, ValueError):
        raise refused from None
    if not (microseconds.isascii() and microseconds.isdigit() and len(microseconds) <= 18 and is_order_id(order_id)):
        raise refused
    if digest != _digest(wanted):
        raise refused_field(ErrorCode.CURSOR_INVALID, "cursor", "was given for a list with other filters")
    try:
        created_at = _EPOCH + int(microseconds) * _MICROSECOND
    except OverflowError:
        raise refused from None
    return Position(created_at, order_id)


def _digest(wanted: OrderFilter) -> str:
    facts = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(wanted).items()}
    return hashlib.sha256(json.dumps(facts, default=str, sort_keys=True).encode()).hexdigest()[:16]
