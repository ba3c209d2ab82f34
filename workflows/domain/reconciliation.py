"""What must agree between an order's record, its log and the chain, and what it is called when it does not. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from workflows.domain import lifecycle
from workflows.domain.attempt import OutcomeKind
from workflows.domain.lifecycle import IllegalTransition, Status
from workflows.domain.order import Fill, OrderEvent


class Fault(StrEnum):
    """The three figures of an audit that must be zero."""

    DUPLICATED = "duplicated"
    MISSING = "missing"
    DRIFT = "drift"


class FindingKind(StrEnum):
    """What does not agree, or needs a person to look at it."""

    TRADED_TWICE = "traded_twice"
    CONFIRMED_NOT_LANDED = "confirmed_not_landed"
    LANDED_NOT_CONFIRMED = "landed_not_confirmed"
    ORDER_UNRECORDED = "order_unrecorded"
    SIGNATURE_UNRECORDED = "signature_unrecorded"
    SIGNATURE_UNSETTLED = "signature_unsettled"
    OUTCOME_CONTRADICTED = "outcome_contradicted"
    FILL_DIFFERS = "fill_differs"
    LOG_BROKEN = "log_broken"
    ROW_DIFFERS = "row_differs"
    WORKFLOW_MISSING = "workflow_missing"
    WORKFLOW_ENDED_EARLY = "workflow_ended_early"
    ORDER_STUCK = "order_stuck"


# The kinds that an audit counts. The others are states of a running engine, which reconciliation mends or watches.
FAULTS = {
    FindingKind.TRADED_TWICE: Fault.DUPLICATED,
    FindingKind.CONFIRMED_NOT_LANDED: Fault.MISSING,
    FindingKind.LANDED_NOT_CONFIRMED: Fault.MISSING,
    FindingKind.ORDER_UNRECORDED: Fault.MISSING,
    FindingKind.SIGNATURE_UNRECORDED: Fault.DRIFT,
    FindingKind.SIGNATURE_UNSETTLED: Fault.DRIFT,
    FindingKind.OUTCOME_CONTRADICTED: Fault.DRIFT,
    FindingKind.FILL_DIFFERS: Fault.DRIFT,
    FindingKind.LOG_BROKEN: Fault.DRIFT,
    FindingKind.ROW_DIFFERS: Fault.DRIFT,
}

# Kinds that every reconciliation looks for everywhere, so that one it does not find again is over.
PASSING = frozenset(
    {
        FindingKind.ORDER_UNRECORDED,
        FindingKind.WORKFLOW_MISSING,
        FindingKind.WORKFLOW_ENDED_EARLY,
        FindingKind.ORDER_STUCK,
    }
)


class Finding(BaseModel):
    """One thing that does not agree. `signature` where it is about one; `repaired` when nobody need look at it."""

    model_config = ConfigDict(frozen=True)

    kind: FindingKind
    order_id: str
    detail: str
    signature: str = ""
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class ChainSwap:
    """A transaction of one of our wallets whose memo names an order; `failed` ones traded nothing.

    `unix_time` is that of its block, None when it is not known yet.
    """

    signature: str
    order_id: str
    attempt: int
    slot: int
    failed: bool
    wallet: str
    unix_time: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """A signed swap as the database knows it; `outcome` is None while it may still land."""

    attempt: int
    signature: str
    wallet: str
    outcome: OutcomeKind | None
    slot: int | None


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order's row, what its log adds up to, and its attempts. `idle` is the time since its last event."""

    order_id: str
    token_in: str
    token_out: str
    status: Status
    last_seq: int
    reason: str | None
    signature: str | None
    fill: Fill | None
    created_at: datetime
    idle: timedelta
    seqs: tuple[int, ...]
    statuses: tuple[Status, ...]
    last_event: OrderEvent | None
    attempts: tuple[AttemptRecord, ...]

    @property
    def ended(self) -> bool:
        """Whether nothing may follow."""
        return lifecycle.is_terminal(self.status)


def compare(
    order_id: str, order: OrderRecord | None, chain: Sequence[ChainSwap], noted: datetime, fill: Fill | None = None
) -> Iterator[Finding]:
    """Everything that does not agree about one order.

    `chain` holds every transaction of the chain whose memo names the order. An order that runs need only have taken
    note of what landed before `noted`. `fill` is the chain's own for the one landed swap, when it was read.
    """
    landed = [swap for swap in chain if not swap.failed]
    if len(landed) > 1:
        yield Finding(
            kind=FindingKind.TRADED_TWICE,
            order_id=order_id,
            detail=f"{len(landed)} swaps landed: {', '.join(swap.signature for swap in landed)}",
        )
    if order is None:
        for swap in landed:
            yield _about(FindingKind.LANDED_NOT_CONFIRMED, swap, "the database has no such order")
        return
    yield from _trade(order, landed, noted)
    yield from _attempts(order, chain)
    if order.status is Status.CONFIRMED and len(landed) == 1:
        yield from _fill(order, landed[0], fill)
    yield from log_findings(order)


def _trade(order: OrderRecord, landed: Sequence[ChainSwap], noted: datetime) -> Iterator[Finding]:
    if order.status is Status.CONFIRMED:
        if not landed:
            yield Finding(
                kind=FindingKind.CONFIRMED_NOT_LANDED,
                order_id=order.order_id,
                signature=order.signature or "",
                detail="the order is confirmed and the chain has no swap of it",
            )
    elif landed and (order.ended or _landed_before(landed[0], noted)):
        yield _about(FindingKind.LANDED_NOT_CONFIRMED, landed[0], f"the swap landed and the order is {order.status}")
    recorded = {attempt.signature for attempt in order.attempts}
    for swap in landed:
        if swap.signature not in recorded:
            yield _about(FindingKind.SIGNATURE_UNRECORDED, swap, "the swap landed and no attempt has its signature")


def _landed_before(swap: ChainSwap, moment: datetime) -> bool:
    return swap.unix_time is not None and swap.unix_time < moment.timestamp()


def _attempts(order: OrderRecord, chain: Sequence[ChainSwap]) -> Iterator[Finding]:
    known = {swap.signature: swap for swap in chain}
    for attempt in order.attempts:
        swap = known.get(attempt.signature)
        if attempt.outcome is None:
            if order.ended:
                detail = f"attempt {attempt.attempt} has no outcome and the order is {order.status}"
                yield _of(FindingKind.SIGNATURE_UNSETTLED, order, attempt, detail)
        elif (said := _said(swap)) != (recorded := _recorded(attempt)):
            # An order that is confirmed by nothing at all is reported as that.
            confirmed = order.status is Status.CONFIRMED and attempt.outcome is OutcomeKind.LANDED
            if confirmed and all(swap.failed for swap in chain):
                continue
            detail = f"attempt {attempt.attempt} is recorded as {recorded}, the chain says {said}"
            yield _of(FindingKind.OUTCOME_CONTRADICTED, order, attempt, detail)


def _said(swap: ChainSwap | None) -> str:
    if swap is None:
        return "never landed"
    return f"{'reverted' if swap.failed else 'landed'} in slot {swap.slot}"


def _recorded(attempt: AttemptRecord) -> str:
    if attempt.outcome is OutcomeKind.EXPIRED:
        return "never landed"
    return f"{attempt.outcome} in slot {attempt.slot}"


def _fill(order: OrderRecord, swap: ChainSwap, fill: Fill | None) -> Iterator[Finding]:
    recorded = order.fill
    if order.signature != swap.signature:
        yield _about(FindingKind.FILL_DIFFERS, swap, f"the order names the signature {order.signature}")
    elif recorded is None:
        yield _about(FindingKind.FILL_DIFFERS, swap, "the order has no amounts")
    elif recorded.slot != swap.slot:
        yield _about(FindingKind.FILL_DIFFERS, swap, f"the order says slot {recorded.slot}, the chain {swap.slot}")
    elif fill is not None and fill != recorded:
        yield _about(FindingKind.FILL_DIFFERS, swap, f"the order says {_told(recorded)}; the chain {_told(fill)}")


def _told(fill: Fill | None) -> str:
    if fill is None:
        return "none"
    return f"{fill.amount_in} in, {fill.amount_out} out, fee {fill.fee_lamports}"


def log_findings(order: OrderRecord) -> Iterator[Finding]:
    """What an order's log and its row say against each other; needs no chain."""
    if order.seqs != tuple(range(1, order.last_seq + 1)):
        detail = f"events {', '.join(map(str, order.seqs)) or 'none'}; the row says {order.last_seq}"
        yield Finding(kind=FindingKind.LOG_BROKEN, order_id=order.order_id, detail=detail)
        return
    for before, after in zip((None, *order.statuses), order.statuses, strict=False):
        try:
            lifecycle.check(before, after)
        except IllegalTransition as error:
            yield Finding(kind=FindingKind.LOG_BROKEN, order_id=order.order_id, detail=str(error))
            return
    last = order.last_event
    assert last is not None
    differing = [
        f"{name} {row} instead of {event}"
        for name, row, event in (
            ("status", order.status, last.status),
            ("reason", order.reason, last.reason),
            ("signature", order.signature, last.signature or order.signature),
            ("amounts", _told(order.fill), _told(last.fill or order.fill)),
        )
        if row != event
    ]
    if differing:
        detail = f"against its last event, the row has {'; '.join(differing)}"
        yield Finding(kind=FindingKind.ROW_DIFFERS, order_id=order.order_id, detail=detail)


def _about(kind: FindingKind, swap: ChainSwap, detail: str) -> Finding:
    return Finding(kind=kind, order_id=swap.order_id, signature=swap.signature, detail=detail)


def _of(kind: FindingKind, order: OrderRecord, attempt: AttemptRecord, detail: str) -> Finding:
    return Finding(kind=kind, order_id=order.order_id, signature=attempt.signature, detail=detail)
