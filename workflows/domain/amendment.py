"""A change of an order that has not begun to trade. Pure."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.money import plain
from workflows.domain.order import OrderTerms, OrderType
from workflows.domain.time_in_force import TimeInForce


class Amendment(BaseModel):
    """The terms that change; None leaves one as it is."""

    # Events show amendments to clients in camelCase, and are read back from there.
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)

    limit_price: Decimal | None = Field(default=None, gt=0)
    stop_price: Decimal | None = Field(default=None, gt=0)
    expire_at: datetime | None = None
    deadline: datetime | None = None
    slippage_bps: int | None = Field(default=None, ge=0, le=10_000)

    @property
    def changes(self) -> dict[str, Any]:
        """The new values by name of the term."""
        return {name: value for name, value in self if value is not None}

    def told(self) -> dict[str, Any]:
        """The changed terms as data of their event."""
        shown = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return shown | {name: plain(Decimal(text)) for name, text in shown.items() if name.endswith("Price")}


_HAS_LIMIT = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_HAS_STOP = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT})


def amended(terms: OrderTerms, amendment: Amendment) -> OrderTerms:
    """The new terms. Raises EngineError `request_invalid` when the order has no such term to change."""
    if amendment.limit_price is not None and terms.type not in _HAS_LIMIT:
        raise EngineError(ErrorCode.REQUEST_INVALID, f"a {terms.type} order has no limitPrice")
    if amendment.stop_price is not None and terms.type not in _HAS_STOP:
        raise EngineError(ErrorCode.REQUEST_INVALID, f"a {terms.type} order has no stopPrice")
    if amendment.expire_at is not None and terms.time_in_force is not TimeInForce.GTD:
        raise EngineError(ErrorCode.REQUEST_INVALID, f"an order that is {terms.time_in_force} has no expireAt")
    return terms.model_copy(update=amendment.changes)
