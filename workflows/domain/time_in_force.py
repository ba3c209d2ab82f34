"""How long an order may wait for its chance. Pure."""

from datetime import UTC, datetime, time, timedelta
from enum import StrEnum


class TimeInForce(StrEnum):
    """How long an order stands.

    A swap here is all or nothing, so that `ioc` and `fok` are the same: the order trades at once, within its
    attempts, or ends. The others rest while their price is not reached, and again after attempts that failed for a
    reason that may pass.
    """

    IOC = "ioc"
    FOK = "fok"
    # Until it is canceled.
    GTC = "gtc"
    # Until `expire_at`.
    GTD = "gtd"
    # Until the end of the day in UTC on which it was accepted.
    DAY = "day"


_RESTING = frozenset({TimeInForce.GTC, TimeInForce.GTD, TimeInForce.DAY})


def may_rest(time_in_force: TimeInForce) -> bool:
    """Whether an order waits while it cannot trade."""
    return time_in_force in _RESTING


def end_of(time_in_force: TimeInForce, accepted_at: datetime, expire_at: datetime | None) -> datetime | None:
    """When an order's time in force ends; None for never, and for orders that do not wait."""
    if time_in_force is TimeInForce.GTD:
        return expire_at
    if time_in_force is TimeInForce.DAY:
        tomorrow = accepted_at.astimezone(UTC).date() + timedelta(days=1)
        return datetime.combine(tomorrow, time(), UTC)
    return None
