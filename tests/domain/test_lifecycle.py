"""The table of an order's life, read row by row."""

import pytest

from workflows.domain.lifecycle import (
    TERMINAL,
    TRANSITIONS,
    IllegalTransition,
    Phase,
    Status,
    check,
    is_terminal,
    phase,
)

# Written out here on purpose: a change of the table must be meant.
MAY_FOLLOW = {
    None: "pending",
    "pending": "open routing failed rejected canceled expired",
    "open": "open routing failed rejected canceled expired",
    "routing": "routing open building failed rejected canceled expired",
    "building": "routing open submitted failed rejected canceled expired",
    "submitted": "confirmed routing open pending_cancel partially_filled failed canceled",
    "partially_filled": "partially_filled pending_cancel confirmed canceled failed",
    "pending_cancel": "confirmed canceled failed",
    "confirmed": "",
    "failed": "",
    "rejected": "",
    "canceled": "",
    "expired": "",
}
PHASES = {
    "PENDING": "pending open",
    "PROCESSING": "routing building submitted partially_filled pending_cancel",
    "COMPLETED": "confirmed",
    "FAILED": "failed rejected canceled expired",
}


@pytest.mark.parametrize("current", [None, *Status])
@pytest.mark.parametrize("following", Status)
def test_a_step_is_legal_or_raises(current: Status | None, following: Status) -> None:
    if following in MAY_FOLLOW[current].split():
        check(current, following)
    else:
        with pytest.raises(IllegalTransition) as refused:
            check(current, following)
        assert (refused.value.current, refused.value.following) == (current, following)
        assert following in str(refused.value)


def test_the_table_has_a_row_for_every_status() -> None:
    assert set(TRANSITIONS) == {None, *Status}
    assert set(MAY_FOLLOW) == {None, *Status}


def test_terminal_statuses_absorb_and_no_other_does() -> None:
    assert {status for status in Status if not TRANSITIONS[status]} == TERMINAL
    assert all(is_terminal(status) == (status in TERMINAL) for status in Status)


def test_every_status_can_be_reached_and_every_order_can_end() -> None:
    reached: set[Status] = set()
    grown = set(TRANSITIONS[None])
    while grown - reached:
        reached |= grown
        grown = {after for status in reached for after in TRANSITIONS[status]}
    assert reached == set(Status)
    ends = set(TERMINAL)
    while more := {status for status in Status if TRANSITIONS[status] & ends} - ends:
        ends |= more
    assert ends == set(Status)


def test_the_first_event_of_an_order_is_that_it_is_pending() -> None:
    assert TRANSITIONS[None] == {Status.PENDING}
    assert not any(Status.PENDING in TRANSITIONS[status] for status in Status)


def test_nothing_is_confirmed_that_was_not_submitted_and_nothing_submitted_that_was_not_built() -> None:
    assert {status for status in Status if Status.SUBMITTED in TRANSITIONS[status]} == {Status.BUILDING}
    before = {status for status in Status if Status.CONFIRMED in TRANSITIONS[status]}
    assert before == {Status.SUBMITTED, Status.PARTIALLY_FILLED, Status.PENDING_CANCEL}


def test_after_a_broadcast_an_order_neither_expires_nor_is_rejected() -> None:
    for status in (Status.SUBMITTED, Status.PARTIALLY_FILLED, Status.PENDING_CANCEL):
        assert not TRANSITIONS[status] & {Status.EXPIRED, Status.REJECTED}


@pytest.mark.parametrize(("name", "statuses"), PHASES.items())
def test_a_phase_is_the_coarse_form_of_its_statuses(name: str, statuses: str) -> None:
    assert {status for status in Status if phase(status) is Phase(name)} == set(statuses.split())
