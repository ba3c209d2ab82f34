"""Clients of a stack under attack: they post orders, follow each one's stream, and remember what they were told."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import httpx
import websockets
from websockets.exceptions import ConnectionClosedError, InvalidHandshake, InvalidMessage

from tests.chaos.wishes import SecondThought, Wish, market
from tests.e2e.stack import Stack
from workflows.messages import CancelResult

_PAUSE = 0.1

# Several lives of a blockhash and the longest back-off of a restart on top.
_STUCK_AFTER = 120.0

# The close codes that say: there is no such order, or no such event. No stream of an accepted order may end so.
_DENIALS = (4400, 4404)


class Answer(StrEnum):
    """What a client knows after posting."""

    ACCEPTED = "accepted"
    # 503 engine_unavailable, or the order's time was over when the request arrived: nothing was created.
    REFUSED = "refused"
    # 503 acceptance_unknown, or the connection broke: there may be an order.
    UNKNOWN = "unknown"


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
    # What each definite answer to a cancellation said, result and status.
    canceled: list[tuple[str, str]] = field(default_factory=list)
    # The change that was made, as far as the client was told.
    amended: Mapping[str, str] | None = None


class Clients:
    """All clients of one stack. Their orders are numbered through, over every run."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.placed: dict[int, Placed] = {}
        self._following: dict[int, asyncio.Task[None]] = {}
        self._thinking: set[asyncio.Task[None]] = set()
        self.surprises: list[str] = []

    @contextlib.asynccontextmanager
    async def http(self) -> AsyncIterator[httpx.AsyncClient]:
        """Connections to post over; a server that does not answer is given up after a while."""
        async with httpx.AsyncClient(base_url=self._stack.api, timeout=15) as client:
            yield client

    async def place(
        self, client: httpx.AsyncClient, draw: random.Random, wish: Wish | None = None, wallet: str = "default"
    ) -> Placed:
        """Post one order, by default at market, and follow it if it was accepted, second thoughts included."""
        wish = wish or market(draw)
        number = len(self.placed) + 1
        body = wish.body(draw, number, wallet)
        if wish.lasts is not None:
            body["expireAt"] = (datetime.now(UTC) + timedelta(seconds=wish.lasts)).isoformat()
        placed = self.placed[number] = Placed(number, body)
        try:
            self._hear(placed, await client.post("/api/orders", json=body))
        except httpx.TransportError as error:
            placed.told = f"{type(error).__name__}: {error}"
        if placed.answer is Answer.ACCEPTED:
            self._following[number] = asyncio.create_task(self._follow(placed))
            if wish.thoughts:
                self._thinking.add(asyncio.create_task(self._think_again(client, placed, wish.thoughts)))
        return placed

    async def ended(self, placed: Placed) -> None:
        """Wait until the stream of an accepted order has ended, or for so long that the audit will find it stuck."""
        await asyncio.wait([self._following[placed.number]], timeout=_STUCK_AFTER)

    async def thought(self) -> None:
        """Wait until nobody has a second thought any more: until then the connections are needed."""
        if self._thinking:
            await asyncio.wait(self._thinking, timeout=_STUCK_AFTER)

    def _hear(self, placed: Placed, answer: httpx.Response) -> None:
        told = answer.json()
        placed.told = f"{answer.status_code} {told.get('code', '')}".strip()
        placed.order_id = told.get("orderId")
        if answer.status_code == 202:
            placed.answer = Answer.ACCEPTED
        elif placed.told == "503 engine_unavailable" or _came_too_late(told):
            placed.answer = Answer.REFUSED
        elif placed.told != "503 acceptance_unknown":
            self.surprises.append(f"request {placed.number} {placed.body} was answered {answer.status_code}: {told}")

    async def followed(self, seconds: float) -> bool:
        """Wait for every stream to end; whether they did in time. Those that did not are given up."""
        waiting = [*self._following.values(), *self._thinking]
        if not waiting:
            return True
        _, unfinished = await asyncio.wait(waiting, timeout=seconds)
        for task in unfinished:
            task.cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        self.surprises += [f"a client failed: {error!r}" for error in results if isinstance(error, Exception)]
        return not unfinished

    async def _think_again(
        self, client: httpx.AsyncClient, placed: Placed, thoughts: tuple[SecondThought, ...]
    ) -> None:
        """Each thought in its turn, or as soon as the order has ended; asked until the answer is definite."""
        for thought in thoughts:
            await asyncio.wait([self._following[placed.number]], timeout=thought.after)
            ask = self._cancel if thought.changes is None else self._amend
            while True:
                if await ask(client, placed, thought):
                    break
                await asyncio.sleep(_PAUSE)

    async def _cancel(self, client: httpx.AsyncClient, placed: Placed, _: SecondThought) -> bool:
        answer, told = await _definite(client.post(f"/api/orders/{placed.order_id}/cancel"))
        if answer == 200:
            placed.canceled.append((told["result"], told["status"]))
        return self._heard(placed, "cancellation", answer, told, {200})

    async def _amend(self, client: httpx.AsyncClient, placed: Placed, thought: SecondThought) -> bool:
        # Under one key, so that asking again is the same question.
        headers = {"If-Match": "*", "Idempotency-Key": f"amend-{placed.number}"}
        address = f"/api/orders/{placed.order_id}"
        answer, told = await _definite(client.patch(address, headers=headers, json=thought.changes))
        if answer == 200:
            placed.amended = thought.changes
        # 409: it is trading, or has ended.
        return self._heard(placed, "amendment", answer, told, {200, 409})

    def _heard(self, placed: Placed, what: str, answer: int | None, told: Any, ends: set[int]) -> bool:
        """Whether nothing is left to be asked; an answer that should not be is a surprise."""
        if answer in ends:
            return True
        if answer in (None, 503) or (answer == 202 and told["result"] == CancelResult.PENDING):
            return False
        self.surprises.append(f"the {what} of order {placed.order_id} was answered {answer}: {told}")
        return True

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


def _came_too_late(told: Any) -> bool:
    """Whether an order that was to last a moment was not taken before that was over."""
    return told.get("code") == "request_invalid" and [each["field"] for each in told["errors"]] == ["expireAt"]


async def _definite(request: Awaitable[httpx.Response]) -> tuple[int | None, Any]:
    """Status and document of an answer; None when the connection broke."""
    try:
        answer = await request
    except (httpx.TransportError, RuntimeError):
        return None, None
    return answer.status_code, answer.json()
