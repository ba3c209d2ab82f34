"""What travels over HTTP and WebSocket: camelCase, amounts as decimal strings in token units, times in UTC.

Where base units are shown as well, the field's name ends in `BaseUnits`.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Phase, Status
from workflows.domain.order import OrderType
from workflows.domain.time_in_force import TimeInForce
from workflows.messages import CancelResult


class Wire(BaseModel):
    """The form of everything that travels."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, frozen=True)


class FieldProblem(Wire):
    """One field of a request, and what is wrong with it."""

    field: str
    detail: str


class Problem(Wire):
    """A problem document (RFC 9457), which may have further members.

    `code` is stable, `type` is where it is explained; `retryable` says whether the same request may be sent again as it
    is, after `retryAfter` seconds where that is given (as in the header Retry-After); `advice` says what to do. The
    `instance` of an unexpected error is in the API's log. `errors` names what is wrong with a request, `orderId` the
    order that a problem is about.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: ErrorCode
    retryable: bool
    advice: str
    errors: list[FieldProblem] = Field(default_factory=list)
    retry_after: int | None = None


class ErrorOut(Wire):
    """One code: what it means and what to do about it.

    `type` and `status` are those of its problem documents. `retryable`: the same request may be sent again as it is,
    after a while. `engineRetries`: the engine itself tries an order again after this reason, within its attempts.
    """

    code: ErrorCode
    type: str
    title: str
    status: int
    meaning: str
    retryable: bool
    engine_retries: bool
    advice: str


class ErrorList(Wire):
    """Every code that a problem document or the reason of an order may have."""

    errors: list[ErrorOut]


class Links(Wire):
    """Where to go from an order. `explorer` shows its newest transaction, null on localnet and before there is one."""

    order: str = Field(alias="self")
    events: str
    attempts: str
    workflow: str
    stream: str
    temporal_ui: str
    explorer: str | None


class OrderOut(Wire):
    """An order as its event `lastSeq` left it.

    `amount`, `filledIn` and `filledOut` in token units; `averagePrice` is output units per input unit, fees of the
    pool included; `feeLamports` is the whole network fee of the landed transaction. `venue` and `signature` are those
    of `attempt`. Of an exact-out order `amountOut` is what it buys, and `amount` the most that it pays. `version` is
    what `If-Match` must name to change the order; it is its `ETag`.
    """

    order_id: str
    account: str
    wallet: str
    type: OrderType
    status: Status
    phase: Phase
    last_seq: int
    version: int
    client_order_id: str | None
    parent_id: str | None
    token_in: str
    token_in_mint: str
    token_out: str
    token_out_mint: str
    amount: str
    amount_base_units: str
    amount_out: str | None
    amount_out_base_units: str | None
    limit_price: str | None
    stop_price: str | None
    time_in_force: TimeInForce
    expire_at: datetime | None
    deadline: datetime | None
    slippage_bps: int
    attempt: int
    max_attempts: int
    reason: ErrorCode | None
    venue: str | None
    signature: str | None
    filled_in: str | None
    filled_in_base_units: str | None
    filled_out: str | None
    filled_out_base_units: str | None
    average_price: str | None
    fee_lamports: str | None
    slot: int | None
    created_at: datetime
    updated_at: datetime
    links: Links


class CancelOut(Wire):
    """What a cancellation came to.

    `canceled`: the order has ended, nothing trades. `too_late`: the swap of `signature` may land, or has; the order
    follows the chain to `confirmed` or `canceled`. `already_terminal`: it had ended before. `pending` (202): the wish
    is stored and no worker has answered yet; it is honored as soon as one runs.
    """

    order_id: str
    result: CancelResult
    status: Status
    signature: str | None


class CancelAllOut(Wire):
    """What became of each order; `failed` names those whose cancellation could not be asked for.

    `remaining` says that more orders fit than one request cancels: repeat it.
    """

    orders: list[CancelOut]
    failed: list[str]
    remaining: bool


class CancelAllAfterOut(Wire):
    """When all orders of the account are canceled unless this is asked for again before; null: never."""

    account: str
    current_time: datetime
    trigger_time: datetime | None


class OrderPage(Wire):
    """Orders, newest first. `nextCursor` leads to the next page, null on the last."""

    orders: list[OrderOut]
    next_cursor: str | None


class EventOut(Wire):
    """One step of an order's life. `seq` starts at 1 and rises by 1."""

    seq: int
    status: Status
    phase: Phase
    at: datetime
    attempt: int
    reason: ErrorCode | None
    venue: str | None
    signature: str | None
    filled_in: str | None
    filled_out: str | None
    data: dict[str, Any]


class EventMessage(EventOut):
    """What a stream sends for each event."""

    type: Literal["event"] = "event"


class AccountEventMessage(EventMessage):
    """An event among those of all orders of an account; `accountSeq` rises by 1 from one to the next."""

    account_seq: int
    order_id: str


class SnapshotMessage(Wire):
    """What a stream sends first."""

    type: Literal["snapshot"] = "snapshot"
    order: OrderOut


class ProblemMessage(Wire):
    """What a stream sends before it refuses; `problem` is a problem document."""

    type: Literal["problem"] = "problem"
    problem: dict[str, Any]


class EventList(Wire):
    """The events after the asked `seq`, in order. `lastSeq` is that of the order."""

    order_id: str
    last_seq: int
    events: list[EventOut]


class AttemptOut(Wire):
    """A swap that was signed for an order, and its outcome (`landed`, `reverted`, `expired`), null while unknown.

    `quotedOut` and `leastOut` (the guard in the transaction) in token units; exact out, `mostIn` is the guard. The swap
    could land in the slots after `signingSlot`, in no block beyond `lastValidBlockHeight`. `againstQuoteBps` is how
    much better than quoted it filled, less than zero for worse.
    """

    attempt: int
    venue: str
    kind: str
    pool: str
    wallet_address: str
    signature: str
    blockhash: str
    last_valid_block_height: int
    signing_slot: int | None
    amount_in: str
    quoted_out: str
    least_out: str
    most_in: str | None
    outcome: str | None
    slot: int | None
    reason: ErrorCode | None
    detail: str
    filled_in: str | None
    filled_out: str | None
    average_price: str | None
    against_quote_bps: Decimal | None
    fee_lamports: str | None
    explorer: str | None
    recorded_at: datetime
    settled_at: datetime | None


class AttemptList(Wire):
    """The attempts of an order, first to last."""

    order_id: str
    attempts: list[AttemptOut]


class WorkflowOut(Wire):
    """The live view of the order's workflow, straight from its query."""

    order_id: str
    workflow_id: str
    run_id: str
    web_url: str
    state: dict[str, Any]


class TokenOut(Wire):
    """A token that orders may name."""

    mint: str
    symbol: str
    decimals: int
    program: str


class TokenList(Wire):
    """Every token that orders may name, by symbol."""

    tokens: list[TokenOut]


class PoolQuoteOut(Wire):
    """What one pool gives. Amounts in token units; `priceImpactBps` is the curve's, without the fee."""

    venue: str
    kind: str
    pool: str
    amount_in: str
    amount_out: str
    amount_out_base_units: str
    fee: str
    fee_token: str
    price_impact_bps: Decimal
    compute_units: int
    slot: int


class PoolRefusalOut(Wire):
    """A pool that gives no quote, and why."""

    kind: str
    pool: str
    reason: str


class VenueOut(Wire):
    """One venue's quotes, best first, all at one slot; `reason` and `detail` when it could not be read."""

    venue: str
    slot: int | None
    quotes: list[PoolQuoteOut]
    refusals: list[PoolRefusalOut]
    reason: ErrorCode | None
    detail: str


class DecisionOut(Wire):
    """What the router would do: one leg, or several in one transaction.

    `leastOut` is what slippage leaves; exact out, `mostIn` is what it adds.
    """

    legs: list[PoolQuoteOut]
    amount_in: str
    amount_out: str
    most_in: str | None
    least_out: str
    price: str | None
    gain_bps: Decimal | None
    why: str


class QuoteOut(Wire):
    """Both venues side by side. `best` is the single pool that pays most; `decision` what an order would do.

    When nothing can be chosen both are null, with `reason` and `detail`.
    """

    token_in: str
    token_in_mint: str
    token_out: str
    token_out_mint: str
    amount: str | None
    amount_out: str | None
    slippage_bps: int
    venues: list[VenueOut]
    best: PoolQuoteOut | None
    decision: DecisionOut | None
    reason: ErrorCode | None
    detail: str


class Check(Wire):
    """One server behind the API."""

    state: Literal["up", "down"]
    detail: str | None = None


class Readiness(Wire):
    """Whether orders can be taken. Without Redis they can: streams then follow PostgreSQL."""

    status: Literal["ready", "degraded", "unavailable"]
    checks: dict[str, Check]
