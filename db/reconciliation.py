"""What reconciliation and audits ask of the database, a page at a time, and what they leave in it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from db.database import Database
from db.models import values
from db.rows import order_event
from workflows.domain.attempt import OutcomeKind
from workflows.domain.lifecycle import TERMINAL, Status
from workflows.domain.order import Fill, OrderTerms
from workflows.domain.reconciliation import PASSING, AttemptRecord, Finding, OrderRecord

_ENDED = f"({values(TERMINAL)})"
_LEAST_ID = UUID(int=0)

# Beside the row: what the log adds up to, its last event, and the attempts. Each part reads one index range.
_RECORD = """
SELECT o.*, now() - o.updated_at AS idle, log.seqs, log.statuses, swaps.attempts,
    last.seq AS event_seq, last.status AS event_status, last.at AS event_at, last.attempt AS event_attempt,
    last.reason AS event_reason, last.venue AS event_venue, last.signature AS event_signature,
    last.fill AS event_fill, last.data AS event_data
FROM o
CROSS JOIN LATERAL (
    SELECT array_agg(seq ORDER BY seq) AS seqs, array_agg(status ORDER BY seq) AS statuses
    FROM order_events WHERE order_id = o.id
) AS log
LEFT JOIN LATERAL (
    SELECT * FROM order_events WHERE order_id = o.id ORDER BY seq DESC LIMIT 1
) AS last ON true
CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object(
        'attempt', attempt, 'signature', signature, 'wallet', wallet_address, 'outcome', outcome,
        'slot', outcome_slot) ORDER BY attempt) AS attempts
    FROM swap_attempts WHERE order_id = o.id
) AS swaps
ORDER BY o.id
"""
_PAGE = text(f"WITH o AS (SELECT * FROM orders WHERE id > :after ORDER BY id LIMIT :limit) {_RECORD}")
_SOME = text(f"WITH o AS (SELECT * FROM orders WHERE id = ANY(:ids)) {_RECORD}")
_UNFINISHED = text(f"""
WITH o AS (
    SELECT * FROM orders
    WHERE status NOT IN {_ENDED} AND id > :after AND updated_at < now() - CAST(:idle AS interval)
    ORDER BY id LIMIT :limit
) {_RECORD}
""")
_SETTLED = text(f"""
WITH o AS (
    SELECT * FROM orders WHERE id > :after AND id IN (
        SELECT order_id FROM swap_attempts WHERE settled_at >= :since
        UNION ALL SELECT order_id FROM swap_attempts WHERE outcome IS NULL
    ) AND status IN {_ENDED} ORDER BY id LIMIT :limit
) {_RECORD}
""")

# The next address after the last one, by the index, instead of reading every attempt.
_WALLETS = text("""
WITH RECURSIVE wallets AS (
    (SELECT wallet_address FROM swap_attempts ORDER BY wallet_address LIMIT 1)
    UNION ALL
    SELECT (
        SELECT wallet_address FROM swap_attempts
        WHERE wallet_address > wallets.wallet_address ORDER BY wallet_address LIMIT 1
    ) FROM wallets WHERE wallet_address IS NOT NULL
)
SELECT w.wallet_address, c.signature FROM wallets AS w
LEFT JOIN wallet_cursors AS c USING (wallet_address)
WHERE w.wallet_address IS NOT NULL
""")
_KNOWN = text("SELECT id FROM orders WHERE id = ANY(:ids)")
_TERMS = text("SELECT terms FROM orders WHERE id = :id")
_LAST = text("SELECT *, now() AS asked_at FROM reconciliations ORDER BY started_at DESC LIMIT 1")
_LAST_FULL = text("SELECT started_at FROM reconciliations WHERE whole ORDER BY started_at DESC LIMIT 1")
_NOW = text("SELECT now() AS now")

# A finding is known by what it is about, and over once it is repaired; one that comes back after that is a new one.
_NOTE = text("""
WITH given AS (
    SELECT * FROM jsonb_to_recordset(CAST(:findings AS jsonb))
        AS f(kind text, order_id uuid, signature text, detail text, repaired boolean)
)
INSERT INTO reconciliation_findings AS known
    (kind, order_id, signature, detail, repaired, first_seen, last_seen, over_at)
SELECT kind, order_id, signature, detail, repaired, now(), now(), CASE WHEN repaired THEN now() END FROM given
ON CONFLICT (kind, order_id, signature) DO UPDATE SET
    detail = excluded.detail, repaired = excluded.repaired, last_seen = excluded.last_seen,
    first_seen = CASE WHEN known.over_at IS NULL THEN known.first_seen ELSE excluded.first_seen END,
    over_at = excluded.over_at
RETURNING kind, order_id, signature, first_seen = last_seen AS new
""")
_OPEN = text("""
SELECT kind, order_id, signature, detail, repaired, first_seen, last_seen FROM reconciliation_findings
WHERE over_at IS NULL ORDER BY first_seen DESC LIMIT :limit
""")
_FINISH = text(f"""
WITH over AS (
    UPDATE reconciliation_findings SET over_at = now()
    WHERE over_at IS NULL AND last_seen < :started_at AND (:whole OR kind IN ({values(PASSING)}))
), cursors AS (
    INSERT INTO wallet_cursors (wallet_address, signature)
    SELECT key, value FROM jsonb_each_text(CAST(:cursors AS jsonb))
    ON CONFLICT (wallet_address) DO UPDATE SET signature = excluded.signature
), old AS (
    DELETE FROM reconciliations WHERE started_at < now() - interval '7 days'
)
INSERT INTO reconciliations (started_at, finished_at, whole, orders, swaps, workflows, raised, repaired)
VALUES (:started_at, now(), :whole, :orders, :swaps, :workflows, :raised, :repaired)
ON CONFLICT (started_at) DO NOTHING
""")


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One that is done: what it looked at, what it raised for a person, what it mended. `asked_at` is now."""

    started_at: datetime
    finished_at: datetime
    whole: bool
    orders: int
    swaps: int
    workflows: int
    raised: int
    repaired: int
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """What was raised and is not over."""

    finding: Finding
    first_seen: datetime
    last_seen: datetime


class ReconciliationRepository:
    """Every method raises ConnectionError when PostgreSQL is out of reach."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, after: str | None, limit: int) -> list[OrderRecord]:
        """The orders whose ids follow `after`, in order of their ids."""
        return await self._records(_PAGE, after=UUID(after) if after else _LEAST_ID, limit=limit)

    async def some(self, order_ids: Iterable[str]) -> list[OrderRecord]:
        """These orders, as far as they are stored."""
        return await self._records(_SOME, ids=[UUID(order_id) for order_id in order_ids])

    async def unfinished(self, after: str | None, limit: int, idle: timedelta) -> list[OrderRecord]:
        """Orders that have not ended and have had no event for `idle`."""
        return await self._records(_UNFINISHED, after=UUID(after) if after else _LEAST_ID, limit=limit, idle=idle)

    async def settled_since(self, since: datetime, after: str | None, limit: int) -> list[OrderRecord]:
        """Ended orders with a swap whose outcome came after `since`, or has not come at all."""
        return await self._records(_SETTLED, after=UUID(after) if after else _LEAST_ID, limit=limit, since=since)

    async def known(self, order_ids: Iterable[str]) -> set[str]:
        """Those of the orders that are stored."""
        rows = await self._database.fetch(_KNOWN, {"ids": [UUID(order_id) for order_id in order_ids]})
        return {str(row.id) for row in rows}

    async def terms(self, order_id: str) -> OrderTerms | None:
        """What the trader asked for."""
        rows = await self._database.fetch(_TERMS, {"id": UUID(order_id)})
        return OrderTerms.model_validate(rows[0].terms) if rows else None

    async def wallets(self) -> dict[str, str | None]:
        """Every address that has signed a swap, with the newest signature of it that was looked at."""
        return {row.wallet_address: row.signature for row in await self._database.fetch(_WALLETS)}

    async def now(self) -> datetime:
        """The database's clock, by which attempts are settled."""
        (row,) = await self._database.fetch(_NOW)
        moment: datetime = row.now
        return moment

    async def last(self) -> Reconciliation | None:
        """The newest one that is done."""
        rows = await self._database.fetch(_LAST)
        return Reconciliation(**rows[0]._mapping) if rows else None

    async def last_whole(self) -> datetime | None:
        """When the newest one that looked at everything was started."""
        rows = await self._database.fetch(_LAST_FULL)
        return rows[0].started_at if rows else None

    async def note(self, findings: Sequence[Finding]) -> list[Finding]:
        """Remember the findings; returns those that were not known before."""
        if not findings:
            return []
        by_key = {(finding.kind, finding.order_id, finding.signature): finding for finding in findings}
        document = f"[{','.join(finding.model_dump_json() for finding in by_key.values())}]"
        rows = await self._database.fetch(_NOTE, {"findings": document})
        return [by_key[row.kind, str(row.order_id), row.signature] for row in rows if row.new]

    async def open_findings(self, limit: int) -> list[OpenFinding]:
        """What was raised and is not over, newest first."""
        rows = await self._database.fetch(_OPEN, {"limit": limit})
        return [
            OpenFinding(
                Finding(
                    kind=row.kind,
                    order_id=str(row.order_id),
                    signature=row.signature,
                    detail=row.detail,
                    repaired=row.repaired,
                ),
                row.first_seen,
                row.last_seen,
            )
            for row in rows
        ]

    async def finish(self, done: dict[str, Any], cursors: dict[str, str]) -> None:
        """Record a reconciliation, once for its start: its figures, how far each wallet was read, what is over."""
        await self._database.fetch(_FINISH, {**done, "cursors": json.dumps(cursors)})

    async def _records(self, statement: Any, **parameters: Any) -> list[OrderRecord]:
        return [_record(row) for row in await self._database.fetch(statement, parameters)]


class _LastEvent:
    """The columns of the last event under their own names."""

    def __init__(self, row: Row[Any]) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, f"event_{name}")


def _record(row: Row[Any]) -> OrderRecord:
    filled = row.filled_in is not None
    return OrderRecord(
        order_id=str(row.id),
        token_in=row.token_in,
        token_out=row.token_out,
        status=Status(row.status),
        last_seq=row.last_seq,
        reason=row.reason,
        signature=row.signature,
        fill=Fill(
            amount_in=int(row.filled_in),
            amount_out=int(row.filled_out),
            fee_lamports=int(row.fee_lamports),
            slot=row.slot,
        )
        if filled
        else None,
        created_at=row.created_at,
        idle=row.idle,
        seqs=tuple(row.seqs or ()),
        statuses=tuple(Status(status) for status in row.statuses or ()),
        last_event=order_event(_LastEvent(row)) if row.event_seq is not None else None,  # type: ignore[arg-type]
        attempts=tuple(
            AttemptRecord(
                attempt=each["attempt"],
                signature=each["signature"],
                wallet=each["wallet"],
                outcome=OutcomeKind(each["outcome"]) if each["outcome"] else None,
                slot=each["slot"],
            )
            for each in row.attempts or ()
        ),
    )
