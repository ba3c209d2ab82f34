"""Make an accepted order durable in PostgreSQL."""

from temporalio import activity

from activities.store import OrderStore, Relay
from workflows.messages import PersistOrder


class PersistActivities:
    """The first step of an order."""

    def __init__(self, store: OrderStore, relay: Relay) -> None:
        self._store = store
        self._relay = relay

    @activity.defn
    async def persist_order(self, request: PersistOrder) -> None:
        """Store the order and its first events, then relay them."""
        await self._store.create_order(request.terms, request.events)
        await self._relay.publish(request.terms.order_id, request.terms.account, request.events)
