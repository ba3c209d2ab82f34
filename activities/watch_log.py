"""What the watchers of this worker see, kept for its report."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from workflows.domain.worker_report import WatcherReport
from workflows.messages import WatchedPair


@dataclass(eq=False, slots=True)
class Watcher:
    """A watcher that is at work."""

    pair: WatchedPair
    since: datetime
    orders: int = 0
    slot: int | None = None
    seen_at: datetime | None = None
    trouble: str | None = None

    def saw(self, slot: int, orders: int) -> None:
        """It has looked at the pools for so many orders."""
        self.slot, self.orders, self.seen_at, self.trouble = slot, orders, datetime.now(UTC), None


@dataclass(slots=True)
class WatchLog:
    """The watchers at work."""

    _watchers: list[Watcher] = field(default_factory=list)

    @contextlib.contextmanager
    def watching(self, pair: WatchedPair) -> Iterator[Watcher]:
        """A watcher of the pair is at work while inside."""
        watcher = Watcher(pair, datetime.now(UTC))
        self._watchers.append(watcher)
        try:
            yield watcher
        finally:
            self._watchers.remove(watcher)

    def report(self) -> tuple[WatcherReport, ...]:
        """How each of them is."""
        return tuple(
            WatcherReport(
                first=each.pair.first,
                second=each.pair.second,
                since=each.since,
                orders=each.orders,
                slot=each.slot,
                seen_at=each.seen_at,
                trouble=each.trouble,
            )
            for each in self._watchers
        )
