"""Where metrics listen to what happens between the engine and its nodes."""

from enum import StrEnum
from typing import Protocol

from activities.solana.errors import Outcome


class Circuit(StrEnum):
    """Whether an endpoint is asked: always, not for now, or only by a probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    # It asked to be left alone for a while (HTTP 429, Retry-After).
    RESTING = "resting"


class RpcObserver(Protocol):
    """Hears of each call. Called in the event loop: it must return at once and never raise."""

    def called(self, method: str, host: str, outcome: Outcome, seconds: float) -> None:
        """A call has ended; `seconds` counts from the request's start, without the wait for a turn."""

    def health(self, host: str, circuit: Circuit, cost: float, slots_behind: int) -> None:
        """How an endpoint stands after a call; the one with the lowest cost is asked first."""

    def vanished(self, signature: str) -> None:
        """A swap that was reported as landed, at confirmed, is not on the chain any more."""


class SilentObserver:
    """Listens to nothing."""

    def called(self, method: str, host: str, outcome: Outcome, seconds: float) -> None:
        """Nothing."""

    def health(self, host: str, circuit: Circuit, cost: float, slots_behind: int) -> None:
        """Nothing."""

    def vanished(self, signature: str) -> None:
        """Nothing."""
