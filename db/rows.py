"""What the rows of an order mean in the domain's terms."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from workflows.domain.attempt import SwapAttempt, SwapOutcome
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import Fill, OrderEvent, OrderTerms


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order as its last event, `last_seq`, left it. `venue` and `signature` are those of `attempt`."""

    terms: OrderTerms
    status: Status
    last_seq: int
    attempt: int
    reason: ErrorCode | None
    venue: str | None
    signature: str | None
    fill: Fill | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptView:
    """A signed swap and, once it is known, what became of it."""

    swap: SwapAttempt
    outcome: SwapOutcome | None
    recorded_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class RiskCheckView:
    """The last risk check that an order passed: what it measured, in basis points, and what it reserved, in base units.

    `notional` is an amount with its token's symbol, None when no limit asked for it.
    """

    attempt: int
    price_impact_bps: Decimal
    price_deviation_bps: Decimal | None
    notional: str | None
    skipped: tuple[str, ...]
    lamports: int
    tokens: int


def _reason(text: str | None) -> ErrorCode | None:
    return ErrorCode(text) if text is not None else None


def order_view(row: Row[Any]) -> OrderView:
    """The order of a whole row of `orders`."""
    filled = row.filled_in is not None
    return OrderView(
        terms=OrderTerms.model_validate(row.terms),
        status=Status(row.status),
        last_seq=row.last_seq,
        attempt=row.attempt,
        reason=_reason(row.reason),
        venue=row.venue,
        signature=row.signature,
        fill=Fill(
            amount_in=int(row.filled_in),
            amount_out=int(row.filled_out),
            fee_lamports=int(row.fee_lamports),
            slot=row.slot,
        )
        if filled
        else None,
        updated_at=row.updated_at,
    )


def order_event(row: Row[Any]) -> OrderEvent:
    """The event of a whole row of `order_events`."""
    return OrderEvent(
        seq=row.seq,
        status=Status(row.status),
        at=row.at,
        attempt=row.attempt,
        reason=_reason(row.reason),
        venue=row.venue,
        signature=row.signature,
        fill=Fill.model_validate(row.fill) if row.fill is not None else None,
        data=row.data,
    )


def attempt_view(row: Row[Any]) -> AttemptView:
    """The attempt of a whole row of `swap_attempts`."""
    outcome = None
    if row.outcome is not None:
        outcome = SwapOutcome(
            kind=row.outcome,
            slot=row.outcome_slot,
            fill=Fill.model_validate(row.fill) if row.fill is not None else None,
            reason=_reason(row.reason),
            detail=row.detail or "",
        )
    swap = SwapAttempt(
        order_id=str(row.order_id),
        attempt=row.attempt,
        venue=row.venue,
        kind=row.kind,
        pool=row.pool,
        wallet_address=row.wallet_address,
        signature=row.signature,
        transaction=row.transaction,
        blockhash=row.blockhash,
        last_valid_block_height=row.last_valid_block_height,
        amount_in=int(row.amount_in),
        quoted_out=int(row.quoted_out),
        least_out=int(row.least_out),
        signing_slot=row.signing_slot,
        most_in=int(row.most_in) if row.most_in is not None else None,
    )
    return AttemptView(swap=swap, outcome=outcome, recorded_at=row.recorded_at, settled_at=row.settled_at)


def risk_check_view(row: Row[Any]) -> RiskCheckView:
    """The check of a whole row of `risk_reservations`."""
    figures = row.figures
    deviation = figures.get("priceDeviationBps")
    return RiskCheckView(
        attempt=row.attempt,
        price_impact_bps=Decimal(figures["priceImpactBps"]),
        price_deviation_bps=Decimal(deviation) if deviation is not None else None,
        notional=figures.get("notional"),
        skipped=tuple(figures.get("skipped", ())),
        lamports=int(row.lamports),
        tokens=int(row.tokens),
    )
