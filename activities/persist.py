"""Make an accepted order durable in PostgreSQL."""

from collections.abc import Callable

from temporalio import activity

from activities.store import OrderStore, Relay
from workflows.domain.errors import EngineError
from workflows.domain.order import OrderTerms
from workflows.messages import OrderAccepted, PersistOrder


class PersistActivities:
    """The first step of an order; `admit` raises EngineError for one that may not trade, whatever its quotes."""

    def __init__(self, store: OrderStore, relay: Relay, admit: Callable[[OrderTerms], None]) -> None:
        self._store = store
        self._relay = relay
        self._admit = admit

    @activity.defn
    async def persist_order(self, request: PersistOrder) -> OrderAccepted:
        """Store the order and its first events, relay them; answers whether it may trade as far as can be said now."""
        await self._store.create_order(request.terms, request.events)
        await self._relay.publish(request.terms.order_id, request.terms.account, request.events)
        try:
            self._admit(request.terms)
        except EngineError as error:
            return OrderAccepted(reason=error.code, detail=error.detail)
        return OrderAccepted()
