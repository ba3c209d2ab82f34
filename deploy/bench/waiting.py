"""`order-engine bench waiting`: what open orders cost while nothing happens, and how soon a crossing is acted on."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import quantiles

import httpx
from redis.asyncio import Redis

from activities.solana.rpc import SolanaRpc
from deploy.bench.chain_clock import read_chain_clock
from deploy.bench.orders import Addresses
from deploy.bench.processor import cpu_seconds, resident_bytes
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

# A crossing is made by buying: this much above the price of before, by this much USDC, which moves localnet's pools
# further than that.
_ABOVE = Decimal("1.0005")
_BUY = {"tokenIn": "USDC", "tokenOut": "SOL", "amount": "2000000", "slippageBps": 1_000}


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured. `cpu_percent` of one core and `bytes_per_order` by service; `delays` in seconds."""

    orders: int
    opened_per_second: float
    cpu_percent: Mapping[str, float]
    bytes_per_order: Mapping[str, float]
    delays: Sequence[float]
    confirmed: int


async def run(
    stack: StackState, addresses: Addresses, count: int, crossing: int, tell: Callable[[Result], None]
) -> None:
    """Open `count` orders far from the price, look on, then cross `crossing` more at once.

    Tells what it measured, then cancels what it opened.
    """
    rpc = SolanaRpc(addresses.rpc)
    try:
        clock = await read_chain_clock(rpc)
    finally:
        await rpc.close()
    async with _Desk(addresses) as desk:
        memory, started = resident_bytes(stack), time.perf_counter()
        far = await desk.open([Decimal(random.randrange(1_000, 2_000)) for _ in range(count)])
        per_second = count / (time.perf_counter() - started)
        grown = resident_bytes(stack)
        before = cpu_seconds(stack)
        await asyncio.sleep(_IDLE_SECONDS)
        idle = {name: 100 * (used - before.get(name, 0.0)) / _IDLE_SECONDS for name, used in cpu_seconds(stack).items()}
        limit = (await desk.price() * _ABOVE).quantize(Decimal("0.000001"))
        near = await desk.open([limit] * crossing)
        bought = await desk.until(await desk.post(_BUY), Status.CONFIRMED)
        assert bought.event.fill is not None
        shown_at = clock.confirmed_at(bought.event.fill.slot)
        routed = [await desk.until(order_id, Status.ROUTING) for order_id in near]
        ended = [await desk.until_end(order_id) for order_id in near]
        result = Result(
            orders=count,
            opened_per_second=per_second,
            cpu_percent=idle,
            bytes_per_order={name: (grown[name] - memory.get(name, 0)) / count for name in grown},
            delays=[seen.at - shown_at for seen in routed],
            confirmed=sum(event.status is Status.CONFIRMED for event in ended),
        )
        tell(result)
        await desk.cancel(far)


@dataclass(frozen=True, slots=True)
class _Seen:
    event: OrderEvent
    at: float


class _Desk:
    """Posts orders and hears of their events on the channel that feeds the streams."""

    def __init__(self, addresses: Addresses) -> None:
        self._http = httpx.AsyncClient(base_url=addresses.api, timeout=60)
        self._redis = Redis.from_url(addresses.redis)
        self._channel = self._redis.pubsub()
        self._seen: dict[tuple[str, Status], _Seen] = {}
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

    async def price(self) -> Decimal:
        """What one unit of the input token brings now, by the best single pool."""
        answer = await self._http.post("/api/quotes", json=_SELL)
        answer.raise_for_status()
        best = answer.json()["best"]
        return Decimal(best["amountOut"]) / Decimal(best["amountIn"])

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

    async def until(self, order_id: str, status: Status) -> _Seen:
        """The order's event of this status, when it is there."""
        while (order_id, status) not in self._seen:
            try:
                async with asyncio.timeout(_LOST_SECONDS), self._news:
                    await self._news.wait_for(lambda: (order_id, status) in self._seen)
            except TimeoutError:
                await self._look_up(order_id)
        return self._seen[order_id, status]

    async def _look_up(self, order_id: str) -> None:
        """What the relay has lost; it is as late as it is found out."""
        answer = await self._http.get(f"/api/orders/{order_id}/events")
        answer.raise_for_status()
        for shown in answer.json()["events"]:
            event = OrderEvent(seq=shown["seq"], status=shown["status"], at=shown["at"], attempt=shown["attempt"])
            self._seen.setdefault((order_id, event.status), _Seen(event, time.time()))

    async def until_end(self, order_id: str) -> OrderEvent:
        """The order's last event."""

        def last() -> list[OrderEvent]:
            found = [self._seen.get((order_id, status)) for status in Status if is_terminal(status)]
            return [seen.event for seen in found if seen is not None]

        async with self._news:
            await self._news.wait_for(last)
        return last()[0]

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
                    key = relayed.order_id, relayed.event.status
                    self._seen.setdefault(key, _Seen(relayed.event, time.time()))
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
    ]
