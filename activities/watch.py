"""Watch the price of a pair: one look at its pools per slot, whatever the number of orders that wait for it."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Protocol

from solders.pubkey import Pubkey
from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.pools import Pair, PairState, PoolReader
from activities.solana.rpc import ChainUnavailable
from activities.venues.errors import MissingAccounts, VenueError
from activities.venues.pool import Mode, Pool, Swap
from activities.watch_book import Book, Size, Waiting
from activities.watch_log import Watcher, WatchLog
from workflows import names
from workflows.domain.ids import watch_id, workflow_id
from workflows.domain.open_order import OpenOrder
from workflows.domain.trigger import unit_price
from workflows.messages import WatchedPair

log = logging.getLogger(__name__)

# The pair's orders are looked at this often for one that came, went or was changed.
_ORDERS_SECONDS = 0.5

# Reading them takes at most one part in so many of the time.
_READING_SHARE = 10

# A pair without open orders is watched a while longer: the next one often comes soon.
_LINGER_SECONDS = 10.0

# A server that does not answer must not keep the watcher from its next sign of life.
_PATIENCE_SECONDS = 2.0

# A hint can be lost on its way, or the order find that it was wrong: repeated while the order stays open and crossed.
_FIRST_REPEAT_SECONDS = 2.0
_LONGEST_REPEAT_SECONDS = 60.0

# Hints that are on their way to Temporal at the same time.
_CONCURRENT_HINTS = 32

# Thousands of orders that open at once come to the watcher's history in a few signals.
_BETWEEN_ANNOUNCEMENTS_SECONDS = 0.1

# A quote may walk past the accounts at hand; deeper ones could not be carried by a transaction anyway.
_WALK_ROUNDS = 4


class OpenOrders(Protocol):
    """Where the open orders of a pair are listed; `db.open_orders.OpenOrderReader` provides it.

    Every method raises ConnectionError when it cannot be reached.
    """

    async def stamp(self, first: str, second: str) -> tuple[int, int]:
        """How many orders are open, and a number that is another one when they are others."""

    async def of_pair(self, first: str, second: str) -> Sequence[OpenOrder]:
        """The open orders."""

    async def pairs(self) -> Sequence[tuple[str, str]]:
        """Every pair that has open orders."""


class Prices:
    """What sizes get in one state of the pair's pools; `missing` are the accounts that some walk asked for."""

    def __init__(self, state: PairState) -> None:
        self._state = state
        self._known: dict[Size, Fraction | None] = {}
        self.missing: dict[Pubkey, tuple[Pubkey, ...]] = {}

    def of(self, size: Size) -> Fraction | None:
        """The best executable price of a single pool; None when none fills the size."""
        if size not in self._known:
            found = [price for pool in self._state.pools if (price := self._in_pool(pool.pool, size)) is not None]
            self._known[size] = max(found, default=None)
        return self._known[size]

    def _in_pool(self, pool: Pool | None, size: Size) -> Fraction | None:
        if pool is None:
            return None
        mode = Mode.EXACT_OUT if size.exact_out else Mode.EXACT_IN
        swap = Swap(str(pool.mint_a.address) == size.token_in, mode, size.amount)
        try:
            quote = pool.quote(swap, self._state.clock)
        except MissingAccounts as error:
            self.missing[pool.address] = error.keys
            return None
        except VenueError:
            return None
        if not quote.amount_in or not quote.amount_out:
            return None
        return unit_price(quote.amount_in, size.decimals_in, quote.amount_out, size.decimals_out)


class Repeats:
    """When each order is told again that its price is reached."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, float, float]] = {}

    def due(self, crossed: Iterable[Waiting], now: float) -> list[Waiting]:
        """The orders to tell now: newly crossed or changed ones at once, the others ever more seldom."""
        told, due = {}, []
        for order in crossed:
            version, at, pause = self._told.get(order.order_id, (-1, now, _FIRST_REPEAT_SECONDS / 2))
            if version != order.version:
                at, pause = now, _FIRST_REPEAT_SECONDS / 2
            if at <= now:
                due.append(order)
                pause = min(2 * pause, _LONGEST_REPEAT_SECONDS)
                at = now + pause
            told[order.order_id] = (order.version, at, pause)
        # Who is no longer crossed starts anew.
        self._told = told
        return due


class _Orders:
    """The pair's book, kept in step with the store."""

    def __init__(self, orders: OpenOrders, pair: WatchedPair) -> None:
        self._orders = orders
        self._pair = pair
        self._stamp: tuple[int, int] | None = None
        self._looked_at = float("-inf")
        self._pause = 0.0
        self._occupied_at = time.monotonic()
        self.book = Book(())

    async def refresh(self) -> None:
        """Read what changed; in an outage the orders known so far stay."""
        now = time.monotonic()
        if now - self._looked_at < self._pause:
            return
        self._looked_at = now
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                stamp = await self._orders.stamp(self._pair.first, self._pair.second)
                if stamp != self._stamp:
                    self.book = Book(await self._orders.of_pair(self._pair.first, self._pair.second))
                    # Read before the orders: a change between the two is found at the next look.
                    self._stamp = stamp
                # Thousands of orders take a while to read, and all else in the process waits.
                self._pause = max(_ORDERS_SECONDS, _READING_SHARE * (time.monotonic() - now))
        except (ConnectionError, TimeoutError) as error:
            # Not knowing is not the same as having none.
            self._occupied_at = now
            log.warning("open orders of %s: %s", self._pair, error)
            return
        if stamp[0]:
            self._occupied_at = now

    @property
    def count(self) -> int:
        """How many are open, as far as is known."""
        return self._stamp[0] if self._stamp is not None else 0

    def deserted(self) -> bool:
        """Whether there has been no order for a while, by the store's own word."""
        return time.monotonic() - self._occupied_at > _LINGER_SECONDS


class Announcements:
    """Tells watchers of orders that opened: one signal for all that come before it leaves."""

    def __init__(self) -> None:
        self._next: dict[WatchedPair, asyncio.Task[None]] = {}
        self._turns: defaultdict[WatchedPair, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._last: defaultdict[WatchedPair, float] = defaultdict(lambda: float("-inf"))

    async def send(self, client: Client, pair: WatchedPair) -> None:
        """Return once a signal is there that was sent after this call. Raises RPCError."""
        if pair not in self._next:
            self._next[pair] = asyncio.create_task(self._send(client, pair))
        # Shielded: one order that gives up must not take the signal from the others.
        await asyncio.shield(self._next[pair])

    async def _send(self, client: Client, pair: WatchedPair) -> None:
        async with self._turns[pair]:
            await asyncio.sleep(max(0.0, self._last[pair] + _BETWEEN_ANNOUNCEMENTS_SECONDS - time.monotonic()))
            # Whoever comes from here on needs the next one.
            del self._next[pair]
            self._last[pair] = time.monotonic()
            await start_watcher(client, pair)


class WatchActivities:
    """The watcher of a pair, and seeing to it that there is one."""

    def __init__(self, orders: OpenOrders, pools: PoolReader, interval: float, log: WatchLog) -> None:
        self._orders = orders
        self._pools = pools
        self._interval = interval
        self._log = log
        self._hints = asyncio.Semaphore(_CONCURRENT_HINTS)
        self._announcements = Announcements()

    @activity.defn
    async def ensure_watched(self, pair: WatchedPair) -> None:
        """See to it that a watcher looks at the open orders of the pair as they are stored from now on."""
        await self._announcements.send(activity.client(), pair)

    @activity.defn
    async def watch_pair(self, pair: WatchedPair) -> None:
        """Tell the pair's open orders when their price is reached; returns when there has been none for a while."""
        with self._log.watching(pair) as watcher:
            await self._watch(pair, watcher)

    async def _watch(self, pair: WatchedPair, watcher: Watcher) -> None:
        orders, repeats = _Orders(self._orders, pair), Repeats()
        seen: tuple[int, Book] | None = None
        crossed: Sequence[Waiting] = ()
        while not orders.deserted():
            started = time.monotonic()
            activity.heartbeat()
            await orders.refresh()
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    state = await self._pools.read(Pair.of(pair.first, pair.second))
                    if seen != (state.clock.slot, orders.book):
                        seen = state.clock.slot, orders.book
                        crossed = await self._crossed(pair, state, orders.book)
                watcher.saw(state.clock.slot, orders.count)
            except (ChainUnavailable, ConnectionError, TimeoutError) as error:
                watcher.trouble = str(error) or "no answer in time"
                log.warning("pools of %s: %s", pair, watcher.trouble)
                seen, crossed = None, ()
            await self._tell(repeats.due(crossed, time.monotonic()))
            await asyncio.sleep(max(0.0, started + self._interval - time.monotonic()))

    async def _crossed(self, pair: WatchedPair, state: PairState, book: Book) -> Sequence[Waiting]:
        for _ in range(_WALK_ROUNDS):
            prices = Prices(state)
            crossed = book.crossed(prices.of)
            if not prices.missing:
                break
            state = await self._pools.read_further(Pair.of(pair.first, pair.second), prices.missing)
        return crossed

    async def _tell(self, orders: Sequence[Waiting]) -> None:
        client = activity.client()
        await asyncio.gather(*(self._hint(client, order) for order in orders))

    async def _hint(self, client: Client, order: Waiting) -> None:
        handle = client.get_workflow_handle(workflow_id(order.order_id))
        async with self._hints:
            # A crossing of thousands takes longer than a watcher may be silent.
            activity.heartbeat()
            try:
                await handle.signal(names.PRICE_REACHED)
            except RPCError as error:
                # Over since the last look, or told again in a moment.
                if error.status is not RPCStatusCode.NOT_FOUND:
                    log.warning("order %s was not told of its price: %s", order.order_id, error)


async def start_watcher(client: Client, pair: WatchedPair) -> None:
    """Tell the pair's watcher that an order is open, and start it if it is not there. Raises RPCError."""
    await client.start_workflow(
        names.WATCH_WORKFLOW,
        pair,
        id=watch_id(pair.first, pair.second),
        task_queue=names.TASK_QUEUE,
        task_timeout=names.WORKFLOW_TASK_TIMEOUT,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="watch the price of a pair",
        start_signal=names.ORDER_OPENED,
    )


async def start_watchers(client: Client, orders: OpenOrders) -> None:
    """See to it that every pair with open orders has its watcher, whatever became of the one it had."""
    for first, second in await orders.pairs():
        await start_watcher(client, WatchedPair(first=first, second=second))
