"""What an operator looks at: orders in flight and lately ended, how long their steps took, what was tried again.

Everything is found by account and time, along the indexes that lists of orders use, and never reads more than the
newest orders of the window.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Row, TextClause, text

from db.database import Database
from workflows.domain.lifecycle import TERMINAL, Status

# The newest orders of each account that figures are drawn from: enough for the hundredth of them that is slowest.
MOST_ORDERS = 5_000

# Every statement begins with this.
_RECENT = """
WITH recent AS MATERIALIZED (
    SELECT found.*
    FROM account_positions
    CROSS JOIN LATERAL (
        SELECT id, status, reason, venue, attempt, created_at, updated_at FROM orders
        WHERE orders.account = account_positions.account AND created_at >= :since
        ORDER BY created_at DESC, id DESC LIMIT :most
    ) AS found
    WHERE CAST(:account AS text) IS NULL OR account_positions.account = :account
)
"""

_IN_FLIGHT = text("""
SELECT orders.status, count(*) AS orders, min(orders.created_at) AS oldest
FROM account_positions JOIN orders ON orders.account = account_positions.account
WHERE (CAST(:account AS text) IS NULL OR account_positions.account = :account) AND orders.status = ANY(:live)
GROUP BY orders.status
""")

_ENDED = text(f"""{_RECENT}
SELECT status, reason, venue, count(*) AS orders FROM recent
WHERE status <> ALL(:live) GROUP BY status, reason, venue ORDER BY orders DESC, status, reason, venue
""")

_RATES = text(f"""{_RECENT},
moments AS (
    SELECT created_at AS at, 1 AS accepted, 0 AS confirmed, 0 AS failed FROM recent
    UNION ALL
    SELECT updated_at, 0, (status = 'confirmed')::int, (status <> 'confirmed')::int FROM recent
    WHERE status <> ALL(:live)
)
SELECT least(floor(extract(epoch FROM at - :since) / :bucket_seconds), :buckets - 1)::int AS bucket,
    sum(accepted) AS accepted, sum(confirmed) AS confirmed, sum(failed) AS failed
FROM moments WHERE at >= :since GROUP BY bucket
""")

# The status before and after says which step it was. The whole way is from the request to the last event.
_STEPS = text(f"""{_RECENT},
steps AS (
    SELECT lag(order_events.status) OVER life AS before, order_events.status AS after,
        extract(epoch FROM order_events.at - lag(order_events.at) OVER life) AS seconds
    FROM recent JOIN order_events ON order_events.order_id = recent.id
    WINDOW life AS (PARTITION BY order_events.order_id ORDER BY order_events.seq)
),
timed AS (
    SELECT before, after, seconds FROM steps WHERE before IS NOT NULL
    UNION ALL
    SELECT NULL, status, extract(epoch FROM updated_at - created_at) FROM recent WHERE status <> ALL(:live)
)
SELECT before, after, count(*) AS orders,
    (percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) * 1000)::bigint AS p50,
    (percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) * 1000)::bigint AS p95,
    (percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds) * 1000)::bigint AS p99
FROM timed GROUP BY before, after ORDER BY orders DESC, before, after
""")

_REASONS = text(f"""{_RECENT}
SELECT order_events.reason, order_events.status, count(*) AS orders
FROM recent JOIN order_events ON order_events.order_id = recent.id
WHERE order_events.reason IS NOT NULL
GROUP BY order_events.reason, order_events.status ORDER BY orders DESC, reason, status
""")

_ATTEMPTS = text(f"""{_RECENT}
SELECT outcome, count(*) AS attempts,
    (percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM settled_at - recorded_at)) * 1000)::bigint AS p50,
    (percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM settled_at - recorded_at)) * 1000)::bigint AS p95
FROM recent JOIN swap_attempts ON swap_attempts.order_id = recent.id
GROUP BY outcome ORDER BY attempts DESC
""")


@dataclass(frozen=True, slots=True)
class InFlight:
    """Orders that have not ended, of one status; `oldest` is when the first of them was accepted."""

    status: Status
    orders: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is looked at: from `since`, in `buckets` of `bucket_seconds` each."""

    since: datetime
    buckets: int
    bucket_seconds: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """Orders accepted and ended in one part of the window."""

    accepted: int = 0
    confirmed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """How long it took from one status to the next, in milliseconds; from the request to the end without `before`."""

    before: Status | None
    after: Status
    orders: int
    p50_ms: int
    p95_ms: int
    p99_ms: int


@dataclass(frozen=True, slots=True)
class Ended:
    """Orders of the window that have ended, alike in how."""

    status: Status
    reason: str | None
    venue: str | None
    orders: int


@dataclass(frozen=True, slots=True)
class Setback:
    """How often a reason led to a status: `routing` is another attempt, a terminal one the end."""

    reason: str
    status: Status
    orders: int


@dataclass(frozen=True, slots=True)
class Landing:
    """Signed swaps by outcome, None while it is unknown; from recorded to proven, in milliseconds."""

    outcome: str | None
    attempts: int
    p50_ms: int | None
    p95_ms: int | None


@dataclass(frozen=True, slots=True)
class Operations:
    """All of it, the most frequent of a kind first."""

    in_flight: Sequence[InFlight]
    buckets: Sequence[Bucket]
    steps: Sequence[Step]
    ended: Sequence[Ended]
    setbacks: Sequence[Setback]
    landings: Sequence[Landing]


class OperationsReader:
    """Reads the figures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look(self, account: str | None, window: Window) -> Operations:
        """The figures of an account, or of all for None. Raises ConnectionError when PostgreSQL is out of reach."""
        find = partial(self._find, {"account": account, "since": window.since, "most": MOST_ORDERS, "live": _LIVE})
        rates = await find(_RATES, buckets=window.buckets, bucket_seconds=window.bucket_seconds)
        found = {row.bucket: Bucket(row.accepted, row.confirmed, row.failed) for row in rates}
        return Operations(
            in_flight=[InFlight(Status(row.status), row.orders, row.oldest) for row in await find(_IN_FLIGHT)],
            buckets=[found.get(number, Bucket()) for number in range(window.buckets)],
            steps=[_step(row) for row in await find(_STEPS)],
            ended=[Ended(Status(row.status), row.reason, row.venue, row.orders) for row in await find(_ENDED)],
            setbacks=[Setback(row.reason, Status(row.status), row.orders) for row in await find(_REASONS)],
            landings=[Landing(row.outcome, row.attempts, row.p50, row.p95) for row in await find(_ATTEMPTS)],
        )

    async def _find(self, known: Mapping[str, Any], query: TextClause, **further: Any) -> Sequence[Row[Any]]:
        given = {**known, **further}
        return await self._database.fetch(query, {name: given[name] for name in query.compile().params})


def _step(row: Row[Any]) -> Step:
    before = Status(row.before) if row.before is not None else None
    return Step(before, Status(row.after), row.orders, row.p50, row.p95, row.p99)


_LIVE = sorted(status.value for status in Status if status not in TERMINAL)
