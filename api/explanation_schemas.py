"""What travels when an order is explained."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from api.explanation import Next
from api.schemas import AttemptOut, DecisionOut, Wire
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Phase, Status


class ConsideredOut(Wire):
    """A pool, or a whole venue, that was looked at for a decision. Amounts in token units.

    `chosen` ones fill the order. Of the others `leftOut` says why: `better_route`, and `behindBps` by how much; the
    program's or the engine's own reason for a pool that gave no quote; an error code for a venue that could not be
    read, which has no `pool`. The parts of an order that is split are quoted at their own amounts.
    """

    venue: str
    kind: str | None
    pool: str | None
    chosen: bool
    amount_in: str | None
    amount_out: str | None
    fee: str | None
    fee_token: str | None
    price_impact_bps: Decimal | None
    slot: int | None
    behind_bps: Decimal | None
    left_out: str | None
    detail: str


class SetbackOut(Wire):
    """Why a round ended without a trade; `meaning` is that of the code, `detail` what happened in this case."""

    at: datetime
    attempt: int
    reason: ErrorCode
    meaning: str
    detail: str
    next: Next


class RoundOut(Wire):
    """One way from quotes to an outcome; an order that rests between its rounds may use a number of attempt again.

    `decision` is null where none was made, `swap` where none was signed, `setback` where it traded or has not ended.
    """

    attempt: int
    begun_at: datetime
    decided_at: datetime | None
    considered: list[ConsideredOut]
    decision: DecisionOut | None
    swap: AttemptOut | None
    setback: SetbackOut | None


class RiskOut(Wire):
    """The last risk check: what it measured where the order passed, and why where it was refused.

    What was reserved of the wallet is the most that the swap could take: `reservedTokens` of the token sold, in token
    units (0 for SOL, which is among the lamports). `skipped` names what could not be checked.
    """

    result: Literal["passed", "refused"]
    attempt: int | None
    reason: ErrorCode | None
    detail: str
    price_impact_bps: Decimal | None
    price_deviation_bps: Decimal | None
    notional: str | None
    reserved_lamports: str | None
    reserved_tokens: str | None
    skipped: list[str]


class FillOut(Wire):
    """What the chain says was traded, against the quote that the swap was signed on.

    `price` and `quotedPrice` are output units per input unit. `againstQuoteBps` is how much better than quoted, less
    than zero for worse. `explorer` is null on localnet.
    """

    venue: str
    kind: str
    pool: str
    amount_in: str
    amount_out: str
    price: str | None
    quoted_in: str
    quoted_out: str
    quoted_price: str | None
    against_quote_bps: Decimal | None
    fee_lamports: str
    slot: int
    signature: str
    explorer: str | None


class RestOut(Wire):
    """A time for which the order waited; `until` is null while it does."""

    since: datetime
    until: datetime | None


class ExplanationOut(Wire):
    """An order explained: `summary` in sentences, the rest as data, in the order of its happening.

    `gainBps` is what the last decision gained over the best other pool, null without one.
    """

    order_id: str
    status: Status
    phase: Phase
    reason: ErrorCode | None
    title: str
    summary: list[str]
    rests: list[RestOut]
    rounds: list[RoundOut]
    retries: list[SetbackOut]
    risk: RiskOut | None
    fill: FillOut | None
    gain_bps: Decimal | None
    ended_at: datetime | None
