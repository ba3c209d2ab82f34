"""`order-engine bench streams`: many WebSocket clients on one API process, and what they miss when servers restart.

Every client follows all orders of the account. Delivery is the time from the moment an event is relayed, as this
process hears it from Redis itself, to the moment a client has it.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError
from websockets.asyncio.client import connect

from deploy.bench.light_client import LightClient
from deploy.bench.orders import Addresses
from deploy.local.state import StackState
from workflows.messages import RelayedEvent
from workflows.names import EVENTS_CHANNEL

_ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.01", "slippageBps": 100}

# The numbers of an event, at the beginning and the end of its text.
_NUMBERS = re.compile(rb'^.{0,80}?"seq":(\d+),.*"accountSeq":(\d+),"orderId":"([^"]+)"\}$', re.DOTALL)

# Handshakes at a time; a machine that opens thousands at once measures its own queue.
_OPENING = 100

_RECONNECT_SECONDS = 0.5

# An order that has not ended by then is a fault of its own, not of the streams.
_PATIENCE_SECONDS = 120.0


@dataclass(slots=True)
class Follower:
    """One client: the numbers of the events it was told, in order, and how long the steady ones took (seconds)."""

    position: int
    told: list[int] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    connections: int = 0


@dataclass(frozen=True, slots=True)
class Streamed:
    """What was measured. Missing and doubled events are counted over all clients."""

    clients: int
    events: int
    missing: int
    doubled: int
    disordered: int
    reconnects: int
    opened_seconds: float
    delays: Sequence[float]


async def run(stack: StackState, addresses: Addresses, clients: int, orders: int, rate: float) -> Streamed:
    """`clients` follow the account while `orders` are posted at `rate` a second, twice: in peace, and with restarts."""
    async with _Bench(stack, addresses, clients) as bench:
        opened = await bench.open()
        await bench.trade(orders, rate)
        delays = bench.delays()
        disturbing = asyncio.create_task(bench.restart_servers())
        await bench.trade(orders, rate)
        await disturbing
        last = await bench.everyone_is_told()
        return bench.result(opened, delays, last)


class _Bench:
    def __init__(self, stack: StackState, addresses: Addresses, clients: int) -> None:
        self._stack = stack
        self._addresses = addresses
        self._http = httpx.AsyncClient(base_url=addresses.api, timeout=30)
        self._followers = [Follower(0) for _ in range(clients)]
        self._relayed: dict[tuple[str, int], float] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._first = 0
        self._progress = asyncio.Event()

    async def __aenter__(self) -> "_Bench":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    async def open(self) -> float:
        """Connect every client; the seconds that took."""
        self._first = await self._position()
        self._tasks.append(asyncio.create_task(self._listen()))
        started, gate = time.perf_counter(), asyncio.Semaphore(_OPENING)
        for follower in self._followers:
            follower.position = self._first
            self._tasks.append(asyncio.create_task(self._follow(follower, gate)))
        await self._until(lambda: all(follower.connections for follower in self._followers))
        return time.perf_counter() - started

    async def trade(self, orders: int, rate: float) -> None:
        """Post orders evenly and wait until the last of them has ended."""
        posted = []
        for _ in range(orders):
            posted.append(asyncio.create_task(self._order()))
            await asyncio.sleep(1 / rate)
        await asyncio.gather(*posted)

    async def restart_servers(self) -> None:
        """Kill Redis and, a moment later, the API; the stack starts them again."""
        await asyncio.sleep(1)
        self._kill("redis")
        await asyncio.sleep(2)
        self._kill("api")

    def delays(self) -> list[float]:
        """How long deliveries took so far."""
        return [delay for follower in self._followers for delay in follower.delays]

    async def everyone_is_told(self) -> int:
        """Wait until every client has the account's last event; its number."""
        last = await self._position()
        with contextlib.suppress(TimeoutError):
            await self._until(lambda: all(follower.position >= last for follower in self._followers))
        return last

    async def _until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not reached():
                self._progress.clear()
                await self._progress.wait()

    def result(self, opened: float, delays: Sequence[float], last: int) -> Streamed:
        """What every client was told, against every number there is."""
        expected = range(self._first + 1, last + 1)
        missing = doubled = disordered = 0
        for follower in self._followers:
            counts = Counter(follower.told)
            missing += sum(number not in counts for number in expected)
            doubled += sum(count - 1 for count in counts.values())
            disordered += follower.told != sorted(follower.told)
        reconnects = sum(follower.connections - 1 for follower in self._followers)
        return Streamed(len(self._followers), len(expected), missing, doubled, disordered, reconnects, opened, delays)

    def _kill(self, name: str) -> None:
        pid = next(record.pid for record in self._stack.processes if record.name == name)
        os.kill(pid, signal.SIGKILL)

    async def _position(self) -> int:
        async with connect(self._address()) as stream:
            welcome: dict[str, Any] = json.loads(await stream.recv())
            return int(welcome["accountSeq"])

    def _address(self) -> str:
        return f"ws{self._addresses.api.removeprefix('http')}/api/stream"

    async def _follow(self, follower: Follower, gate: asyncio.Semaphore) -> None:
        def take(text: bytes, at: float) -> None:
            self._take(follower, text, at)

        while True:
            with contextlib.suppress(OSError):
                async with gate:
                    client = await LightClient.open(self._address(), take)
                follower.connections += 1
                request = {"op": "subscribe", "channel": "orders", "id": "all", "after": follower.position}
                client.send(json.dumps(request))
                self._progress.set()
                try:
                    await client.closed.wait()
                finally:
                    client.end()
            await asyncio.sleep(_RECONNECT_SECONDS)

    def _take(self, follower: Follower, text: bytes, at: float) -> None:
        found = _NUMBERS.search(text)
        if found is None:
            return
        seq, account_seq, order_id = int(found[1]), int(found[2]), found[3].decode()
        follower.told.append(account_seq)
        follower.position = account_seq
        relayed = self._relayed.get((order_id, seq))
        if relayed is not None:
            follower.delays.append(at - relayed)
        self._progress.set()

    async def _listen(self) -> None:
        while True:
            try:
                async with Redis.from_url(self._addresses.redis) as redis, redis.pubsub() as channel:
                    await channel.subscribe(EVENTS_CHANNEL)
                    async for message in channel.listen():
                        if message["type"] == "message":
                            event = RelayedEvent.model_validate_json(message["data"])
                            self._relayed[event.order_id, event.event.seq] = time.perf_counter()
            except (RedisError, OSError):
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def _order(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        order_id = None
        while time.monotonic() < deadline:
            try:
                if order_id is None:
                    answer = await self._http.post("/api/orders", json=_ORDER)
                    if answer.is_success:
                        order_id = answer.json()["orderId"]
                else:
                    answer = await self._http.get(f"/api/orders/{order_id}")
                    if answer.is_success and answer.json()["phase"] in ("COMPLETED", "FAILED"):
                        return
            except (httpx.HTTPError, ValueError):
                # The API is being restarted.
                pass
            await asyncio.sleep(0.25)


def report(streamed: Streamed) -> list[str]:
    """The figures for people, one line each."""
    cuts = quantiles(streamed.delays, n=100) if len(streamed.delays) > 1 else [0.0] * 99
    return [
        f"clients on one API process   {streamed.clients}, opened in {streamed.opened_seconds:.1f} s",
        f"events for each of them      {streamed.events}",
        f"delivery in steady state     p50 {cuts[49] * 1_000:.0f} ms   p99 {cuts[98] * 1_000:.0f} ms"
        f"   ({len(streamed.delays)} deliveries)",
        f"with Redis and API restarted reconnects {streamed.reconnects}, missing={streamed.missing}"
        f" doubled={streamed.doubled} disordered={streamed.disordered}",
    ]
