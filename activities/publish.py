"""Publish the status of an order: PostgreSQL first, then the streams."""

import logging

from redis.asyncio import Redis
from redis.exceptions import RedisError
from temporalio import activity

from activities.store import OrderStore, Relay
from workflows.domain.order import OrderEvent
from workflows.messages import PublishStatus, RelayedEvent
from workflows.names import EVENTS_CHANNEL

log = logging.getLogger(__name__)


class RedisRelay:
    """Announces committed events on one Redis channel; what is lost there, streams make up from PostgreSQL."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def publish(self, order_id: str, account: str, event: OrderEvent) -> None:
        """Announce the event."""
        message = RelayedEvent(order_id=order_id, account=account, event=event)
        try:
            await self._redis.publish(EVENTS_CHANNEL, message.model_dump_json())
        except (RedisError, OSError) as error:
            log.warning("event %d of order %s was not relayed: %s", event.seq, order_id, error)


class PublishActivities:
    """The publishing step."""

    def __init__(self, store: OrderStore, relay: Relay) -> None:
        self._store = store
        self._relay = relay

    @activity.defn
    async def publish_status(self, request: PublishStatus) -> OrderEvent:
        """Store one event and relay it; answers with the event that stands under its seq."""
        stands = await self._store.append_event(request.order_id, request.event)
        await self._relay.publish(request.order_id, request.account, stands)
        return stands
