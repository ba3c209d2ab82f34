"""Where the findings of a reconciliation are counted, and how patient it is."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from temporalio import activity

from workflows.domain.reconciliation import Finding


class Counter(Protocol):
    """Where findings are counted."""

    def found(self, finding: Finding) -> None:
        """A finding that was not known before."""

    def unrelayed(self, events: int) -> None:
        """Events that streams had to read from the database, because Redis was away."""


class SdkCounter:
    """Counts with the metrics of Temporal's SDK, wherever its runtime exports them."""

    def found(self, finding: Finding) -> None:
        """Count by kind, and whether it was repaired."""
        meter = activity.metric_meter()
        meter.create_counter("order_engine_reconciliation_findings", "What reconciliation found").add(
            1, {"kind": finding.kind, "repaired": str(finding.repaired).lower()}
        )

    def unrelayed(self, events: int) -> None:
        """Count events."""
        meter = activity.metric_meter()
        meter.create_counter("order_engine_events_not_relayed", "Events that Redis did not take").add(events)


class LossyRelay(Protocol):
    """The relay, which knows what it could not announce."""

    missed: int


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an order may be quiet before it is looked at, and before it counts as stuck.

    `grace` is what an order that runs has to take note of a landed swap, and a new one to be stored.
    """

    quiet: timedelta = timedelta(seconds=10)
    stuck: timedelta = timedelta(minutes=5)
    grace: timedelta = timedelta(minutes=1)

    @property
    def noted(self) -> datetime:
        """What landed before this should be noted."""
        return datetime.now(UTC) - self.grace
