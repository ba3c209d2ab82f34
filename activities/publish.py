"""Publish the status of an order: PostgreSQL first, then the streams."""

import logging
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.store import OrderStore, Relay
from workflows.domain.lifecycle import is_terminal
from workflows.domain.order import OrderEvent
from workflows.messages import PublishStatus, RelayedEvent
from workflows.names import EVENTS_CHANNEL

log = logging.getLogger(__name__)


class RedisRelay:
    """Announces committed events on one Redis channel; what is lost there, streams make up from PostgreSQL."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        # Events that were not announced; nothing is lost by it, and it tells of a relay that is away.
        self.missed = 0

    async def publish(self, order_id: str, account: str, events: Sequence[OrderEvent]) -> None:
        """Announce the events, one message each, in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        for event in events:
            message = RelayedEvent(order_id=order_id, account=account, event=event)
            pipeline.publish(EVENTS_CHANNEL, message.model_dump_json())
        try:
            await pipeline.execute()
        except (RedisError, OSError) as error:
            self.missed += len(events)
            log.warning("events of order %s were not relayed: %s", order_id, error)


class PublishActivities:
    """The publishing step."""

    def __init__(self, store: OrderStore, relay: Relay) -> None:
        self._store = store
        self._relay = relay

    @activity.defn
    async def publish_status(self, request: PublishStatus) -> OrderEvent:
        """Store one event and relay it; answers with the event that stands under its seq."""
        stands = await self._store.append_event(request.order_id, request.event, request.terms)
        await self._relay.publish(request.order_id, request.account, (stands,))
        return stands

    @activity.defn
    async def record_cancel_request(self, request: PublishStatus) -> OrderEvent:
        """Record that a cancellation came too late; answers with the event that stands under its seq, or before it.

        The event goes in only behind the `submitted` event of its own signature: fails, to be tried again, while there
        is none yet.
        """
        before = await self._store.standing_event(request.order_id, request.event.seq - 1)
        if is_terminal(before.status):
            return before
        if before.seq < request.event.seq - 1:
            raise ApplicationError("the swap is not recorded yet", category=ApplicationErrorCategory.BENIGN)
        if before.signature != request.event.signature:
            return before
        return await self.publish_status(request)
