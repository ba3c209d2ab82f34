"""The log of an account: the events of all its orders, in the order in which they were committed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text

from db.database import Database
from db.rows import order_event
from workflows.domain.order import OrderEvent, OrderTerms

# How many events one read returns at most.
MOST_LOGGED = 500

_AFTER = text("""
SELECT account_log.seq AS account_seq, orders.terms, order_events.*
FROM account_log
JOIN order_events ON order_events.order_id = account_log.order_id AND order_events.seq = account_log.order_seq
JOIN orders ON orders.id = account_log.order_id
WHERE account_log.account = :account AND account_log.seq > :after
ORDER BY account_log.seq
LIMIT :limit
""")
_POSITIONS = text("SELECT account, last_seq FROM account_positions WHERE account = ANY(:accounts)")


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event under its number in the log of the account, with the terms of its order."""

    account_seq: int
    terms: OrderTerms
    event: OrderEvent


class AccountLog:
    """Every method raises ConnectionError when PostgreSQL is out of reach."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def after(self, account: str, position: int, limit: int = MOST_LOGGED) -> Sequence[LoggedEvent]:
        """The account's events numbered beyond `position`, in order and without a gap."""
        rows = await self._database.fetch(_AFTER, {"account": account, "after": position, "limit": limit})
        return [LoggedEvent(row.account_seq, OrderTerms.model_validate(row.terms), order_event(row)) for row in rows]

    async def positions(self, accounts: Sequence[str]) -> Mapping[str, int]:
        """The last number of each of the accounts that have any event."""
        rows = await self._database.fetch(_POSITIONS, {"accounts": list(accounts)})
        return {row.account: row.last_seq for row in rows}
