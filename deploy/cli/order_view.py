"""How orders, their steps and their explanations are shown to people. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from api.schemas import EventOut, OrderOut

# From here on a row has room for what became of the order beside what it is.
_WIDE = 130

# The rows of one order that it may be without.
_DETAILS = {
    "stop_price": "stop price",
    "limit_price": "limit price",
    "expire_at": "expires",
    "deadline": "deadline",
    "venue": "venue",
    "signature": "signature",
    "average_price": "average price",
    "fee_lamports": "network fee (lamports)",
    "slot": "slot",
    "reason": "reason",
    "client_order_id": "client order id",
}

Rows = list[Sequence[str]]


def order_rows(order: "OrderOut") -> Rows:
    """One order, a fact a row."""
    rows: Rows = [
        ("order", order.order_id),
        ("status", f"{order.status} ({order.phase}), attempt {order.attempt} of {order.max_attempts}"),
        ("version", str(order.version)),
        ("type", f"{order.type}, {order.time_in_force}"),
        ("sell", f"{selling(order)}, at most {order.slippage_bps} bps worse than quoted"),
    ]
    if order.filled_out is not None:
        rows.append(("filled", filled(order)))
    for name, label in _DETAILS.items():
        if (value := getattr(order, name)) is not None:
            rows.append((label, _time(value) if isinstance(value, datetime) else str(value)))
    rows += [("created", _time(order.created_at)), ("updated", _time(order.updated_at))]
    rows.append(("trace", order.links.temporal_ui))
    return rows


def list_rows(orders: Sequence["OrderOut"], width: int) -> tuple[Rows, Sequence[str]]:
    """Orders, one a row, and the header; a narrow terminal shows what they are and where they stand."""
    if width < _WIDE:
        return [(each.order_id, each.status, described(each)) for each in orders], ("order", "status", "trade")
    rows: Rows = [
        (
            each.order_id,
            each.status,
            described(each),
            filled(each) if each.filled_out is not None else each.reason or "",
            each.venue or "",
            _time(each.created_at),
        )
        for each in orders
    ]
    return rows, ("order", "status", "trade", "filled", "venue", "created")


def described(order: "OrderOut") -> str:
    """What the order is, in one phrase."""
    prices = [("stop", order.stop_price), ("limit", order.limit_price)]
    told = [f"{name} {price}" for name, price in prices if price is not None]
    return " ".join([order.type, selling(order), *told])


def selling(order: "OrderOut") -> str:
    """What is sold for what."""
    if order.amount_out is not None:
        return f"at most {order.amount} {order.token_in} for {order.amount_out} {order.token_out}"
    return f"{order.amount} {order.token_in} for {order.token_out}"


def filled(order: "OrderOut") -> str:
    """What was traded."""
    return f"{order.filled_in} {order.token_in} for {order.filled_out} {order.token_out}"


def event_line(event: "EventOut") -> str:
    """One step of an order's life."""
    parts = [f"{event.seq:>3}  {_time(event.at)}  {event.status:<16}"]
    parts += [str(each) for each in (event.venue, event.reason, event.signature) if each is not None]
    if event.filled_out is not None:
        parts.append(f"{event.filled_in} in, {event.filled_out} out")
    return "  ".join(parts).rstrip()


def progress(event: "EventOut") -> str:
    """What an order that stands so is doing."""
    doing = {
        "pending": "waiting for a worker",
        "open": "waiting for its price",
        "routing": f"asking both venues, attempt {event.attempt}",
        "building": f"checking and signing, attempt {event.attempt}",
        "submitted": "sent, waiting for the chain",
        "pending_cancel": "to be canceled, the chain decides",
    }
    return doing.get(event.status, event.status)


def explanation_lines(explanation: Mapping[str, Any]) -> list[str]:
    """An explained order: the sentences, and what was signed."""
    lines = [explanation["title"], *(f"  {sentence}" for sentence in explanation["summary"])]
    for each in explanation["rounds"]:
        if (swap := each["swap"]) is not None:
            lines.append(f"  attempt {swap['attempt']}: {swap['signature']} {swap['outcome'] or 'in flight'}")
            lines += [f"    {swap['explorer']}"] if swap["explorer"] else []
    return lines


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")
