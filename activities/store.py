"""What the activities need of the database and the relay; the composition root plugs the real ones in."""

from collections.abc import Sequence
from typing import Protocol

from workflows.domain.attempt import SwapAttempt, SwapOutcome
from workflows.domain.order import OrderEvent, OrderTerms


class OrderStore(Protocol):
    """Keyed writes: each may run any number of times and changes nothing after the first.

    Every method is one transaction and raises `ConnectionError` when the database cannot be reached.
    """

    async def create_order(self, terms: OrderTerms, events: Sequence[OrderEvent]) -> None:
        """Store the order with its first events; an order or event that is there already stays as it is."""

    async def append_event(self, order_id: str, event: OrderEvent, terms: OrderTerms | None = None) -> OrderEvent:
        """Store the event and bring the order's row up to it, unless a later or terminal one is there.

        With the event's new terms, if it changes them.

        Returns the event that is stored under `event.seq`: the given one, or the one that an earlier, crashed
        try of the same step had stored, which stands. The caller goes on from the answer.
        """

    async def standing_event(self, order_id: str, seq: int) -> OrderEvent:
        """The event that is stored under `seq`, or the last one before it."""

    async def record_attempt(self, swap: SwapAttempt, event: OrderEvent) -> OrderEvent:
        """Store a signed swap together with the event that says it may now be broadcast.

        Returns the event that is stored under `event.seq`. When that is another one, the swap is not stored
        and must not be sent. Raises EngineError `trading_halted`, and stores neither, while trading is halted.
        """

    async def recorded_swap(self, order_id: str, signature: str) -> tuple[SwapAttempt, SwapOutcome | None]:
        """A swap that `record_attempt` stored, and its outcome once there is one."""

    async def settle_attempt(self, swap: SwapAttempt, outcome: SwapOutcome) -> SwapOutcome:
        """Store what became of the swap, unless it is known; returns the outcome that stands.

        Two workers may follow the same bytes, one of them taken for dead: the order goes on from what was stored first.
        """


class Relay(Protocol):
    """Tells streams about committed events. Best effort: PostgreSQL holds the log."""

    async def publish(self, order_id: str, account: str, events: Sequence[OrderEvent]) -> None:
        """Announce the events; never raises, a lost announcement is made up for by the reader."""
