"""`order-engine bench orders`: throughput of whole orders against the floor, latency, overhead and CPU."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

import httpx
from redis.asyncio import Redis

from activities.solana.rpc import SolanaRpc
from deploy.bench.chain_clock import ChainClock, read_chain_clock
from deploy.bench.floor import measure_floor
from deploy.bench.processor import cpu_seconds, per_order_ms
from deploy.local.state import StackState
from workflows.domain.lifecycle import Status, is_terminal
from workflows.messages import RelayedEvent
from workflows.names import EVENTS_CHANNEL

_ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.01", "slippageBps": 100}


# Far beyond any order's life here; an announcement that was lost would be waited for for ever.
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the running stack is."""

    api: str
    redis: str
    rpc: str


@dataclass(slots=True)
class Life:
    """Moments of one order in `time.time` seconds, as its events were relayed."""

    posted: float
    submitted: float = 0.0
    ended: float = 0.0
    status: Status | None = None
    slot: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured; latencies in seconds."""

    floor_per_second: float
    orders_per_second: float
    busy: Sequence[Life]
    calm: Sequence[Life]
    clock: ChainClock
    cpu_ms: dict[str, float]


async def run(stack: StackState, addresses: Addresses, count: int, in_flight: int, rate: float) -> Result:
    """Measure the floor, then `count` orders with `in_flight` at a time, then orders at `rate` per second."""
    rpc = SolanaRpc(addresses.rpc)
    try:
        clock = await read_chain_clock(rpc)
    finally:
        await rpc.close()
    async with _Watcher(addresses) as watcher:
        # The first orders open connections, fill caches and compile what is compiled once.
        await watcher.side_by_side(in_flight, in_flight)
        floor = await measure_floor(count, in_flight)
        before, started = cpu_seconds(stack), time.perf_counter()
        busy = await watcher.side_by_side(count, in_flight)
        per_second = count / (time.perf_counter() - started)
        cpu = per_order_ms(before, cpu_seconds(stack), count)
        calm = await watcher.evenly(round(rate * 20), rate)
    return Result(floor, per_second, busy, calm, clock, cpu)


class _Watcher:
    """Posts orders and hears of their ends on the channel that feeds the streams."""

    def __init__(self, addresses: Addresses) -> None:
        self._http = httpx.AsyncClient(base_url=addresses.api, timeout=60)
        self._redis = Redis.from_url(addresses.redis)
        self._channel = self._redis.pubsub()
        self._lives: dict[str, Life] = {}
        self._early: dict[str, list[tuple[RelayedEvent, float]]] = {}
        self._ends: dict[str, asyncio.Future[None]] = {}

    async def __aenter__(self) -> "_Watcher":
        await self._channel.subscribe(EVENTS_CHANNEL)
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.cancel()
        await self._channel.aclose()  # type: ignore[no-untyped-call]
        await self._redis.aclose()
        await self._http.aclose()

    async def side_by_side(self, count: int, in_flight: int) -> list[Life]:
        """`count` orders, `in_flight` at a time."""
        gate = asyncio.Semaphore(in_flight)

        async def one() -> Life:
            async with gate:
                return await self._order()

        return await asyncio.gather(*(one() for _ in range(count)))

    async def evenly(self, count: int, rate: float) -> list[Life]:
        """`count` orders, `rate` of them per second, whether or not earlier ones have ended."""
        started = asyncio.get_running_loop().time()
        orders = []
        for number in range(count):
            await asyncio.sleep(max(0.0, started + number / rate - asyncio.get_running_loop().time()))
            orders.append(asyncio.create_task(self._order()))
        return await asyncio.gather(*orders)

    async def _order(self) -> Life:
        life = Life(posted=time.time())
        answer = await self._http.post("/api/orders", json=_ORDER)
        answer.raise_for_status()
        order_id = answer.json()["orderId"]
        self._lives[order_id] = life
        end = self._ends[order_id] = asyncio.get_running_loop().create_future()
        for event, at in self._early.pop(order_id, []):
            self._take(event, at)
        try:
            await asyncio.wait_for(asyncio.shield(end), _PATIENCE_SECONDS)
        except TimeoutError:
            raise ConnectionError(f"order {order_id} was not heard to end in {_PATIENCE_SECONDS:g} s") from None
        return life

    async def _listen(self) -> None:
        async for message in self._channel.listen():
            if message["type"] == "message":
                self._take(RelayedEvent.model_validate_json(message["data"]), time.time())

    def _take(self, relayed: RelayedEvent, at: float) -> None:
        life = self._lives.get(relayed.order_id)
        if life is None:
            # The answer to the POST is still on its way.
            self._early.setdefault(relayed.order_id, []).append((relayed, at))
            return
        event = relayed.event
        if event.status is Status.SUBMITTED:
            life.submitted = at
        if is_terminal(event.status):
            life.ended, life.status = at, event.status
            life.slot = event.fill.slot if event.fill else 0
            self._ends[relayed.order_id].set_result(None)


def overhead(life: Life, clock: ChainClock) -> float:
    """Seconds from POST to the terminal event without the wait for the chain.

    The chain is waited for from the moment the bytes may be sent until the slot after theirs begins.
    """
    waited = max(0.0, clock.confirmed_at(life.slot) - life.submitted)
    return life.ended - life.posted - waited


def report(result: Result, in_flight: int, rate: float) -> list[str]:
    """The figures for people, one line each."""
    ratio = result.orders_per_second / result.floor_per_second
    failed = sum(life.status is not Status.CONFIRMED for life in (*result.busy, *result.calm))
    busy, calm = ([life.ended - life.posted for life in lives] for lives in (result.busy, result.calm))
    overheads = [overhead(life, result.clock) for life in result.calm if life.status is Status.CONFIRMED]
    return [
        f"empty workflows, {in_flight} in flight  {result.floor_per_second:7.1f} /s",
        f"whole orders, {in_flight} in flight     {result.orders_per_second:7.1f} /s   ratio {ratio:.2f}",
        f"latency, {in_flight} in flight          {_percentiles(busy)}",
        f"latency at {rate:g} orders/s         {_percentiles(calm)}",
        f"engine overhead at {rate:g} orders/s {_percentiles(overheads)}",
        f"orders not confirmed             {failed}",
        "CPU per order                    " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in result.cpu_ms.items()),
    ]


def _percentiles(seconds: Sequence[float]) -> str:
    cuts = quantiles(seconds, n=100)
    return f"p50 {cuts[49] * 1_000:6.0f} ms   p99 {cuts[98] * 1_000:6.0f} ms"
