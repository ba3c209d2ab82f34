"""One subscription per process to the relay of events, handed on to however many streams are open.

The relay may lose, repeat or delay a message: it only says early what PostgreSQL knows for certain. While streams are
open PostgreSQL is asked once a moment, for all of them in one query, how far their orders are; a stream that is behind
is told so and reads what it misses.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from api import metrics
from api.feeds import AccountFeeds
from db.views import OrderReader
from workflows.domain.order import OrderEvent
from workflows.messages import RelayedEvent
from workflows.names import EVENTS_CHANNEL

log = logging.getLogger(__name__)

# A lost message delays an event by at most about this.
_CATCH_UP_SECONDS = 1.0

# An order has a few events per attempt; a client with this many unsent ones has stopped reading.
_BACKLOG = 256

# After so long without a message the server is asked for one.
_SILENCE_SECONDS = 2.0

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0


class Subscription:
    """What one stream is told: events as they are relayed, and from time to time the `seq` its order has reached.

    `position` is the last `seq` the stream has sent; the stream keeps it up to date.
    """

    def __init__(self, order_id: str, position: int) -> None:
        self.order_id = order_id
        self.position = position
        self.overflowed = asyncio.Event()
        self._news: asyncio.Queue[OrderEvent | int] = asyncio.Queue(_BACKLOG)

    async def next(self) -> OrderEvent | int:
        """The next event, or the `seq` up to which there are events."""
        return await self._news.get()

    def offer(self, event: OrderEvent) -> None:
        """Tell the stream of an event. One that cannot keep up is marked `overflowed`."""
        try:
            self._news.put_nowait(event)
        except asyncio.QueueFull:
            self.overflowed.set()

    def reached(self, seq: int) -> None:
        """Tell the stream how far its order is, if it is behind and has nothing else to do."""
        if seq > self.position and self._news.empty():
            self._news.put_nowait(seq)


class EventHub:
    """Run it with `running`; then `subscribe`."""

    def __init__(self, redis_url: str, reader: OrderReader, feeds: AccountFeeds) -> None:
        self._redis_url = redis_url
        self._feeds = feeds
        self._reader = reader
        self._subscriptions: dict[str, set[Subscription]] = defaultdict(set)
        self._catch_up_now = asyncio.Event()
        self._connected = False

    @property
    def connected(self) -> bool:
        """Whether events are being relayed at the moment."""
        return self._connected

    @contextlib.contextmanager
    def subscribe(self, order_id: str, position: int) -> Iterator[Subscription]:
        """Be told of the order's events from now on. What was before is in PostgreSQL."""
        subscription = Subscription(order_id, position)
        self._subscriptions[order_id].add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions[order_id].discard(subscription)
            if not self._subscriptions[order_id]:
                del self._subscriptions[order_id]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the subscription up while inside."""
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._catch_up())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with self._redis() as redis, redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(EVENTS_CHANNEL)
                    self._connected, pause = True, _FIRST_PAUSE_SECONDS
                    metrics.RELAY_CONNECTED.set(1)
                    # Whatever was announced while nobody listened.
                    self._catch_up_now.set()
                    self._feeds.announce_all()
                    await self._hand_on_all(pubsub)
            except (RedisError, OSError) as error:
                log.warning("events are not relayed, streams follow PostgreSQL: %s", error)
            except Exception:
                log.exception("events are not relayed, streams follow PostgreSQL")
            finally:
                self._connected = False
                metrics.RELAY_CONNECTED.set(0)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _redis(self) -> Redis:
        # The loop above tries again, at its own pace and with a catch-up each time.
        return Redis.from_url(
            self._redis_url,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=2,
        )

    async def _hand_on_all(self, pubsub: PubSub) -> None:
        """Hand on messages for as long as the server gives signs of life."""
        asked = False
        while True:
            message = await pubsub.get_message(timeout=_SILENCE_SECONDS)
            if message is None:
                if asked:
                    raise ConnectionError(f"no answer to a ping within {_SILENCE_SECONDS:g} s")
                await pubsub.ping()
            elif message["type"] == "message":
                self._hand_on(message["data"])
            asked = message is None

    def _hand_on(self, data: bytes) -> None:
        if not self._subscriptions and not self._feeds.followed:
            return
        try:
            relayed = RelayedEvent.model_validate_json(data)
        except ValidationError as error:
            log.warning("a message that is no event was relayed: %s", error)
            return
        metrics.relayed(relayed.event.at)
        self._feeds.announce(relayed.account)
        for subscription in self._subscriptions.get(relayed.order_id, ()):
            subscription.offer(relayed.event)

    async def _catch_up(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._catch_up_now.wait(), _CATCH_UP_SECONDS)
            self._catch_up_now.clear()
            if not self._subscriptions:
                continue
            try:
                reached = await self._reader.last_seqs(list(self._subscriptions))
            except ConnectionError as error:
                log.warning("open streams cannot be checked against PostgreSQL: %s", error)
                continue
            except Exception:
                # This loop is what makes lost messages harmless: nothing unforeseen may end it.
                log.exception("open streams cannot be checked against PostgreSQL")
                continue
            for order_id, seq in reached.items():
                for subscription in self._subscriptions.get(order_id, ()):
                    subscription.reached(seq)
