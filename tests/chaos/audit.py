"""The promises, checked against the facts. Whatever does not hold is a finding with the order it is about."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.chaos.facts import Facts, OnChain
from tests.chaos.traffic import Answer, Placed
from tests.chaos.wishes import number_of
from workflows.domain.lifecycle import Status, is_terminal
from workflows.messages import CancelResult

_COLUMNS = {"limitPrice": "limit_price"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that was not kept; `order_id` is None when it is about no single order."""

    order_id: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Figures:
    """The line that tells how a run ended."""

    orders: int
    terminal: int
    landed: int
    duplicated: int
    missing: int
    drift: int

    def __str__(self) -> str:
        return (
            f"orders={self.orders} terminal={self.terminal} landed={self.landed}"
            f" duplicated={self.duplicated} missing={self.missing} drift={self.drift}"
        )


def audit(facts: Facts, placed: Iterable[Placed]) -> tuple[Figures, list[Finding]]:
    """Check every order of the stack, and what its clients were told."""
    placed = list(placed)
    landed: defaultdict[str, list[OnChain]] = defaultdict(list)
    for transaction in facts.chain.values():
        if transaction.error is None:
            landed[transaction.order_id].append(transaction)
    duplicated = [Finding(name, f"landed {len(swaps)} times") for name, swaps in landed.items() if len(swaps) > 1]
    missing = list(_missing(facts, placed))
    drift = [*_strangers(facts), *_refused(facts, placed)]
    for order_id in facts.orders:
        drift += _order(facts, order_id, landed[order_id])
    for each in placed:
        drift += _stream(facts, each)
        drift += _changes(facts, each)
    figures = Figures(
        orders=len(facts.orders),
        terminal=sum(is_terminal(Status(order["status"])) for order in facts.orders.values()),
        landed=sum(map(len, landed.values())),
        duplicated=len(duplicated),
        missing=len(missing),
        drift=len(drift),
    )
    return figures, [*duplicated, *missing, *drift]


def _missing(facts: Facts, placed: Sequence[Placed]) -> Iterator[Finding]:
    """Accepted orders that are gone, and orders without a workflow, or the other way round."""
    for each in placed:
        if each.answer is Answer.ACCEPTED and each.order_id not in facts.orders:
            yield Finding(each.order_id, "was accepted and is not in the database")
    for order_id in facts.workflows.keys() - facts.orders.keys():
        yield Finding(order_id, f"has a workflow ({facts.workflows[order_id]}) and is not in the database")
    for order_id in facts.orders.keys() - facts.workflows.keys():
        yield Finding(order_id, "is in the database and has no workflow")


def _strangers(facts: Facts) -> Iterator[Finding]:
    """Transactions that nobody recorded before they could land."""
    recorded = {attempt["signature"] for attempts in facts.attempts.values() for attempt in attempts}
    for signature in facts.chain.keys() - recorded:
        yield Finding(facts.chain[signature].order_id, f"signature {signature} is on the chain and was never recorded")


def _refused(facts: Facts, placed: Sequence[Placed]) -> Iterator[Finding]:
    """Orders that a client was told do not exist, and requests that became two orders."""
    by_number = defaultdict(list)
    for order_id, order in facts.orders.items():
        by_number[number_of(int(order["amount_in"]))].append(order_id)
    for each in placed:
        found = by_number[each.number]
        if each.answer is Answer.REFUSED and found:
            yield Finding(found[0], f"request {each.number} was answered {each.told}, and here is its order")
        if len(found) > 1:
            yield Finding(found[0], f"request {each.number} became {len(found)} orders")


def _order(facts: Facts, order_id: str, landed: Sequence[OnChain]) -> Iterator[Finding]:
    order, events, attempts = facts.orders[order_id], facts.events[order_id], facts.attempts[order_id]
    status = Status(order["status"])
    if not is_terminal(status):
        yield Finding(order_id, f"is {status} when all should have ended")
        return
    if facts.workflows.get(order_id, "COMPLETED") != "COMPLETED":
        yield Finding(order_id, f"is {status} and its workflow is {facts.workflows[order_id]}")
    if [event["seq"] for event in events] != list(range(1, len(events) + 1)) or order["last_seq"] != len(events):
        yield Finding(order_id, f"events {[event['seq'] for event in events]} of {order['last_seq']}")
    ended = [is_terminal(Status(event["status"])) for event in events]
    if ended != [False] * (len(events) - 1) + [True]:
        yield Finding(order_id, "does not end with its only terminal event")
    if (status is Status.CONFIRMED) != (len(landed) == 1):
        yield Finding(order_id, f"is {status} and landed {len(landed)} times")
    elif status is Status.CONFIRMED:
        yield from _amounts(facts, order, landed[0])
    for attempt in attempts:
        yield from _attempt(facts, order_id, attempt)


def _amounts(facts: Facts, order: dict[str, Any], landed: OnChain) -> Iterator[Finding]:
    told = (order["filled_in"], order["filled_out"])
    if order["signature"] != landed.signature:
        yield Finding(landed.order_id, f"tells signature {order['signature']}, and {landed.signature} landed")
    elif told != facts.amounts[landed.signature]:
        yield Finding(landed.order_id, f"tells {told}, and the chain {facts.amounts[landed.signature]}")


def _attempt(facts: Facts, order_id: str, attempt: dict[str, Any]) -> Iterator[Finding]:
    """A recorded outcome is what the chain says of the signature."""
    found = facts.chain.get(attempt["signature"])
    truth = "expired" if found is None else "landed" if found.error is None else "reverted"
    if attempt["outcome"] != truth:
        told = attempt["outcome"] or "no outcome"
        yield Finding(order_id, f"attempt {attempt['attempt']} tells {told}, and the chain {truth}")


def _stream(facts: Facts, placed: Placed) -> Iterator[Finding]:
    """Each event once, in order, to the end: what an accepted order's client was sent is what is stored."""
    if placed.answer is not Answer.ACCEPTED or placed.order_id not in facts.orders:
        return
    sent = [(event["seq"], event["status"]) for event in placed.stream]
    stored = [(event["seq"], event["status"]) for event in facts.events[placed.order_id]]
    if sent != stored:
        yield Finding(placed.order_id, f"its stream sent {sent}, and stored is {stored}")


def _changes(facts: Facts, placed: Placed) -> Iterator[Finding]:
    """What a client was told of its cancellations and its amendment is what the order came to."""
    if placed.order_id not in facts.orders:
        return
    order = facts.orders[placed.order_id]
    for result, status in placed.canceled:
        # Too late says only that the chain decides.
        if result != CancelResult.TOO_LATE and status != order["status"]:
            yield Finding(placed.order_id, f"its cancellation was answered {result}, {status}: it is {order['status']}")
    for field, value in (placed.amended or {}).items():
        stored = order[_COLUMNS[field]]
        if stored != Decimal(value):
            yield Finding(placed.order_id, f"{field} was changed to {value}, and stored is {stored}")


def by_status(facts: Facts) -> Counter[str]:
    """How the orders ended."""
    return Counter(order["status"] for order in facts.orders.values())
