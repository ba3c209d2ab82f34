"""How the engine's orders stand at this moment, counted exactly: what monitoring asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text

from db.database import Database
from db.models import values
from workflows.domain.lifecycle import TERMINAL, Status
from workflows.domain.reconciliation import FindingKind

_IN_FLIGHT = text(f"""
SELECT status, count(*) AS orders, extract(epoch FROM now() - min(updated_at)) AS quiet_seconds
FROM orders WHERE status NOT IN ({values(TERMINAL)}) GROUP BY status
""")

_FINDINGS = text("SELECT kind, count(*) AS found FROM reconciliation_findings WHERE over_at IS NULL GROUP BY kind")
_STANDING = text("""
SELECT extract(epoch FROM now() - (SELECT max(finished_at) FROM reconciliations)) AS reconciled_seconds,
    EXISTS (SELECT FROM trading_halts WHERE resumed_at IS NULL) AS halted
""")

# All that may still trade; an index holds exactly these.
_UNKNOWN = text("""
SELECT count(*) AS swaps, coalesce(extract(epoch FROM now() - min(recorded_at)), 0) AS oldest_seconds
FROM swap_attempts WHERE outcome IS NULL
""")


@dataclass(frozen=True, slots=True)
class InFlight:
    """Orders that stand at one status, maybe none, and the seconds since the quietest of them last moved."""

    status: Status
    orders: int
    quiet_seconds: float


@dataclass(frozen=True, slots=True)
class Vitals:
    """Orders in flight, swaps without a proven outcome, what the last reconciliation left open, and the kill switch.

    Ages in seconds; `reconciled_seconds` is None before the first reconciliation.
    """

    in_flight: tuple[InFlight, ...]
    unknown_outcomes: int
    oldest_unknown_seconds: float
    findings: Mapping[FindingKind, int]
    reconciled_seconds: float | None
    halted: bool


class VitalsReader:
    """Counts on demand."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> Vitals:
        """The vitals now; raises ConnectionError."""
        found = {row.status: row for row in await self._database.fetch(_IN_FLIGHT)}
        (unknown,) = await self._database.fetch(_UNKNOWN)
        findings = {row.kind: row.found for row in await self._database.fetch(_FINDINGS)}
        (standing,) = await self._database.fetch(_STANDING)
        reconciled_seconds = standing.reconciled_seconds
        return Vitals(
            tuple(_in_flight(status, found.get(status)) for status in Status if status not in TERMINAL),
            unknown.swaps,
            float(unknown.oldest_seconds),
            {kind: findings.get(kind, 0) for kind in FindingKind},
            None if reconciled_seconds is None else float(reconciled_seconds),
            standing.halted,
        )


def _in_flight(status: Status, row: Row[Any] | None) -> InFlight:
    return InFlight(status, row.orders, float(row.quiet_seconds)) if row is not None else InFlight(status, 0, 0)
