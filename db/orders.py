"""The writes of an order's life: keyed, guarded, one statement and one round trip each."""

import re
from collections.abc import Sequence
from uuid import UUID

from psycopg.errors import UniqueViolation
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from db.database import Database
from db.errors import OrderUnknown, SwapConflict, SwapUnknown
from db.models import values
from db.risk import halt_of
from db.rows import attempt_view, order_event
from workflows.domain.attempt import SwapAttempt, SwapOutcome
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.lifecycle import TERMINAL, is_terminal
from workflows.domain.order import OrderEvent, OrderTerms

_EVENT_FIELDS = "seq, status, at, attempt, reason, venue, signature, fill, data"
_EVENT_TYPES = (
    "seq int, status text, at timestamptz, attempt smallint, reason text, venue text, signature text,"
    " fill jsonb, data jsonb"
)
_SWAP_FIELDS = (
    "attempt, venue, kind, pool, wallet_address, signature, transaction, blockhash, last_valid_block_height,"
    " amount_in, quoted_out, least_out, signing_slot, most_in"
)
_SWAP_TYPES = (
    "attempt smallint, venue text, kind text, pool text, wallet_address text, signature text, transaction text,"
    " blockhash text, last_valid_block_height bigint, amount_in numeric, quoted_out numeric, least_out numeric,"
    " signing_slot bigint, most_in numeric"
)
_ENDED = f"({values(TERMINAL)})"

# The events go in only with their order: if the order was there before, so were they.
_CREATE = text(f"""
WITH terms AS (
    SELECT CAST(:terms AS jsonb) AS t
), event AS (
    SELECT * FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS e({_EVENT_TYPES})
), created AS (
    INSERT INTO orders (
        id, account, wallet, type, token_in, token_out, amount_in, slippage_bps, max_attempts, client_order_id,
        parent_id, amount_out, limit_price, stop_price, time_in_force, expire_at, deadline, terms, created_at, status,
        last_seq, attempt, reason, venue, signature, updated_at
    )
    SELECT
        CAST(t->>'order_id' AS uuid), t->>'account', t->>'wallet', t->>'type', t->'token_in'->>'mint',
        t->'token_out'->>'mint', CAST(t->>'amount_in' AS numeric), CAST(t->>'slippage_bps' AS smallint),
        CAST(t->>'max_attempts' AS smallint), t->>'client_order_id', CAST(t->>'parent_id' AS uuid),
        CAST(t->>'amount_out' AS numeric), CAST(t->>'limit_price' AS numeric), CAST(t->>'stop_price' AS numeric),
        t->>'time_in_force', CAST(t->>'expire_at' AS timestamptz), CAST(t->>'deadline' AS timestamptz),
        t, CAST(t->>'created_at' AS timestamptz),
        status, seq, attempt, reason, venue, signature, at
    FROM terms, (SELECT * FROM event ORDER BY seq DESC LIMIT 1) AS latest
    ON CONFLICT (id) DO NOTHING
    RETURNING id
)
INSERT INTO order_events (order_id, {_EVENT_FIELDS})
SELECT created.id, {_EVENT_FIELDS} FROM created, event ORDER BY seq
""")

# Locking the order's row first puts the writes of one order in a row, each seeing what the one before it left.
_TARGET = f"""
    event AS (
        SELECT * FROM jsonb_to_record(CAST(:event AS jsonb)) AS e({_EVENT_TYPES})
    ), target AS (
        SELECT id, status AS was, last_seq FROM orders WHERE id = :order_id FOR NO KEY UPDATE
    ), amended AS (
        SELECT CAST(:terms AS jsonb) AS t
    )"""

# An event that is new to the log brings the order's row up to it, unless the row is further on or has ended. An
# amendment changes terms and never takes one away.
_ADVANCE = f"""
    advanced AS (
        UPDATE orders SET
            status = event.status,
            last_seq = event.seq,
            attempt = greatest(event.attempt, orders.attempt),
            reason = event.reason,
            venue = CASE WHEN event.attempt > orders.attempt THEN event.venue
                    ELSE coalesce(event.venue, orders.venue) END,
            signature = CASE WHEN event.attempt > orders.attempt THEN event.signature
                        ELSE coalesce(event.signature, orders.signature) END,
            filled_in = coalesce(CAST(event.fill->>'amount_in' AS numeric), filled_in),
            filled_out = coalesce(CAST(event.fill->>'amount_out' AS numeric), filled_out),
            fee_lamports = coalesce(CAST(event.fill->>'fee_lamports' AS numeric), fee_lamports),
            slot = coalesce(CAST(event.fill->>'slot' AS bigint), slot),
            terms = coalesce(amended.t, terms),
            slippage_bps = coalesce(CAST(amended.t->>'slippage_bps' AS smallint), slippage_bps),
            limit_price = coalesce(CAST(amended.t->>'limit_price' AS numeric), limit_price),
            stop_price = coalesce(CAST(amended.t->>'stop_price' AS numeric), stop_price),
            expire_at = coalesce(CAST(amended.t->>'expire_at' AS timestamptz), expire_at),
            deadline = coalesce(CAST(amended.t->>'deadline' AS timestamptz), deadline),
            triggered = triggered OR coalesce(CAST(event.data->>'triggered' AS boolean), false),
            updated_at = event.at
        FROM event, stored, amended
        WHERE orders.id = stored.order_id AND orders.last_seq < event.seq AND orders.status NOT IN {_ENDED}
    )"""

# An event goes into the log unless the order has ended before it.
_APPEND = text(f"""
WITH {_TARGET}, stored AS (
    INSERT INTO order_events (order_id, {_EVENT_FIELDS})
    SELECT target.id, {_EVENT_FIELDS} FROM target, event
    WHERE event.seq <= target.last_seq OR target.was NOT IN {_ENDED}
    ON CONFLICT (order_id, seq) DO NOTHING
    RETURNING order_id
), {_ADVANCE}
SELECT order_id FROM stored
""")

# The swap goes in with its event or not at all; a unique key that it breaks takes the event back too. Neither goes in
# while trading is halted: the lock that reading the halt takes makes a halt wait for this statement, or this for it.
_RECORD = text(f"""
WITH {_TARGET}, halt AS (
    SELECT halted_by, reason, halted_at FROM trading_halts WHERE resumed_at IS NULL FOR KEY SHARE
), swap AS (
    SELECT * FROM jsonb_to_record(CAST(:swap AS jsonb)) AS s({_SWAP_TYPES})
), stored AS (
    INSERT INTO order_events (order_id, {_EVENT_FIELDS})
    SELECT target.id, {_EVENT_FIELDS} FROM target, event
    WHERE target.was NOT IN {_ENDED} AND NOT EXISTS (SELECT FROM halt)
    ON CONFLICT (order_id, seq) DO NOTHING
    RETURNING order_id
), recorded AS (
    INSERT INTO swap_attempts (order_id, {_SWAP_FIELDS})
    SELECT stored.order_id, {_SWAP_FIELDS} FROM stored, swap
), {_ADVANCE}
SELECT stored.order_id AS stored, halt.* FROM (VALUES (1)) AS one LEFT JOIN stored ON true LEFT JOIN halt ON true
""")

_STANDING = text(f"""
SELECT {_EVENT_FIELDS} FROM order_events WHERE order_id = :order_id AND seq <= :seq ORDER BY seq DESC LIMIT 1
""")

_RECORDED = text("SELECT * FROM swap_attempts WHERE order_id = :order_id AND signature = :signature")

_SETTLE = text("""
WITH settled AS (
    UPDATE swap_attempts
    SET outcome = :outcome, outcome_slot = :slot, reason = :reason, detail = :detail,
        fill = CAST(:fill AS jsonb), settled_at = now()
    WHERE order_id = :order_id AND attempt = :attempt AND signature = :signature AND outcome IS NULL
    RETURNING *
)
SELECT * FROM settled
""")


class OrderRepository:
    """Implements what the activities need of a store: `activities.store.OrderStore`.

    Every write may run any number of times and changes nothing after the first: an event is known by (order, seq),
    a swap by (order, attempt), whatever else the repetition holds. ConnectionError when PostgreSQL is out of reach.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_order(self, terms: OrderTerms, events: Sequence[OrderEvent]) -> None:
        """Store the order with its first events, at least one; nothing happens when the order is there already."""
        await self._database.fetch(_CREATE, {"terms": _json(terms), "events": _json_list(events)})

    async def append_event(self, order_id: str, event: OrderEvent, terms: OrderTerms | None = None) -> OrderEvent:
        """Store the event and bring the order's row up to it, with new terms if the event changes them.

        Returns the event that stands: the given one, the one that was stored under its seq before, or the one that
        ended the order before it. Raises OrderUnknown.
        """
        parameters = {
            "order_id": UUID(order_id),
            "event": _json(event),
            "terms": _json(terms) if terms is not None else None,
        }
        stored = await self._database.fetch(_APPEND, parameters)
        return event if stored else await self.standing_event(order_id, event.seq)

    async def record_attempt(self, swap: SwapAttempt, event: OrderEvent) -> OrderEvent:
        """Store a signed swap with the event that says it may now be broadcast.

        Returns the event that stands, as `append_event` does; when that is another one, the swap was not stored and
        must not be sent. Raises OrderUnknown, SwapConflict when another signature of the order stands in the way, and
        EngineError `trading_halted` when nothing does but a halt.
        """
        parameters = {"order_id": UUID(swap.order_id), "event": _json(event), "swap": _json(swap), "terms": None}
        try:
            (row,) = await self._database.fetch(_RECORD, parameters)
        except IntegrityError as error:
            if not isinstance(error.orig, UniqueViolation):
                raise
            raise SwapConflict(swap.order_id, swap.attempt, swap.signature) from error
        if row.stored is not None:
            return event
        stands = await self.standing_event(swap.order_id, event.seq)
        if row.halted_by is not None and stands.seq < event.seq and not is_terminal(stands.status):
            raise EngineError(ErrorCode.TRADING_HALTED, str(halt_of(row)))
        return stands

    async def standing_event(self, order_id: str, seq: int) -> OrderEvent:
        """The event under `seq`, or the last one before it. Raises OrderUnknown."""
        rows = await self._database.fetch(_STANDING, {"order_id": UUID(order_id), "seq": seq})
        if not rows:
            raise OrderUnknown(order_id)
        return order_event(rows[0])

    async def recorded_swap(self, order_id: str, signature: str) -> tuple[SwapAttempt, SwapOutcome | None]:
        """A swap that `record_attempt` stored, and its outcome once there is one. Raises SwapUnknown."""
        rows = await self._database.fetch(_RECORDED, {"order_id": UUID(order_id), "signature": signature})
        if not rows:
            raise SwapUnknown(order_id, signature)
        found = attempt_view(rows[0])
        return found.swap, found.outcome

    async def settle_attempt(self, swap: SwapAttempt, outcome: SwapOutcome) -> SwapOutcome:
        """Store what became of the swap, unless it is known; returns the outcome that stands. Raises SwapUnknown."""
        rows = await self._database.fetch(
            _SETTLE,
            {
                "order_id": UUID(swap.order_id),
                "attempt": swap.attempt,
                "signature": swap.signature,
                "outcome": outcome.kind,
                "slot": outcome.slot,
                "reason": outcome.reason,
                "detail": outcome.detail.replace("\0", "\ufffd"),
                "fill": _json(outcome.fill) if outcome.fill else None,
            },
        )
        if rows:
            return outcome
        recorded, stands = await self.recorded_swap(swap.order_id, swap.signature)
        if stands is None or recorded.attempt != swap.attempt:
            raise SwapUnknown(swap.order_id, swap.signature)
        return stands


def _json(model: BaseModel) -> str:
    return _storable(model.model_dump_json())


def _json_list(models: Sequence[BaseModel]) -> str:
    return f"[{','.join(map(_json, models))}]"


def _storable(document: str) -> str:
    # PostgreSQL stores no NUL; one in a message from outside must not keep the order from being written.
    if "\\u0000" not in document:
        return document
    return re.sub(r"(?<!\\)((?:\\\\)*)\\u0000", r"\1\\ufffd", document)
