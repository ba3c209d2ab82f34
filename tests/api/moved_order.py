"""An order whose events a test stores and announces by hand."""

from activities.publish import RedisRelay
from db.orders import OrderRepository
from tests.samples import FILL, first_events, order_event, order_terms
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderEvent


class Order:
    """An order that a test moves on by hand."""

    def __init__(self, store: OrderRepository, relay: RedisRelay) -> None:
        self.terms = order_terms()
        self._store = store
        self._relay = relay

    async def create(self) -> "Order":
        await self._store.create_order(self.terms, first_events())
        return self

    async def store(self, event: OrderEvent) -> OrderEvent:
        """Store an event that no relay announces."""
        return await self._store.append_event(self.terms.order_id, event)

    async def announce(self, *events: OrderEvent) -> None:
        await self._relay.publish(self.terms.order_id, self.terms.account, events)

    async def happen(self, event: OrderEvent) -> None:
        await self.announce(await self.store(event))

    async def end(self, seq: int) -> None:
        await self.happen(order_event(seq, Status.CONFIRMED, fill=FILL))
