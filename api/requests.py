"""What clients send: camelCase, amounts and prices as decimal strings, nothing unknown, nothing converted."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from workflows.domain.order import DEFAULT_MAX_ATTEMPTS, DEFAULT_WALLET, OrderType
from workflows.domain.time_in_force import TimeInForce

DEFAULT_SLIPPAGE_BPS = 50

WALLET = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"


class Incoming(BaseModel):
    """The form of what clients send: nothing unknown, nothing converted."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)


def _amount_text(value: object) -> object:
    # The parser kept the digits of a JSON number, so taking numbers loses nothing.
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return str(value)
    return value


AmountText = Annotated[
    str,
    BeforeValidator(_amount_text),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "number"}],
            "description": 'In token units, as a decimal string such as "1.5". A JSON number is taken digit by digit.',
            "examples": ["1.5"],
        }
    ),
]
PriceText = Annotated[
    str,
    BeforeValidator(_amount_text),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "number"}],
            "description": "Units of tokenOut per one tokenIn, as a decimal string or number, taken digit by digit.",
            "examples": ["151.25"],
        }
    ),
]


def _moment(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('must be a text such as "2030-01-31T12:00:00Z"')
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError('is no time such as "2030-01-31T12:00:00Z"') from None
    if moment.tzinfo is None:
        raise ValueError("must name its offset from UTC, or end in Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is beyond the years 1 to 9999 in UTC") from None


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2030-01-31T12:00:00Z"]}),
]

# What a client calls an order: visible characters that need no escape in a path.
CLIENT_ORDER_ID = r"^[A-Za-z0-9._:~-]{1,128}$"

TokenName = Annotated[str, Field(min_length=1, max_length=64, description="Symbol, in any case, or mint address.")]


class SwapRequest(Incoming):
    """What to sell for what, and how much worse than quoted the price may become (basis points).

    Either `amount`, to sell exactly that much, or `amountOut`, to buy exactly that much.
    """

    token_in: TokenName = Field(examples=["SOL"])
    token_out: TokenName = Field(examples=["USDC"])
    amount: AmountText | None = None
    amount_out: AmountText | None = None
    max_amount_in: AmountText | None = Field(default=None, description="With amountOut: the most to pay.")
    slippage_bps: int = Field(default=DEFAULT_SLIPPAGE_BPS, ge=0, le=10_000)


class OrderRequest(SwapRequest):
    """An order.

    `type` says what it waits for, always by the price that one pool pays for the whole of its size, every fee of pool
    and tokens taken off (not the network's fee in lamports):

    - `market`: nothing.
    - `limit`: the price is at or above `limitPrice`, which the swap then pays at least, on the chain as well.
    - `stop`: the price falls to or below `stopPrice`; then as a market order.
    - `stop_limit`: the price falls to or below `stopPrice`; then as a limit order.
    - `take_profit`: the price rises to or above `stopPrice`; then as a market order.

    A swap is all or nothing, so `ioc` and `fok` are the same: at once, within `maxAttempts`, or not at all. `gtc` rests
    until it is canceled, `gtd` until `expireAt`, `day` until the end of the day in UTC; they rest again, for a while,
    when their attempts failed for a reason that may pass. Market orders are `ioc` unless they say otherwise, all others
    `gtc`. No attempt begins at `deadline` or later.

    `clientOrderId` names the order, once per account: the same request again is answered with the same order. The
    header `Idempotency-Key` says the same. `wallet` is the name of a wallet that the engine holds a key for.
    """

    type: Annotated[OrderType, Field(strict=False)] = OrderType.MARKET
    limit_price: PriceText | None = None
    stop_price: PriceText | None = None
    time_in_force: Annotated[TimeInForce, Field(strict=False)] | None = None
    expire_at: Moment | None = None
    deadline: Moment | None = None
    max_attempts: int = Field(default=DEFAULT_MAX_ATTEMPTS, ge=1, le=100)
    client_order_id: str | None = Field(default=None, pattern=CLIENT_ORDER_ID)
    wallet: str = Field(default=DEFAULT_WALLET, pattern=WALLET)


class QuoteRequestBody(SwapRequest):
    """A comparison of both venues. Nothing is traded."""


class AmendRequest(Incoming):
    """What to change of an order that is pending or open; what is left out stays."""

    limit_price: PriceText | None = None
    stop_price: PriceText | None = None
    expire_at: Moment | None = None
    deadline: Moment | None = None
    slippage_bps: int | None = Field(default=None, ge=0, le=10_000)


class CancelAllRequest(Incoming):
    """Which orders to cancel: those that fit everything that is given; an empty object means all of the account."""

    pair: str | None = Field(
        default=None, max_length=130, description="Two symbols or mints, sold either way.", examples=["SOL/USDC"]
    )
    type: Annotated[OrderType, Field(strict=False)] | None = None
    wallet: str | None = Field(default=None, pattern=WALLET)
    order_ids: list[str] | None = Field(default=None, max_length=500)


# A day: whoever wants longer does not want a dead man's switch.
_LONGEST_SWITCH_SECONDS = 86_400


class CancelAllAfterRequest(Incoming):
    """In how many seconds to cancel all orders of the account unless this is asked for again; 0 for never."""

    seconds: int = Field(ge=0, le=_LONGEST_SWITCH_SECONDS, examples=[60])
