"""What must agree about an order, as a table."""

from datetime import timedelta

import pytest

from tests.samples import BEGINNING, FILL, order_event
from workflows.domain.attempt import OutcomeKind
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderEvent
from workflows.domain.reconciliation import FAULTS, PASSING, AttemptRecord, ChainSwap, FindingKind, OrderRecord, compare

NOTED = BEGINNING + timedelta(hours=1)
LANDED_AT = int(BEGINNING.timestamp())

PATH = (Status.PENDING, Status.ROUTING, Status.BUILDING, Status.SUBMITTED)


def swap(
    signature: str = "first", slot: int = FILL.slot, failed: bool = False, at: int | None = LANDED_AT
) -> ChainSwap:
    return ChainSwap(signature, "order", 1, slot, failed, "wallet", at)


def attempt(
    outcome: OutcomeKind | None, slot: int | None = FILL.slot, signature: str = "first", number: int = 1
) -> AttemptRecord:
    return AttemptRecord(number, signature, "wallet", outcome, slot)


def order(end: Status, *attempts: AttemptRecord, **changes: object) -> OrderRecord:
    statuses = PATH if end is Status.SUBMITTED else (*PATH, end)
    fill = FILL if end is Status.CONFIRMED else None
    last: OrderEvent = order_event(len(statuses), end, signature="first", fill=fill)
    facts = {
        "order_id": "order",
        "token_in": "in",
        "token_out": "out",
        "status": end,
        "last_seq": len(statuses),
        "reason": None,
        "signature": "first",
        "fill": fill,
        "created_at": BEGINNING,
        "idle": timedelta(),
        "seqs": tuple(range(1, len(statuses) + 1)),
        "statuses": statuses,
        "last_event": last,
        "attempts": attempts,
    }
    return OrderRecord(**facts | changes)  # type: ignore[arg-type]


LANDED, REVERTED, EXPIRED = OutcomeKind.LANDED, OutcomeKind.REVERTED, OutcomeKind.EXPIRED
DONE = order(Status.CONFIRMED, attempt(LANDED))
OTHER_FILL = FILL.model_copy(update={"amount_out": 1})

SOUND = {
    "traded": (DONE, [swap()]),
    "running, nothing landed": (order(Status.SUBMITTED, attempt(None, None)), []),
    "running, landed a moment ago": (order(Status.SUBMITTED, attempt(None, None)), [swap(at=LANDED_AT + 3601)]),
    "running, landed in a block that the history does not list yet": (
        order(Status.SUBMITTED, attempt(None, None)),
        [swap(at=None)],
    ),
    "failed after a revert": (order(Status.FAILED, attempt(REVERTED)), [swap(failed=True)]),
    "failed after nothing landed": (order(Status.FAILED, attempt(EXPIRED, None)), []),
    "traded at the second attempt": (
        order(Status.CONFIRMED, attempt(REVERTED, 7, "other"), attempt(LANDED, number=2)),
        [swap("other", 7, failed=True), swap()],
    ),
}

BROKEN = {
    "two landed": (DONE, [swap(), swap("second")], {"traded_twice", "signature_unrecorded"}),
    "nothing landed": (DONE, [], {"confirmed_not_landed"}),
    "only a revert landed": (DONE, [swap(failed=True)], {"confirmed_not_landed"}),
    "unknown order": (None, [swap()], {"landed_not_confirmed"}),
    "failed and landed": (
        order(Status.FAILED, attempt(EXPIRED, None)),
        [swap()],
        {"landed_not_confirmed", "outcome_contradicted"},
    ),
    "landed long ago, still running": (
        order(Status.SUBMITTED, attempt(None, None)),
        [swap()],
        {"landed_not_confirmed"},
    ),
    "another slot": (DONE, [swap(slot=9)], {"fill_differs", "outcome_contradicted"}),
    "another signature": (
        order(Status.CONFIRMED, attempt(LANDED, signature="second"), last_event=order_event(5, Status.CONFIRMED)),
        [swap("second")],
        {"fill_differs"},
    ),
    "ended without an outcome": (order(Status.FAILED, attempt(None, None)), [], {"signature_unsettled"}),
    "reverted, says the record": (order(Status.FAILED, attempt(REVERTED)), [], {"outcome_contradicted"}),
    "a gap in the log": (order(Status.FAILED, seqs=(1, 2, 4, 5)), [], {"log_broken"}),
    "no log": (order(Status.FAILED, seqs=(), statuses=(), last_event=None), [], {"log_broken"}),
    "an impossible step": (
        order(Status.FAILED, statuses=(*PATH[:3], Status.PENDING, Status.FAILED)),
        [],
        {"log_broken"},
    ),
    "a row of its own": (order(Status.FAILED, reason="internal_error"), [], {"row_differs"}),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_agrees_is_no_finding(name: str) -> None:
    record, chain = SOUND[name]
    assert list(compare("order", record, chain, NOTED)) == []


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_agree_is_named(name: str) -> None:
    record, chain, kinds = BROKEN[name]
    assert {finding.kind for finding in compare("order", record, chain, NOTED)} == kinds


def test_amounts_are_compared_when_they_were_read() -> None:
    assert list(compare("order", DONE, [swap()], NOTED, FILL)) == []
    (finding,) = compare("order", DONE, [swap()], NOTED, OTHER_FILL)
    assert finding.kind is FindingKind.FILL_DIFFERS


def test_every_kind_is_a_fault_of_an_audit_or_a_state_of_a_running_engine() -> None:
    assert FAULTS.keys() | PASSING == set(FindingKind)
