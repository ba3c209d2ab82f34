"""An order as the trader gave it, and the events of its life."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.money import BaseUnits, Token, TokenAmount

_Frozen = ConfigDict(frozen=True)

DEFAULT_ACCOUNT = "local"
DEFAULT_WALLET = "default"
DEFAULT_MAX_ATTEMPTS = 3


class OrderType(StrEnum):
    """How an order is triggered."""

    MARKET = "market"


class OrderTerms(BaseModel):
    """What the trader asked for; never changes. `amount_in` in base units of `token_in`."""

    model_config = _Frozen

    order_id: str
    account: str = DEFAULT_ACCOUNT
    wallet: str = DEFAULT_WALLET
    type: OrderType = OrderType.MARKET
    token_in: Token
    token_out: Token
    amount_in: BaseUnits
    slippage_bps: int = Field(ge=0, le=10_000)
    max_attempts: int = Field(default=DEFAULT_MAX_ATTEMPTS, ge=1, le=100)
    created_at: datetime

    @property
    def selling(self) -> TokenAmount:
        """The amount to sell, with its token."""
        return TokenAmount(token=self.token_in, base_units=self.amount_in)

    @property
    def title(self) -> str:
        """One line for people: "sell 1.5 SOL for USDC, market"."""
        return f"sell {self.selling} for {self.token_out.symbol}, {self.type}"


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
