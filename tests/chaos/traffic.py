"""Clients of a stack under attack: they post orders, follow each one's stream, and remember what they were told."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

import httpx
import websockets
from websockets.exceptions import ConnectionClosedError, InvalidHandshake, InvalidMessage

from tests.e2e.stack import Stack

# The last digits of an amount number its order, so that an order is found whoever was told its id.
_NUMBERS = 100_000

_PAUSE = 0.1

# Several lives of a blockhash and the longest back-off of a restart on top.
_STUCK_AFTER = 120.0

# The close codes that say: there is no such order, or no such event. No stream of an accepted order may end so.
_DENIALS = (4400, 4404)


class Answer(StrEnum):
    """What a client knows after posting."""

    ACCEPTED = "accepted"
    # 503 engine_unavailable: the engine promises that nothing was created.
    REFUSED = "refused"
    # 503 acceptance_unknown, or the connection broke: there may be an order.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that is sold: symbols, decimals of the sold token, and the range of amounts in base units."""

    sells: str
    buys: str
    decimals: int
    least: int
    most: int


OFFERS = (
    Offer("SOL", "USDC", 9, 10_000_000, 2_000_000_000),
    Offer("USDC", "SOL", 6, 1_000_000, 300_000_000),
    Offer("BONK", "USDC", 5, 10_000_000_000, 90_000_000_000),
    Offer("SOL", "FEE", 9, 10_000_000, 2_000_000_000),
    Offer("FEE", "SOL", 6, 1_000_000, 9_000_000),
)


@dataclass(slots=True)
class Placed:
    """One request of a client and what became of it, as far as the client can tell."""

    number: int
    body: dict[str, Any]
    answer: Answer = Answer.UNKNOWN
    order_id: str | None = None
    told: str = ""
    stream: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0


class Clients:
    """All clients of one stack. Their orders are numbered through, over every run."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.placed: dict[int, Placed] = {}
        self._following: dict[int, asyncio.Task[None]] = {}
        self.surprises: list[str] = []

    @contextlib.asynccontextmanager
    async def http(self) -> AsyncIterator[httpx.AsyncClient]:
        """Connections to post over; a server that does not answer is given up after a while."""
        async with httpx.AsyncClient(base_url=self._stack.api, timeout=15) as client:
            yield client

    async def place(
        self, client: httpx.AsyncClient, draw: random.Random, offer: Offer | None = None, wallet: str = "default"
    ) -> Placed:
        """Post one order and follow it if it was accepted."""
        offer = offer or draw.choice(OFFERS)
        number = len(self.placed) + 1
        amount = draw.randint(offer.least, offer.most) // _NUMBERS * _NUMBERS + number
        shown = f"{Decimal(amount).scaleb(-offer.decimals):f}"
        body = {"tokenIn": offer.sells, "tokenOut": offer.buys, "amount": shown, "slippageBps": 300, "wallet": wallet}
        placed = self.placed[number] = Placed(number, body)
        try:
            self._hear(placed, await client.post("/api/orders", json=body))
        except httpx.TransportError as error:
            placed.told = f"{type(error).__name__}: {error}"
        if placed.answer is Answer.ACCEPTED:
            self._following[number] = asyncio.create_task(self._follow(placed))
        return placed

    async def ended(self, placed: Placed) -> None:
        """Wait until the stream of an accepted order has ended, or for so long that the audit will find it stuck."""
        await asyncio.wait([self._following[placed.number]], timeout=_STUCK_AFTER)

    def _hear(self, placed: Placed, answer: httpx.Response) -> None:
        told = answer.json()
        placed.told = f"{answer.status_code} {told.get('code', '')}".strip()
        placed.order_id = told.get("orderId")
        if answer.status_code == 202:
            placed.answer = Answer.ACCEPTED
        elif placed.told == "503 engine_unavailable":
            placed.answer = Answer.REFUSED
        elif placed.told != "503 acceptance_unknown":
            self.surprises.append(f"request {placed.number} {placed.body} was answered {answer.status_code}: {told}")

    async def followed(self, seconds: float) -> bool:
        """Wait for every stream to end; whether they did in time. Those that did not are given up."""
        waiting = list(self._following.values())
        if not waiting:
            return True
        _, unfinished = await asyncio.wait(waiting, timeout=seconds)
        for task in unfinished:
            task.cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        self.surprises += [f"a stream failed: {error!r}" for error in results if isinstance(error, Exception)]
        return not unfinished

    async def _follow(self, placed: Placed) -> None:
        """Read the stream to its end, coming back with `after` as often as it breaks."""
        after = 0
        while True:
            address = f"{self._stack.api.replace('http', 'ws', 1)}/api/orders/{placed.order_id}/stream?after={after}"
            try:
                async with websockets.connect(address, open_timeout=5, ping_interval=2, ping_timeout=5) as stream:
                    placed.connections += 1
                    async for text in stream:
                        message = json.loads(text)
                        if message["type"] == "event":
                            placed.stream.append(message)
                            after = message["seq"]
                    if stream.close_code == 1000:
                        return
            except ConnectionClosedError as closed:
                if closed.rcvd and closed.rcvd.code in _DENIALS:
                    self.surprises.append(f"the stream of order {placed.order_id} says {closed}")
                    return
            except (InvalidHandshake, InvalidMessage, OSError, TimeoutError):
                pass
            await asyncio.sleep(_PAUSE)

    def answers(self) -> Counter[Answer]:
        """How the requests were answered."""
        return Counter(each.answer for each in self.placed.values())


def number_of(amount: int) -> int:
    """The number of the request that asked for this amount of base units."""
    return amount % _NUMBERS
