"""The open orders of a pair, as its price watcher reads them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text

from db.database import Database
from workflows.domain.open_order import OpenOrder
from workflows.domain.order import OrderType
from workflows.domain.trigger import Conditions, unit_price

_OF_PAIR = "status = 'open' AND token_in IN (:first, :second) AND token_out IN (:first, :second)"

# Differs whenever an order comes, goes or is changed, but for a chance of one in 2^64.
_STAMP = text(f"""
SELECT count(*) AS orders, coalesce(sum(hashtextextended(id::text, last_seq)), 0) AS stamp FROM orders WHERE {_OF_PAIR}
""")

_OPEN = text(f"""
SELECT
    id, last_seq, type, token_in, amount_in, amount_out, limit_price, stop_price, triggered,
    CAST(terms->'token_in'->>'decimals' AS int) AS decimals_in,
    CAST(terms->'token_out'->>'decimals' AS int) AS decimals_out
FROM orders WHERE {_OF_PAIR}
""")

_PAIRS = text("""
SELECT DISTINCT least(token_in COLLATE "C", token_out) AS first, greatest(token_in COLLATE "C", token_out) AS second
FROM orders WHERE status = 'open'
""")


class OpenOrderReader:
    """Every method raises ConnectionError when PostgreSQL is out of reach. Mints in byte order of their text."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stamp(self, first: str, second: str) -> tuple[int, int]:
        """How many orders of the pair are open, and a number that is another one when they are others."""
        (row,) = await self._database.fetch(_STAMP, {"first": first, "second": second})
        return row.orders, int(row.stamp)

    async def of_pair(self, first: str, second: str) -> Sequence[OpenOrder]:
        """The open orders that trade the two mints, either way."""
        rows = await self._database.fetch(_OPEN, {"first": first, "second": second})
        return [_open_order(row) for row in rows]

    async def pairs(self) -> Sequence[tuple[str, str]]:
        """Every pair that has open orders."""
        return [(row.first, row.second) for row in await self._database.fetch(_PAIRS)]


def _open_order(row: Row[Any]) -> OpenOrder:
    amount_in = int(row.amount_in)
    amount_out = int(row.amount_out) if row.amount_out is not None else None
    most = unit_price(amount_in, row.decimals_in, amount_out, row.decimals_out) if amount_out is not None else None
    return OpenOrder(
        order_id=str(row.id),
        version=row.last_seq,
        token_in=row.token_in,
        amount_in=amount_in,
        amount_out=amount_out,
        decimals_in=row.decimals_in,
        decimals_out=row.decimals_out,
        conditions=Conditions(OrderType(row.type), row.limit_price, row.stop_price, most, row.triggered),
    )
