"""Orders as a program asks for them: one function for each type."""

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from pydantic.alias_generators import to_camel

from workflows.domain.order import OrderType
from workflows.domain.time_in_force import TimeInForce

# Token units or prices: "1.5", 2, Decimal("0.25"). A float cannot say what it means.
Number = str | int | Decimal
_NUMBERS = ("amount", "amount_out", "max_amount_in", "limit_price", "stop_price")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order to be placed; what is None is left to the API's defaults. Times need an offset from UTC.

    `amount` sells exactly that much; `amount_out` with `max_amount_in` buys exactly that much. `client_order_id` names
    the order once per account; the client gives it a name if it has none, so that placing can be repeated.
    Raises TypeError for floats.
    """

    token_in: str
    token_out: str
    amount: Number | None = None
    amount_out: Number | None = None
    max_amount_in: Number | None = None
    type: OrderType = OrderType.MARKET
    limit_price: Number | None = None
    stop_price: Number | None = None
    time_in_force: TimeInForce | None = None
    expire_at: datetime | None = None
    deadline: datetime | None = None
    slippage_bps: int | None = None
    max_attempts: int | None = None
    client_order_id: str | None = None
    wallet: str | None = None

    def __post_init__(self) -> None:
        """Refuse what has lost its digits before it came here."""
        for name in _NUMBERS:
            value = getattr(self, name)
            if value is not None and not isinstance(value, str | int | Decimal):
                raise TypeError(f"{name} must be a string, an int or a Decimal")

    def body(self) -> dict[str, Any]:
        """The body of `POST /api/orders`."""
        return json_of({field.name: getattr(self, field.name) for field in fields(self)})


class Details(TypedDict, total=False):
    """What any order may say beside its price: the fields of `NewOrder` of the same names."""

    amount: Number | None
    amount_out: Number | None
    max_amount_in: Number | None
    time_in_force: TimeInForce | None
    expire_at: datetime | None
    deadline: datetime | None
    slippage_bps: int | None
    max_attempts: int | None
    client_order_id: str | None
    wallet: str | None


def market(token_in: str, token_out: str, **details: Unpack[Details]) -> NewOrder:
    """Trade at once, at the best price of both venues."""
    return NewOrder(token_in=token_in, token_out=token_out, **details)


def buying(token_out: str, token_in: str, amount_out: Number, max_amount_in: Number) -> NewOrder:
    """Buy exactly `amount_out` of one token for at most `max_amount_in` of the other, at once."""
    return market(token_in, token_out, amount_out=amount_out, max_amount_in=max_amount_in)


def limit(token_in: str, token_out: str, limit_price: Number, **details: Unpack[Details]) -> NewOrder:
    """Trade once the price is at or above `limit_price`, and pay at least that."""
    return NewOrder(token_in=token_in, token_out=token_out, type=OrderType.LIMIT, limit_price=limit_price, **details)


def stop(token_in: str, token_out: str, stop_price: Number, **details: Unpack[Details]) -> NewOrder:
    """Trade at the market once the price falls to or below `stop_price`."""
    return NewOrder(token_in=token_in, token_out=token_out, type=OrderType.STOP, stop_price=stop_price, **details)


def stop_limit(
    token_in: str, token_out: str, stop_price: Number, limit_price: Number, **details: Unpack[Details]
) -> NewOrder:
    """A limit order from when the price falls to or below `stop_price` on."""
    return NewOrder(
        token_in=token_in,
        token_out=token_out,
        type=OrderType.STOP_LIMIT,
        stop_price=stop_price,
        limit_price=limit_price,
        **details,
    )


def take_profit(token_in: str, token_out: str, stop_price: Number, **details: Unpack[Details]) -> NewOrder:
    """Trade at the market once the price rises to or above `stop_price`."""
    return NewOrder(
        token_in=token_in, token_out=token_out, type=OrderType.TAKE_PROFIT, stop_price=stop_price, **details
    )


def json_of(members: dict[str, Any]) -> dict[str, Any]:
    """A JSON object in camelCase without what is None; numbers that are money become strings."""
    return {to_camel(name): _json(value) for name, value in members.items() if value is not None}


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time needs an offset from UTC")
        return value.isoformat()
    return value
