"""The reads: orders, their events and attempts, as the clients and streams ask for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, select, tuple_

from db.database import Database
from db.filters import OrderFilter
from db.models import OrderEventRow, OrderRow, SwapAttemptRow
from db.risk_models import RiskReservationRow
from db.rows import AttemptView, OrderView, RiskCheckView, attempt_view, order_event, order_view, risk_check_view
from workflows.domain.lifecycle import TERMINAL, Status, is_terminal
from workflows.domain.order import OrderEvent

# How many events one read returns at most, unless told otherwise.
MOST_EVENTS = 1_000


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the list of an account's orders, newest first; ids order those of the same moment."""

    created_at: datetime
    order_id: str


_ALL = OrderFilter()

_ORDER = select(OrderRow.__table__)
_ORDER_BY_ID = _ORDER.where(OrderRow.id == bindparam("order_id"))
_ORDER_BY_CLIENT_ID = _ORDER.where(
    OrderRow.account == bindparam("account"), OrderRow.client_order_id == bindparam("client_order_id")
)
_EVENTS = (
    select(OrderEventRow.__table__)
    .where(OrderEventRow.order_id == bindparam("order_id"), OrderEventRow.seq > bindparam("after"))
    .order_by(OrderEventRow.seq)
    .limit(bindparam("limit"))
)
_ATTEMPTS = (
    select(SwapAttemptRow.__table__)
    .where(SwapAttemptRow.order_id == bindparam("order_id"))
    .order_by(SwapAttemptRow.attempt)
)
_RISK_CHECK = select(RiskReservationRow.__table__).where(RiskReservationRow.order_id == bindparam("order_id"))
_LAST_SEQS = select(OrderRow.id, OrderRow.last_seq).where(OrderRow.id == func.any(bindparam("order_ids")))

# One statement, so that both are of the same moment.
_IN_PROGRESS = select(
    select(func.count())
    .where(
        OrderRow.account == bindparam("account"),
        OrderRow.status.in_(
            [status.value for status in Status if not is_terminal(status) and status is not Status.OPEN]
        ),
    )
    .scalar_subquery()
    .label("orders"),
    select(func.array_agg(OrderRow.id))
    .where(OrderRow.id == func.any(bindparam("order_ids")))
    .scalar_subquery()
    .label("stored"),
)


class OrderReader:
    """Every method raises ConnectionError when PostgreSQL is out of reach, and takes order ids in canonical form."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def order(self, order_id: str) -> OrderView | None:
        """The order, or None when it is not stored."""
        rows = await self._database.fetch(_ORDER_BY_ID, {"order_id": UUID(order_id)})
        return order_view(rows[0]) if rows else None

    async def order_by_client_id(self, account: str, client_order_id: str) -> OrderView | None:
        """The account's order of this name, or None when none is stored."""
        parameters = {"account": account, "client_order_id": client_order_id}
        rows = await self._database.fetch(_ORDER_BY_CLIENT_ID, parameters)
        return order_view(rows[0]) if rows else None

    async def live(self, account: str, wanted: OrderFilter, limit: int) -> list[OrderView]:
        """At most `limit` of the account's orders that have not ended and fit the filter, oldest first."""
        query = (
            _ORDER.where(OrderRow.account == account, OrderRow.status.not_in(sorted(TERMINAL)), *wanted.conditions())
            .order_by(OrderRow.created_at, OrderRow.id)
            .limit(limit)
        )
        return [order_view(row) for row in await self._database.fetch(query)]

    async def newest(
        self, account: str, limit: int, before: Position | None = None, wanted: OrderFilter = _ALL
    ) -> list[OrderView]:
        """At most `limit` of the account's orders that fit, newest first, those after `before` in that order."""
        query = _ORDER.where(OrderRow.account == account, *wanted.conditions())
        if before is not None:
            place = tuple_(OrderRow.created_at, OrderRow.id)
            query = query.where(place < tuple_(before.created_at, UUID(before.order_id)))
        query = query.order_by(OrderRow.created_at.desc(), OrderRow.id.desc()).limit(limit)
        return [order_view(row) for row in await self._database.fetch(query)]

    async def events(self, order_id: str, after: int = 0, limit: int = MOST_EVENTS) -> list[OrderEvent]:
        """The order's events with `seq` beyond `after`, in order; none for an unknown order."""
        parameters = {"order_id": UUID(order_id), "after": after, "limit": limit}
        return [order_event(row) for row in await self._database.fetch(_EVENTS, parameters)]

    async def attempts(self, order_id: str) -> list[AttemptView]:
        """The swaps signed for the order, first to last."""
        rows = await self._database.fetch(_ATTEMPTS, {"order_id": UUID(order_id)})
        return [attempt_view(row) for row in rows]

    async def risk_check(self, order_id: str) -> RiskCheckView | None:
        """The last risk check that the order passed, None when it has passed none."""
        rows = await self._database.fetch(_RISK_CHECK, {"order_id": UUID(order_id)})
        return risk_check_view(rows[0]) if rows else None

    async def in_progress(self, account: str, order_ids: Sequence[str] = ()) -> tuple[int, frozenset[str]]:
        """How many of the account's orders have neither ended nor rest, and which of `order_ids` are stored."""
        parameters = {"account": account, "order_ids": [UUID(order_id) for order_id in order_ids]}
        (row,) = await self._database.fetch(_IN_PROGRESS, parameters)
        return row.orders, frozenset(map(str, row.stored or ()))

    async def last_seqs(self, order_ids: Sequence[str]) -> Mapping[str, int]:
        """The last `seq` of each of the orders that are stored."""
        rows = await self._database.fetch(_LAST_SEQS, {"order_ids": [UUID(order_id) for order_id in order_ids]})
        return {str(row.id): row.last_seq for row in rows}
