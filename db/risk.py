"""Reservations and halts: the writes that decide, in PostgreSQL, whether an order may trade."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from db.database import Database
from workflows.domain.risk import Claim, Halt, Reserved

_RESERVE = text("""
SELECT * FROM reserve_for_order(
    jsonb_populate_record(NULL::risk_reservations, CAST(:wanted AS jsonb)),
    :slot, :held_lamports, :held_tokens, :most_a_day
)
""")

_IN_FORCE = text("SELECT halted_by, reason, halted_at FROM trading_halts WHERE resumed_at IS NULL")
_HALT = text("SELECT halt_trading(:by, :reason) AS done")
_RESUME = text("""
UPDATE trading_halts SET resumed_at = now(), resumed_by = :by WHERE resumed_at IS NULL
RETURNING halted_by, reason, halted_at
""")


class ReservationRepository:
    """Implements `activities.risk.Reservations`. ConnectionError when PostgreSQL is out of reach."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, claim: Claim, figures: Mapping[str, Any]) -> Reserved | None:
        """Reserve what the order claims if that fits beside all others; answers what the others hold.

        One round trip, any number of times, from any number of workers: a later claim of the order takes the place of
        its former. Nothing is stored when it does not fit, which `risk.check_funds` and `risk.check_daily_notional`
        find from the answer. None when the order has ended or traded and needs nothing any more.
        """
        rows = await self._database.fetch(
            _RESERVE,
            {
                "wanted": json.dumps(_row(claim, figures)),
                "slot": claim.slot,
                "held_lamports": claim.held_lamports,
                "held_tokens": claim.held_tokens,
                "most_a_day": claim.most_a_day,
            },
        )
        if not rows:
            return None
        (row,) = rows
        return Reserved(int(row.lamports), int(row.spare_lamports), int(row.tokens), int(row.notional))


def _row(claim: Claim, figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "order_id": str(UUID(claim.order_id)),
        "attempt": claim.attempt,
        "account": claim.account,
        "wallet": claim.wallet,
        "mint": claim.mint,
        "lamports": claim.needs.lamports,
        "spare_lamports": claim.needs.spare_lamports,
        "tokens": claim.needs.tokens,
        "notional": claim.notional,
        "figures": figures,
    }


class HaltRepository:
    """The kill switch. ConnectionError when PostgreSQL is out of reach."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def in_force(self) -> Halt | None:
        """The halt that is in force."""
        rows = await self._database.fetch(_IN_FORCE)
        return halt_of(rows[0]) if rows else None

    async def halt(self, by: str, reason: str) -> bool:
        """Halt trading: when this returns no further swap can be recorded, and none that is not is ever sent.

        False when a halt was in force already, which stands.
        """
        (row,) = await self._database.fetch(_HALT, {"by": by, "reason": reason})
        return bool(row.done)

    async def resume(self, by: str) -> Halt | None:
        """End the halt that is in force, and answer which it was; None when there was none."""
        rows = await self._database.fetch(_RESUME, {"by": by})
        return halt_of(rows[0]) if rows else None


def halt_of(row: Row[Any]) -> Halt:
    """The halt of a row of `trading_halts`."""
    return Halt(by=row.halted_by, reason=row.reason, at=row.halted_at)
