"""A desk that never rests, for measuring the page: as many past orders as are wanted, and events at a steady rate.

It answers what the page asks with made-up orders, so that only the page is measured and not an engine behind it.
"""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.routes import web

# Events come in small bursts, as from an engine that works on several orders.
_TICK_SECONDS = 0.05
_LIFE = ("pending", "routing", "building", "submitted", "confirmed")
_PHASES = {"pending": "PENDING", "confirmed": "COMPLETED"}
_TOKENS = [
    {"mint": symbol * 8, "symbol": symbol, "decimals": decimals, "program": "program"}
    for symbol, decimals in (("SOL", 9), ("USDC", 6))
]


class Feed:
    """The account: its orders, newest first, and their events as they happen."""

    def __init__(self, count: int, rate: int) -> None:
        self.sent = 0
        self._rate = rate
        self._random = random.Random(1)
        self._numbers = itertools.count(1)
        self._orders = [self._order(datetime.now(UTC) - timedelta(seconds=count - at)) for at in range(count)]
        self._orders.reverse()

    def app(self) -> FastAPI:
        """The page, and what it asks for."""
        app = FastAPI(openapi_url=None)
        app.include_router(web.router)
        app.add_api_route("/api/me", lambda: {"account": "desk", "scopes": ["read"], "keyId": None, "cluster": "none"})
        app.add_api_route("/api/tokens", lambda: {"tokens": _TOKENS})
        app.add_api_route("/api/orders", self._page)
        app.add_api_websocket_route("/api/stream", self._stream)
        return app

    async def _page(self, limit: int = 50, cursor: int = 0) -> dict[str, Any]:
        end = cursor + limit
        return {"orders": self._orders[cursor:end], "nextCursor": str(end) if end < len(self._orders) else None}

    async def _stream(self, websocket: WebSocket) -> None:
        await websocket.accept("order-engine")
        await websocket.send_json(
            {"type": "welcome", "account": "desk", "accountSeq": self.sent, "heartbeatSeconds": 10}
        )
        with contextlib.suppress(WebSocketDisconnect):
            request = await websocket.receive_json()
            await websocket.send_json({"type": "subscribed", "id": request["id"], "after": self.sent})
            begun, first = monotonic(), self.sent
            for event in self._events():
                await websocket.send_json({"type": "event", "id": request["id"], **event})
                early = (self.sent - first) / self._rate - (monotonic() - begun)
                if early > _TICK_SECONDS:
                    await asyncio.sleep(early)

    def _events(self) -> Iterator[dict[str, Any]]:
        """The lives of ever new orders, a handful at a time, interleaved."""
        while True:
            lives = [self._order(datetime.now(UTC), "pending") for _ in range(10)]
            for order in lives:
                self._orders.insert(0, order)
            for seq, status in enumerate(_LIFE, 1):
                for order in lives:
                    self.sent += 1
                    yield self._moved(order, seq, status)

    def _moved(self, order: dict[str, Any], seq: int, status: str) -> dict[str, Any]:
        filled = {"filledIn": order["amount"], "filledOut": "150.123456"} if status == "confirmed" else {}
        facts = {
            "status": status,
            "phase": _PHASES.get(status, "PROCESSING"),
            "attempt": 1,
            "reason": None,
            "venue": "raydium",
            "signature": None,
            "filledIn": None,
            "filledOut": None,
        } | filled
        now = datetime.now(UTC).isoformat()
        order.update(facts, lastSeq=seq, updatedAt=now)
        # As large as an event with a decision.
        data = {"why": "x" * 2_000} if status == "building" else {}
        return {**facts, "seq": seq, "at": now, "data": data, "accountSeq": self.sent, "orderId": order["orderId"]}

    def _order(self, at: datetime, status: str = "confirmed") -> dict[str, Any]:
        done = status == "confirmed"
        amount = f"{self._random.randint(1, 10**6) / 1_000:g}"
        return {
            "orderId": str(UUID(int=next(self._numbers))),
            "type": "market",
            "status": status,
            "phase": _PHASES[status],
            "lastSeq": 5 if done else 0,
            "tokenIn": "SOL",
            "tokenOut": "USDC",
            "amount": amount,
            "attempt": 1,
            "reason": None,
            "venue": "meteora" if done else None,
            "signature": None,
            "filledIn": amount if done else None,
            "filledOut": "150.123456" if done else None,
            "createdAt": at.isoformat(),
            "updatedAt": (at + timedelta(milliseconds=400)).isoformat(),
            "links": {"temporalUi": "/"},
        }
