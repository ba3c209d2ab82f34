"""An order as the trader gave it, and the events of its life."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.money import BaseUnits, Token, TokenAmount, plain
from workflows.domain.time_in_force import TimeInForce, may_rest

_Frozen = ConfigDict(frozen=True)

DEFAULT_ACCOUNT = "local"
DEFAULT_WALLET = "default"
DEFAULT_MAX_ATTEMPTS = 3


class OrderType(StrEnum):
    """What an order waits for before it trades. Prices are of the whole order, executable: see `domain.trigger`."""

    # Nothing.
    MARKET = "market"
    # The price is at or above `limit_price`.
    LIMIT = "limit"
    # The price falls to or below `stop_price`; then as a market order.
    STOP = "stop"
    # The price falls to or below `stop_price`; then as a limit order.
    STOP_LIMIT = "stop_limit"
    # The price rises to or above `stop_price`; then as a market order.
    TAKE_PROFIT = "take_profit"


class OrderTerms(BaseModel):
    """What the trader asked for; only an amendment changes it, into new terms.

    Exact in: `amount_in` is sold. Exact out: `amount_out` is bought, and `amount_in` is the most to pay. Both in base
    units. Prices are units of `token_out` per one `token_in`. `expire_at` is when the time in force ends, None for
    never; no attempt begins at `deadline` or later. `client_order_id` is the trader's own name of the order, unique
    in its account, and `fingerprint` tells whether another request under that name means the same.
    `parent_id` is the order that this one is a part of.
    """

    model_config = _Frozen

    order_id: str
    account: str = DEFAULT_ACCOUNT
    wallet: str = DEFAULT_WALLET
    type: OrderType = OrderType.MARKET
    token_in: Token
    token_out: Token
    amount_in: BaseUnits
    amount_out: BaseUnits | None = None
    limit_price: Decimal | None = Field(default=None, gt=0)
    stop_price: Decimal | None = Field(default=None, gt=0)
    # Orders of the time before there was a choice were tried at once or not at all.
    time_in_force: TimeInForce = TimeInForce.IOC
    expire_at: datetime | None = None
    deadline: datetime | None = None
    slippage_bps: int = Field(ge=0, le=10_000)
    max_attempts: int = Field(default=DEFAULT_MAX_ATTEMPTS, ge=1, le=100)
    created_at: datetime
    client_order_id: str | None = None
    fingerprint: str | None = None
    parent_id: str | None = None

    @property
    def exact_out(self) -> bool:
        """Whether the output is fixed and the input is found."""
        return self.amount_out is not None

    @property
    def may_rest(self) -> bool:
        """Whether the order waits while it cannot trade."""
        return may_rest(self.time_in_force)

    @property
    def selling(self) -> TokenAmount:
        """The amount to sell, or the most to pay, with its token."""
        return TokenAmount(token=self.token_in, base_units=self.amount_in)

    @property
    def title(self) -> str:
        """One line for people: "sell 1.5 SOL for USDC, stop limit at 140, limit 138.5"."""
        if self.amount_out is None:
            what = f"sell {self.selling} for {self.token_out.symbol}"
        else:
            what = f"buy {TokenAmount(token=self.token_out, base_units=self.amount_out)} for at most {self.selling}"
        prices = [plain(price) for price in (self.stop_price, self.limit_price) if price is not None]
        at = f" at {', limit '.join(prices)}" if prices else ""
        return f"{what}, {self.type.replace('_', ' ')}{at}"


class Fill(BaseModel):
    """What the chain says was traded: base units, slot and whole fee (lamports) of the landed transaction."""

    model_config = _Frozen

    amount_in: BaseUnits
    amount_out: BaseUnits
    fee_lamports: BaseUnits
    slot: int


class OrderEvent(BaseModel):
    """One step of an order's life.

    `seq` starts at 1 and rises by exactly 1; the workflow assigns it, so that a repeated write changes nothing.
    `at` is the workflow's time in UTC. `data` is JSON with camelCase keys and amounts as decimal strings.
    """

    model_config = _Frozen

    seq: int = Field(ge=1)
    status: Status
    at: datetime
    attempt: int = Field(default=0, ge=0)
    reason: ErrorCode | None = None
    venue: str | None = None
    signature: str | None = None
    fill: Fill | None = None
    data: dict[str, Any] = Field(default_factory=dict)
