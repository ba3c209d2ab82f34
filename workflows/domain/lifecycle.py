"""Where an order can stand, and which step may follow which. One table; anything else raises."""

from enum import StrEnum


class Status(StrEnum):
    """Where the order stands."""

    PENDING = "pending"
    OPEN = "open"
    ROUTING = "routing"
    BUILDING = "building"
    SUBMITTED = "submitted"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELED = "canceled"
    EXPIRED = "expired"


class Phase(StrEnum):
    """The coarse form of a status for dashboards and simple clients."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class IllegalTransition(Exception):
    """A step that the table does not allow."""

    def __init__(self, current: Status | None, following: Status) -> None:
        super().__init__(f"an order that is {current or 'not yet recorded'} cannot become {following}")
        self.current = current
        self.following = following


_PHASES = {
    Status.PENDING: Phase.PENDING,
    Status.OPEN: Phase.PENDING,
    Status.ROUTING: Phase.PROCESSING,
    Status.BUILDING: Phase.PROCESSING,
    Status.SUBMITTED: Phase.PROCESSING,
    Status.PARTIALLY_FILLED: Phase.PROCESSING,
    Status.PENDING_CANCEL: Phase.PROCESSING,
    Status.CONFIRMED: Phase.COMPLETED,
    Status.FAILED: Phase.FAILED,
    Status.REJECTED: Phase.FAILED,
    Status.CANCELED: Phase.FAILED,
    Status.EXPIRED: Phase.FAILED,
}

TERMINAL = frozenset({Status.CONFIRMED, Status.FAILED, Status.REJECTED, Status.CANCELED, Status.EXPIRED})

_NEVER_BROADCAST = frozenset({Status.FAILED, Status.REJECTED, Status.CANCELED, Status.EXPIRED})

# Returning to `routing` is the next attempt: after a failed quote round, a failed simulation, or the
# proof that the broadcast transaction did not and cannot trade.
TRANSITIONS: dict[Status | None, frozenset[Status]] = {
    None: frozenset({Status.PENDING}),
    Status.PENDING: frozenset({Status.OPEN, Status.ROUTING}) | _NEVER_BROADCAST,
    # `open` again: the order was amended, or its stop was triggered and its limit is not reached yet.
    Status.OPEN: frozenset({Status.OPEN, Status.ROUTING}) | _NEVER_BROADCAST,
    Status.ROUTING: frozenset({Status.ROUTING, Status.OPEN, Status.BUILDING}) | _NEVER_BROADCAST,
    Status.BUILDING: frozenset({Status.ROUTING, Status.OPEN, Status.SUBMITTED}) | _NEVER_BROADCAST,
    # `expired` is missing here on purpose: it means that the time in force ended before any broadcast.
    Status.SUBMITTED: frozenset(
        {Status.CONFIRMED, Status.ROUTING, Status.OPEN, Status.PENDING_CANCEL, Status.PARTIALLY_FILLED}
        | {Status.FAILED, Status.CANCELED}
    ),
    Status.PARTIALLY_FILLED: frozenset(
        {Status.PARTIALLY_FILLED, Status.PENDING_CANCEL, Status.CONFIRMED, Status.CANCELED, Status.FAILED}
    ),
    Status.PENDING_CANCEL: frozenset({Status.CONFIRMED, Status.CANCELED, Status.FAILED}),
    **{status: frozenset() for status in TERMINAL},
}


def phase(status: Status) -> Phase:
    """The coarse form of a status."""
    return _PHASES[status]


def is_terminal(status: Status) -> bool:
    """Whether the order has ended; nothing follows a terminal status."""
    return status in TERMINAL


def check(current: Status | None, following: Status) -> None:
    """Raise IllegalTransition unless `following` may come after `current` (None before the first event)."""
    if following not in TRANSITIONS[current]:
        raise IllegalTransition(current, following)
