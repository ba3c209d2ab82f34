"""The orders of an account that have not ended."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, select

from db.database import Database
from db.models import OrderRow
from workflows.domain.lifecycle import TERMINAL, Status

_OF_ACCOUNT = select(OrderRow.id, OrderRow.status).where(
    OrderRow.account == bindparam("account"),
    OrderRow.created_at <= bindparam("accepted_by"),
    OrderRow.status.not_in(sorted(TERMINAL)),
)


class LiveOrderReader:
    """Raises ConnectionError when PostgreSQL is out of reach."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_account(self, account: str, accepted_by: datetime) -> Sequence[tuple[str, Status]]:
        """Id and status of the orders of the account that were accepted by then and have not ended."""
        rows = await self._database.fetch(_OF_ACCOUNT, {"account": account, "accepted_by": accepted_by})
        return [(str(row.id), Status(row.status)) for row in rows]
