"""Which orders of an account a list shows, as PostgreSQL is asked for them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func

from db.models import OrderRow
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderType
from workflows.domain.routing import Venue, venues_with


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders are meant: those that fit every side that is given, None leaves a side open.

    `pair` holds two mints, sold either way. `venue` is one that the order trades on, alone or with others.
    `created_after` is among the times that fit, `created_before` is not: lists of times next to each other share no
    order and miss none.
    """

    order_ids: Sequence[str] | None = None
    statuses: Collection[Status] | None = None
    types: Collection[OrderType] | None = None
    pair: tuple[str, str] | None = None
    wallet: str | None = None
    venue: Venue | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    parent_id: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions in SQL, each in the form of the index that serves it."""
        found: list[ColumnElement[bool]] = []
        if self.order_ids is not None:
            found.append(OrderRow.id.in_([UUID(order_id) for order_id in self.order_ids]))
        if self.statuses is not None:
            found.append(OrderRow.status.in_(sorted(self.statuses)))
        if self.types is not None:
            found.append(OrderRow.type.in_(sorted(self.types)))
        if self.pair is not None:
            # Base58 is ASCII, whose byte order is Python's.
            first, second = sorted(self.pair)
            mints = OrderRow.token_in.collate("C"), OrderRow.token_out
            found += [func.least(*mints) == first, func.greatest(*mints) == second]
        if self.wallet is not None:
            found.append(OrderRow.wallet == self.wallet)
        if self.venue is not None:
            found.append(OrderRow.venue.in_(venues_with(self.venue)))
        if self.created_after is not None:
            found.append(OrderRow.created_at >= self.created_after)
        if self.created_before is not None:
            found.append(OrderRow.created_at < self.created_before)
        if self.parent_id is not None:
            found.append(OrderRow.parent_id == UUID(self.parent_id))
        return found
