"""`order-engine bench waiting`: what open orders cost while nothing happens, and how soon a crossing is acted on.

The orders to be crossed are opened among the others, in any order: like any waiting order, most of them have left the
worker's cache by the time their price comes. The crossing is one trade on localnet that moves the price past the
limit of all of them at once. It counts from the moment before that trade, so that nothing of what the engine takes to
notice it is left out, until the order's `routing` event, committed to PostgreSQL, has come to a listener.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import quantiles

import httpx
from redis.asyncio import Redis

from deploy.bench.orders import Addresses
from deploy.bench.processor import cpu_seconds, per_order_ms, resident_bytes
from deploy.local.state import StackState
from workflows.domain.lifecycle import Status, is_terminal
from workflows.domain.order import OrderEvent
from workflows.messages import RelayedEvent
from workflows.names import EVENTS_CHANNEL

_SELL = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.01", "slippageBps": 100}
_IDLE_SECONDS = 20.0
_POSTS_AT_A_TIME = 16

# The relay promises nothing: an event that has not come by now is looked up.
_LOST_SECONDS = 10.0

# So far above the price of before are the limits, and so far is it moved: further than the fee of the pool.
_ABOVE = Decimal("1.002")
_MOVE_BPS = 300


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured. `cpu_percent` of one core and `bytes_per_order` by service; `delays` in seconds.

    `crossing_cpu_ms` of each service is what one crossed order took until the last of them was `routing`.
    """

    orders: int
    opened_per_second: float
    cpu_percent: Mapping[str, float]
    bytes_per_order: Mapping[str, float]
    crossing_cpu_ms: Mapping[str, float]
    delays: Sequence[float]
    confirmed: int


async def run(
    stack: StackState, addresses: Addresses, count: int, crossing: int, tell: Callable[[Result], None]
) -> None:
    """Open `count` orders far from the price and `crossing` near it, look on, then let the price cross the near ones.

    Tells what it measured, then cancels what it opened.
    """
    async with _Desk(addresses) as desk:
        memory, started = resident_bytes(stack), time.perf_counter()
        pool, price = await desk.best()
        limit = (price * _ABOVE).quantize(Decimal("0.000001"))
        limits = [Decimal(random.randrange(1_000, 2_000)) for _ in range(count)] + [limit] * crossing
        random.shuffle(limits)
        order_ids = await desk.open(limits)
        near = [order_id for order_id, its in zip(order_ids, limits, strict=True) if its == limit]
        per_second = len(limits) / (time.perf_counter() - started)
        grown = resident_bytes(stack)
        before = cpu_seconds(stack)
        await asyncio.sleep(_IDLE_SECONDS)
        idle = {name: 100 * (used - before.get(name, 0.0)) / _IDLE_SECONDS for name, used in cpu_seconds(stack).items()}
        before = cpu_seconds(stack)
        crossed_at = await desk.cross(pool)
        routed = [await desk.until(order_id, Status.ROUTING) for order_id in near]
        spent = per_order_ms(before, cpu_seconds(stack), crossing)
        ended = [await desk.until(order_id) for order_id in near]
        result = Result(
            orders=len(limits),
            opened_per_second=per_second,
            cpu_percent=idle,
            bytes_per_order={name: (grown[name] - memory.get(name, 0)) / len(limits) for name in grown},
            crossing_cpu_ms=spent,
            delays=[seen.at - crossed_at for seen in routed],
            confirmed=sum(seen.event.status is Status.CONFIRMED for seen in ended),
        )
        tell(result)
        await desk.cancel([order_id for order_id in order_ids if order_id not in set(near)])


@dataclass(frozen=True, slots=True)
class _Seen:
    event: OrderEvent
    at: float


class _Desk:
    """Posts orders and hears of their events on the channel that feeds the streams."""

    def __init__(self, addresses: Addresses) -> None:
        self._node = addresses.rpc
        self._http = httpx.AsyncClient(base_url=addresses.api, timeout=60)
        self._redis = Redis.from_url(addresses.redis)
        self._channel = self._redis.pubsub()
        self._seen: dict[str, dict[Status, _Seen]] = defaultdict(dict)
        self._news = asyncio.Condition()

    async def __aenter__(self) -> "_Desk":
        await self._channel.subscribe(EVENTS_CHANNEL)
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.cancel()
        await self._channel.aclose()  # type: ignore[no-untyped-call]
        await self._redis.aclose()
        await self._http.aclose()

    async def best(self) -> tuple[str, Decimal]:
        """The pool that pays most for the input token, and how much."""
        answer = await self._http.post("/api/quotes", json=_SELL)
        answer.raise_for_status()
        best = answer.json()["best"]
        return best["pool"], Decimal(best["amountOut"]) / Decimal(best["amountIn"])

    async def open(self, limits: Sequence[Decimal]) -> list[str]:
        """Orders with these limits, once all of them are open."""
        gate = asyncio.Semaphore(_POSTS_AT_A_TIME)

        async def one(limit: Decimal) -> str:
            async with gate:
                return await self.post(_SELL | {"type": "limit", "limitPrice": str(limit)})

        order_ids = await asyncio.gather(*map(one, limits))
        for order_id in order_ids:
            await self.until(order_id, Status.OPEN)
        return order_ids

    async def post(self, body: Mapping[str, object]) -> str:
        """The id of an accepted order."""
        answer = await self._http.post("/api/orders", json=body)
        answer.raise_for_status()
        return str(answer.json()["orderId"])

    async def cross(self, pool: str) -> float:
        """Let somebody else trade in the pool, so that SOL is dearer; the moment at which that was asked for."""
        call = {"jsonrpc": "2.0", "id": 1, "method": "localnet_movePrice", "params": [pool, _MOVE_BPS]}
        asked_at = time.time()
        answer = await self._http.post(self._node, json=call)
        if "error" in answer.json():
            raise ConnectionError(f"localnet did not move the price: {answer.json()['error']}")
        return asked_at

    async def until(self, order_id: str, status: Status | None = None) -> _Seen:
        """The order's event of this status, or its last one, when it is there.

        Raises ConnectionError when the order ended without.
        """
        while (seen := self._found(order_id, status)) is None:
            try:
                async with asyncio.timeout(_LOST_SECONDS), self._news:
                    await self._news.wait_for(lambda: self._found(order_id, status) is not None)
            except TimeoutError:
                await self._look_up(order_id)
        if status is not None and seen.event.status is not status:
            raise ConnectionError(f"order {order_id} is {seen.event.status} ({seen.event.reason}), not {status}")
        return seen

    def _found(self, order_id: str, status: Status | None) -> _Seen | None:
        seen = self._seen[order_id]
        end = next((each for reached, each in seen.items() if is_terminal(reached)), None)
        return end if status is None else seen.get(status, end)

    async def _look_up(self, order_id: str) -> None:
        """What the relay has lost; it is as late as it is found out."""
        answer = await self._http.get(f"/api/orders/{order_id}/events")
        answer.raise_for_status()
        for shown in answer.json()["events"]:
            event = OrderEvent(seq=shown["seq"], status=shown["status"], at=shown["at"], attempt=shown["attempt"])
            self._seen[order_id].setdefault(event.status, _Seen(event, time.time()))

    async def cancel(self, order_ids: Sequence[str]) -> None:
        """Cancel the orders."""
        for first in range(0, len(order_ids), 100):
            body = {"orderIds": order_ids[first : first + 100]}
            (await self._http.post("/api/orders/cancel-all", json=body)).raise_for_status()

    async def _listen(self) -> None:
        async for message in self._channel.listen():
            if message["type"] == "message":
                relayed = RelayedEvent.model_validate_json(message["data"])
                async with self._news:
                    self._seen[relayed.order_id].setdefault(relayed.event.status, _Seen(relayed.event, time.time()))
                    self._news.notify_all()


def report(result: Result) -> list[str]:
    """The figures for people, one line each."""
    cuts = quantiles(result.delays, n=100)
    idle = sorted(result.cpu_percent.items(), key=lambda entry: -entry[1])
    grown = sorted(result.bytes_per_order.items(), key=lambda entry: -entry[1])
    return [
        f"open orders                {result.orders}, opened at {result.opened_per_second:.1f} /s",
        f"idle CPU, % of a core      {sum(result.cpu_percent.values()):.1f}: "
        + ", ".join(f"{name} {percent:.1f}" for name, percent in idle),
        "memory per order, KB       " + ", ".join(f"{name} {each / 1_000:.1f}" for name, each in grown if each > 0),
        f"crossing of {len(result.delays)} to routing  p50 {cuts[49] * 1_000:.0f} ms   p99 {cuts[98] * 1_000:.0f} ms"
        f"   confirmed {result.confirmed}",
        "                           from the trade on the chain that crossed all limits at once, to the event relayed",
        "CPU per crossed order, ms  "
        f"{sum(result.crossing_cpu_ms.values()):.0f}: "
        + ", ".join(f"{name} {each:.1f}" for name, each in result.crossing_cpu_ms.items() if each >= 0.05),
    ]
