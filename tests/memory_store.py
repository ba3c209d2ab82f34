"""An order store in memory that keeps the promises of `activities.store.OrderStore`, and a relay that listens."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from db.errors import OrderUnknown, SwapConflict, SwapUnknown
from workflows.domain.attempt import OutcomeKind, SwapAttempt, SwapOutcome
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.lifecycle import is_terminal
from workflows.domain.order import OrderEvent, OrderTerms
from workflows.domain.risk import Halt


@dataclass
class StoredSwap:
    """A recorded swap; `outcome` is None while it may still land."""

    swap: SwapAttempt
    outcome: SwapOutcome | None = None


@dataclass
class StoredOrder:
    """An order with its log, by seq."""

    terms: OrderTerms
    events: dict[int, OrderEvent] = field(default_factory=dict)
    swaps: list[StoredSwap] = field(default_factory=list)

    @property
    def log(self) -> list[OrderEvent]:
        """The events in order of their seq."""
        return [self.events[seq] for seq in sorted(self.events)]

    @property
    def ended(self) -> bool:
        """Whether the order has a terminal event."""
        return any(is_terminal(event.status) for event in self.events.values())

    def standing(self, seq: int) -> OrderEvent:
        """The event under `seq`, or the last one before it."""
        return self.events[max(known for known in self.events if known <= seq)]


class MemoryStore:
    """Implements `activities.store.OrderStore` as `db.orders.OrderRepository` does."""

    def __init__(self) -> None:
        self.orders: dict[str, StoredOrder] = {}
        self.halt: Halt | None = None

    async def create_order(self, terms: OrderTerms, events: Sequence[OrderEvent]) -> None:
        """Store the order unless it is there already."""
        if terms.order_id not in self.orders:
            self.orders[terms.order_id] = StoredOrder(terms, {event.seq: event for event in events})

    async def append_event(self, order_id: str, event: OrderEvent, terms: OrderTerms | None = None) -> OrderEvent:
        """Store the event, with new terms if it changes them; returns the one that stands."""
        order = self._order(order_id)
        if event.seq in order.events or (order.ended and event.seq > max(order.events)):
            return order.standing(event.seq)
        order.events[event.seq] = event
        order.terms = terms or order.terms
        return event

    async def standing_event(self, order_id: str, seq: int) -> OrderEvent:
        """The event under `seq`, or the last one before it."""
        return self._order(order_id).standing(seq)

    async def record_attempt(self, swap: SwapAttempt, event: OrderEvent) -> OrderEvent:
        """Store the swap with its event, both or none; returns the event that stands."""
        order = self._order(swap.order_id)
        if order.ended or event.seq in order.events:
            return order.standing(event.seq)
        if self.halt is not None:
            raise EngineError(ErrorCode.TRADING_HALTED, str(self.halt))
        for known in order.swaps:
            live = known.outcome is None or known.outcome.kind is OutcomeKind.LANDED
            if live or known.swap.attempt == swap.attempt or known.swap.signature == swap.signature:
                raise SwapConflict(swap.order_id, swap.attempt, swap.signature)
        order.events[event.seq] = event
        order.swaps.append(StoredSwap(swap))
        return event

    async def recorded_swap(self, order_id: str, signature: str) -> tuple[SwapAttempt, SwapOutcome | None]:
        """A recorded swap and its outcome once there is one."""
        for known in self._order(order_id).swaps:
            if known.swap.signature == signature:
                return known.swap, known.outcome
        raise SwapUnknown(order_id, signature)

    async def settle_attempt(self, swap: SwapAttempt, outcome: SwapOutcome) -> SwapOutcome:
        """Store the outcome unless there is one; returns the one that stands."""
        for known in self._order(swap.order_id).swaps:
            if known.swap.signature == swap.signature:
                known.outcome = known.outcome or outcome
                return known.outcome
        raise SwapUnknown(swap.order_id, swap.signature)

    def _order(self, order_id: str) -> StoredOrder:
        if order_id not in self.orders:
            raise OrderUnknown(order_id)
        return self.orders[order_id]


class MemoryRelay:
    """Implements `activities.store.Relay`: remembers what was announced, by order."""

    def __init__(self) -> None:
        self.announced: defaultdict[str, list[OrderEvent]] = defaultdict(list)

    async def publish(self, order_id: str, account: str, events: Sequence[OrderEvent]) -> None:
        """Remember the events."""
        self.announced[order_id].extend(events)
