"""What passes between the API, workflows and activities. Changes are additive only: old histories must decode."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from workflows.domain.amendment import Amendment
from workflows.domain.attempt import SwapAttempt, SwapOutcome
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Phase, Status
from workflows.domain.money import BaseUnits, Token
from workflows.domain.order import Fill, OrderEvent, OrderTerms
from workflows.domain.routing import Decision, Route, VenueQuotes

_Frozen = ConfigDict(frozen=True)


class PersistOrder(BaseModel):
    """Make the order and its first events durable."""

    model_config = _Frozen

    terms: OrderTerms
    events: tuple[OrderEvent, ...]


class OrderAccepted(BaseModel):
    """The order is durable; `reason` and `detail` say why it may not trade, None when it may."""

    model_config = _Frozen

    reason: ErrorCode | None = None
    detail: str = ""


class RelayedEvent(BaseModel):
    """What the Redis channel carries: an event that is already committed to PostgreSQL."""

    model_config = _Frozen

    order_id: str
    account: str
    event: OrderEvent


class PublishStatus(BaseModel):
    """Make one event durable, then relay it; `terms` when the event changes them."""

    model_config = _Frozen

    order_id: str
    account: str
    event: OrderEvent
    terms: OrderTerms | None = None


class QuoteRequest(BaseModel):
    """Quote every pool of one venue for the pair: exact out when there is an `amount_out`, else exact in.

    Amounts in base units of their tokens; exact out, `amount_in` is the most that the trader pays.
    """

    model_config = _Frozen

    token_in: Token
    token_out: Token
    amount_in: BaseUnits
    amount_out: BaseUnits | None = None


class ChooseRoute(BaseModel):
    """Decide between the venues' quotes and record the decision as `event` (status `building`)."""

    model_config = _Frozen

    terms: OrderTerms
    venues: tuple[VenueQuotes, ...]
    event: OrderEvent


class QuoteComparison(BaseModel):
    """Both venues' quotes and what the router would choose, or why it could not."""

    model_config = _Frozen

    venues: tuple[VenueQuotes, ...]
    decision: Decision | None = None
    reason: ErrorCode | None = None
    detail: str = ""


class SurveyedPool(BaseModel):
    """One pool of a surveyed pair: what it holds, what it takes, and what it pays for each size.

    `price` is the marginal one without fees, base units of the output token for one of the input token, to 18 digits.
    `reserve_in` and `reserve_out` are tradable base units. `fee_bps` is the whole trading fee for a middling size.
    `amounts_out` answers the survey's sizes, None where the pool refuses; `reason` says why it quotes none at all.
    """

    model_config = _Frozen

    venue: str
    kind: str
    pool: str
    price: Decimal | None = None
    reserve_in: BaseUnits | None = None
    reserve_out: BaseUnits | None = None
    fee_bps: Decimal | None = None
    amounts_out: tuple[BaseUnits | None, ...] = ()
    reason: str | None = None


class PairSurvey(BaseModel):
    """Every pool of a pair at one slot, for `sizes` in base units of the input token, or why there is no answer."""

    model_config = _Frozen

    slot: int | None = None
    sizes: tuple[BaseUnits, ...] = ()
    pools: tuple[SurveyedPool, ...] = ()
    reason: ErrorCode | None = None
    detail: str = ""


class SurveyPair(BaseModel):
    """Look at every pool that sells one token for the other."""

    model_config = _Frozen

    token_in: Token
    token_out: Token


class PrepareSwap(BaseModel):
    """Build, simulate and sign the swap of one attempt. Nothing is sent."""

    model_config = _Frozen

    terms: OrderTerms
    attempt: int
    route: Route


class CheckRisk(BaseModel):
    """Check the decision of one attempt against the limits, and reserve what it needs of its wallet."""

    model_config = _Frozen

    terms: OrderTerms
    attempt: int
    decision: Decision


class RiskChecked(BaseModel):
    """The figures that let an order pass: prices in basis points, reserved base units, the wallet's as of `slot`.

    `notional` is in base units of the reference token, None when no limit asks for it. `skipped` names the checks
    that could not be made, with the reason.
    """

    model_config = _Frozen

    price_impact_bps: Decimal
    price_deviation_bps: Decimal | None
    notional: BaseUnits | None
    lamports: BaseUnits
    tokens: BaseUnits
    slot: int
    skipped: tuple[str, ...] = ()


class PreparedSwap(BaseModel):
    """Signed bytes, ready to send, and the price they were made for.

    `slot` is that of the pool state re-read for it; compute figures are units and micro-lamports per unit. The fee is
    what the chain takes whether or not the swap trades; the tip is only paid when it does. Both in lamports.
    """

    model_config = _Frozen

    swap: SwapAttempt
    compute_unit_limit: int
    compute_unit_price: BaseUnits
    slot: int
    fee_lamports: BaseUnits | None = None
    tip_lamports: BaseUnits | None = None
    tip_account: str | None = None


class ExecuteSwap(BaseModel):
    """Record the attempt, publish `event` (status `submitted`), send the bytes and find out what became of them."""

    model_config = _Frozen

    terms: OrderTerms
    swap: SwapAttempt
    event: OrderEvent


class SwapExecuted(BaseModel):
    """What became of the swap; `outcome` is None when another `event` stood under the seq and nothing was sent.

    Nothing was sent either when `halted` says why trading is halted.
    """

    model_config = _Frozen

    event: OrderEvent
    outcome: SwapOutcome | None
    halted: str | None = None


class SettleSwap(BaseModel):
    """Find out what became of the swap whose signature `event` (status `submitted`) of the log names."""

    model_config = _Frozen

    terms: OrderTerms
    event: OrderEvent


class SwapSettled(BaseModel):
    """A swap that was recorded before, and what became of it."""

    model_config = _Frozen

    swap: SwapAttempt
    outcome: SwapOutcome


class CancelResult(StrEnum):
    """What a cancellation came to."""

    # The order has ended and nothing trades.
    CANCELED = "canceled"
    # A signed swap may land; the order follows the chain to `confirmed` or `canceled`.
    TOO_LATE = "too_late"
    # The order had ended before.
    ALREADY_TERMINAL = "already_terminal"
    # The wish is durable, and no worker has answered it yet.
    PENDING = "pending"


class CancelOrder(BaseModel):
    """Cancel the order if nothing of it can trade any more."""

    model_config = _Frozen


class CancelAnswer(BaseModel):
    """What the cancellation came to; `signature` is that of the swap that may land or has landed."""

    model_config = _Frozen

    result: CancelResult
    status: Status
    signature: str | None = None


class AmendOrder(BaseModel):
    """Change an order that has not begun to trade; `version` is the `seq` that it must stand at, None for any."""

    model_config = _Frozen

    amendment: Amendment
    version: int | None = None


class AmendAnswer(BaseModel):
    """The changed order, durable."""

    model_config = _Frozen

    terms: OrderTerms
    status: Status
    seq: int
    attempt: int
    updated_at: datetime


class Carried(BaseModel):
    """Where a waiting order stands when its history is begun anew."""

    model_config = _Frozen

    status: Status
    seq: int
    attempt: int
    triggered: bool
    broadcast: bool
    signature: str | None
    updated_at: datetime
    not_before: datetime | None
    rounds: int


class WatchedPair(BaseModel):
    """Two mints, in byte order of their text, whose open orders are watched together."""

    model_config = _Frozen

    first: str
    second: str

    @classmethod
    def of(cls, mint: str, other: str) -> "WatchedPair":
        """The pair of two mints, whichever comes first."""
        first, second = sorted((mint, other))
        return cls(first=first, second=second)


class OrderState(BaseModel):
    """The live view of an order that the workflow's `state` query answers."""

    model_config = _Frozen

    terms: OrderTerms
    status: Status
    phase: Phase
    seq: int
    step: str
    attempt: int
    venues: tuple[VenueQuotes, ...] = ()
    decision: Decision | None = None
    prepared: PreparedSwap | None = None
    reason: ErrorCode | None = None
    fill: Fill | None = None
    updated_at: datetime


class OrderResult(BaseModel):
    """How the order ended; `signature` is that of the last swap that was handed to the sender."""

    model_config = _Frozen

    order_id: str
    status: Status
    reason: ErrorCode | None = None
    signature: str | None = None
    fill: Fill | None = None


class PoolsRefreshed(BaseModel):
    """The registry after a search for pools: how many are quoted, by kind, and how many are not, by kind and reason.

    `problems` names what could not be searched or registered, the first ones in words; `more_problems` counts the rest.
    """

    model_config = _Frozen

    quoted: dict[str, int]
    excluded: dict[str, dict[str, int]]
    new: int
    problems: tuple[str, ...] = ()
    more_problems: int = 0


class ReconciliationScope(BaseModel):
    """What one reconciliation looks at: what changed after `since`, or with `whole` everything there is."""

    model_config = _Frozen

    started_at: datetime
    since: datetime
    whole: bool


class PartReconciled(BaseModel):
    """What one part of a reconciliation looked at and found: counts, and `told` names the first findings in words.

    `cursors` holds by wallet how far its history was read.
    """

    model_config = _Frozen

    orders: int = 0
    swaps: int = 0
    workflows: int = 0
    raised: int = 0
    repaired: int = 0
    told: tuple[str, ...] = ()
    cursors: dict[str, str] = {}


class FinishReconciliation(BaseModel):
    """Record a reconciliation that looked at all it was to look at."""

    model_config = _Frozen

    scope: ReconciliationScope
    found: PartReconciled
