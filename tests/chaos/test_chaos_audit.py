"""The audit of a chaos run finds what it looks for: each broken promise, one at a time, on an otherwise sound stack."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.chaos.audit import audit
from tests.chaos.facts import Facts, OnChain
from tests.chaos.traffic import Answer, Placed

SOUND = "orders=2 terminal=2 landed=1 duplicated=0 missing=0 drift=0"


def sound() -> tuple[Facts, list[Placed]]:
    """One order that traded at its second attempt, one that could not be paid, one that was refused, one unheard of."""
    facts = Facts()
    facts.orders["traded"] = {
        "status": "confirmed",
        "amount_in": 700_001,
        "last_seq": 3,
        "signature": "second",
        "filled_in": 700_001,
        "filled_out": 90,
    }
    facts.orders["poor"] = {"status": "failed", "amount_in": 800_002, "last_seq": 2, "signature": None}
    facts.events["traded"] = [{"seq": 1, "status": "pending"}, {"seq": 2, "status": "submitted"}]
    facts.events["traded"].append({"seq": 3, "status": "confirmed"})
    facts.events["poor"] = [{"seq": 1, "status": "pending"}, {"seq": 2, "status": "failed"}]
    facts.attempts["traded"] = [
        {"attempt": 1, "signature": "first", "outcome": "reverted"},
        {"attempt": 2, "signature": "second", "outcome": "landed"},
    ]
    facts.chain = {
        "first": OnChain("traded", 1, "first", {"InstructionError": [2, {"Custom": 6000}]}),
        "second": OnChain("traded", 2, "second", None),
    }
    facts.amounts = {"second": (700_001, 90)}
    facts.workflows = {"traded": "COMPLETED", "poor": "COMPLETED"}
    placed = [
        Placed(1, {}, Answer.ACCEPTED, "traded", "202", list(facts.events["traded"])),
        Placed(2, {}, Answer.ACCEPTED, "poor", "202", list(facts.events["poor"])),
        Placed(3, {}, Answer.REFUSED, None, "503 engine_unavailable"),
        Placed(4, {}, Answer.UNKNOWN, "unheard", "503 acceptance_unknown"),
    ]
    return facts, placed


def test_a_sound_stack_passes() -> None:
    figures, findings = audit(*sound())
    assert (str(figures), findings) == (SOUND, [])


def test_a_cancellation_that_was_too_late_says_nothing_of_the_end() -> None:
    facts, placed = sound()
    placed[0].canceled = [("too_late", "pending_cancel"), ("already_terminal", "confirmed")]
    assert audit(facts, placed)[1] == []


def twice(facts: Facts, _: list[Placed]) -> None:
    """Both signatures executed."""
    facts.chain["first"] = OnChain("traded", 1, "first", None)


def unrecorded(facts: Facts, _: list[Placed]) -> None:
    """A failed transaction that was sent without being recorded."""
    facts.chain["third"] = OnChain("poor", 1, "third", "error")


def landed_failed(facts: Facts, _: list[Placed]) -> None:
    """The order that is told as failed has traded."""
    facts.chain["third"] = OnChain("poor", 1, "third", None)
    facts.attempts["poor"] = [{"attempt": 1, "signature": "third", "outcome": "landed"}]


def vanished(facts: Facts, _: list[Placed]) -> None:
    """The confirmed swap is not on the chain."""
    del facts.chain["second"]


def other_amounts(facts: Facts, _: list[Placed]) -> None:
    """The chain moved something else than what the order tells."""
    facts.amounts["second"] = (700_001, 89)


def open_outcome(facts: Facts, _: list[Placed]) -> None:
    """A signature whose outcome nobody wrote down."""
    facts.attempts["traded"][0]["outcome"] = None


def wrong_outcome(facts: Facts, _: list[Placed]) -> None:
    """Told as expired, and on the chain."""
    facts.attempts["traded"][0]["outcome"] = "expired"


def stuck(facts: Facts, _: list[Placed]) -> None:
    """An order that does not end."""
    facts.orders["poor"]["status"] = "routing"


def gap(facts: Facts, _: list[Placed]) -> None:
    """An event is missing."""
    del facts.events["traded"][1]


def two_ends(facts: Facts, _: list[Placed]) -> None:
    """Something follows the end."""
    facts.events["poor"][0]["status"] = "canceled"


def lost(facts: Facts, _: list[Placed]) -> None:
    """An accepted order that nobody knows."""
    for table in (facts.orders, facts.events, facts.workflows):
        del table["poor"]


def unpersisted(facts: Facts, _: list[Placed]) -> None:
    """A workflow whose order never came into the database."""
    facts.workflows["other"] = "RUNNING"


def forgotten(facts: Facts, _: list[Placed]) -> None:
    """An order that Temporal does not know."""
    del facts.workflows["poor"]


def failed_workflow(facts: Facts, _: list[Placed]) -> None:
    """The workflow did not end as it should."""
    facts.workflows["poor"] = "FAILED"


def created_all_the_same(_: Facts, placed: list[Placed]) -> None:
    """The client was told that nothing was created."""
    placed[1].answer = Answer.REFUSED


def doubled_request(facts: Facts, _: list[Placed]) -> None:
    """Two orders for one request."""
    facts.orders["poor"]["amount_in"] = 900_001


def stream_gap(_: Facts, placed: list[Placed]) -> None:
    """The client missed an event."""
    del placed[0].stream[1]


def stream_repeats(_: Facts, placed: list[Placed]) -> None:
    """The client was told twice."""
    placed[0].stream.append(placed[0].stream[-1])


def canceled_all_the_same(_: Facts, placed: list[Placed]) -> None:
    """The client was told that nothing trades, and it has traded."""
    placed[0].canceled = [("canceled", "canceled")]


def forgotten_amendment(facts: Facts, placed: list[Placed]) -> None:
    """The client was told of a change that was not made."""
    facts.orders["traded"]["limit_price"] = Decimal(150)
    placed[0].amended = {"limitPrice": "149"}


BROKEN: dict[Callable[[Facts, list[Placed]], None], str] = {
    twice: "duplicated=1",
    unrecorded: "drift=1",
    landed_failed: "drift=1",
    vanished: "drift=2",
    other_amounts: "drift=1",
    open_outcome: "drift=1",
    wrong_outcome: "drift=1",
    stuck: "terminal=1",
    gap: "drift=2",
    two_ends: "drift=1",
    lost: "missing=1",
    unpersisted: "missing=1",
    forgotten: "missing=1",
    failed_workflow: "drift=1",
    created_all_the_same: "drift=1",
    doubled_request: "drift=1",
    stream_gap: "drift=1",
    stream_repeats: "drift=1",
    canceled_all_the_same: "drift=1",
    forgotten_amendment: "drift=1",
}


@pytest.mark.parametrize(("spoil", "told"), BROKEN.items(), ids=[spoil.__name__ for spoil in BROKEN])
def test_each_broken_promise_is_found(spoil: Callable[[Facts, list[Placed]], None], told: str) -> None:
    facts, placed = sound()
    spoil(facts, placed)
    figures, findings = audit(facts, placed)
    assert told in str(figures).split()
    assert findings
