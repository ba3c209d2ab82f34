"""One signature of an order: what was signed, and what became of it."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from workflows.domain.errors import ErrorCode
from workflows.domain.money import BaseUnits
from workflows.domain.order import Fill

_Frozen = ConfigDict(frozen=True)

_BPS = Decimal("0.01")


class SwapAttempt(BaseModel):
    """A signed swap, recorded before its first broadcast.

    `transaction` is base64. `last_valid_block_height` belongs to the `blockhash` in the signed bytes: the
    transaction can land in no block beyond it. `signing_slot` is the slot of the state that the blockhash was read
    from, before which it cannot land either; None in rows of old. Amounts in base units. `least_out` is the guard of
    an exact-in swap; that of an exact-out swap is `most_in`, and its `least_out` is what it buys.
    """

    model_config = _Frozen

    order_id: str
    attempt: int
    venue: str
    kind: str
    pool: str
    wallet_address: str
    signature: str
    transaction: str
    blockhash: str
    last_valid_block_height: int
    amount_in: BaseUnits
    quoted_out: BaseUnits
    least_out: BaseUnits
    signing_slot: int | None = None
    most_in: BaseUnits | None = None


class OutcomeKind(StrEnum):
    """What became of a signature. There is no member for "unknown": the sender goes on until it knows."""

    LANDED = "landed"
    REVERTED = "reverted"
    EXPIRED = "expired"


class SwapOutcome(BaseModel):
    """A proven fact about a signature.

    `fill` is set when it landed; `reason` when it did not trade; `detail` says it in the chain's words.
    """

    model_config = _Frozen

    kind: OutcomeKind
    slot: int | None = None
    fill: Fill | None = None
    reason: ErrorCode | None = None
    detail: str = ""


def against_quote_bps(swap: SwapAttempt, fill: Fill) -> Decimal | None:
    """How much better the price of the fill is than that of the swap's quote, less than zero for worse; basis points.

    None when one of them has no price.
    """
    quoted, filled = swap.quoted_out * fill.amount_in, fill.amount_out * swap.amount_in
    if not quoted:
        return None
    return Context(prec=60).divide(Decimal(filled - quoted) * 10_000, Decimal(quoted)).quantize(_BPS, ROUND_HALF_EVEN)
