"""How the engine's orders stand at this moment, counted exactly: what monitoring asks for."""

from dataclasses import dataclass

from sqlalchemy import text

from db.database import Database
from db.models import values
from workflows.domain.lifecycle import TERMINAL

_IN_FLIGHT = text(f"""
SELECT status, type, count(*) AS orders, extract(epoch FROM now() - min(updated_at)) AS quiet_seconds
FROM orders WHERE status NOT IN ({values(TERMINAL)}) GROUP BY status, type
""")

# All that may still trade; an index holds exactly these.
_UNKNOWN = text("""
SELECT count(*) AS swaps, coalesce(extract(epoch FROM now() - min(recorded_at)), 0) AS oldest_seconds
FROM swap_attempts WHERE outcome IS NULL
""")


@dataclass(frozen=True, slots=True)
class InFlight:
    """Orders of one status and type that have not ended; seconds since the quietest of them last moved."""

    status: str
    type: str
    orders: int
    quiet_seconds: float


@dataclass(frozen=True, slots=True)
class Vitals:
    """Orders in flight, and swaps whose outcome is not proven yet with the age in seconds of the oldest."""

    in_flight: tuple[InFlight, ...]
    unknown_outcomes: int
    oldest_unknown_seconds: float


class VitalsReader:
    """Counts on demand."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> Vitals:
        """The vitals now; raises ConnectionError."""
        in_flight = await self._database.fetch(_IN_FLIGHT)
        (unknown,) = await self._database.fetch(_UNKNOWN)
        return Vitals(
            tuple(InFlight(row.status, row.type, row.orders, float(row.quiet_seconds)) for row in in_flight),
            unknown.swaps,
            float(unknown.oldest_seconds),
        )
