"""A JSON-RPC endpoint on loopback that answers as a test tells it to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from activities.solana.transport import host_of

KEY = "secret-key-in-the-path"


@dataclass
class FakeEndpoint:
    """`answer` gives the result of a method, or a Reply for anything else."""

    url: str = ""
    slot: int = 1_000
    genesis_hash: str = "11111111111111111111111111111111"
    calls: list[str] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    text: str | None = None
    hangs: bool = False
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    running: int = 0
    most_running: int = 0
    results: dict[str, Callable[[list[Any]], Any]] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """Host and port."""
        return host_of(self.url)

    def asked(self, method: str) -> int:
        """How often a method was called."""
        return self.calls.count(method)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one call."""
        call = await request.json()
        self.calls.append(call["method"])
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            # Others arrive meanwhile.
            await (self.closing.wait() if self.hangs else asyncio.sleep(0.005))
        finally:
            self.running -= 1
        if self.status != 200:
            return web.Response(status=self.status, headers=self.headers, text="not now")
        if self.text is not None:
            return web.Response(text=self.text, content_type="application/json")
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": call["id"]}
        if self.error is not None:
            body["error"] = self.error
        else:
            body["result"] = self._result(call["method"], call.get("params", []))
        return web.Response(text=json.dumps(body), content_type="application/json")

    def _result(self, method: str, params: list[Any]) -> Any:
        if method in self.results:
            return self.results[method](params)
        if method == "getSlot":
            return self.slot
        if method == "getGenesisHash":
            return self.genesis_hash
        if method == "getMinimumBalanceForRentExemption":
            return self.slot
        if method == "sendTransaction":
            return "1" * 64
        if method == "getSignatureStatuses":
            return {"context": {"slot": self.slot}, "value": [None] * len(params[0])}
        raise AssertionError(method)


@asynccontextmanager
async def serving(endpoint: FakeEndpoint) -> AsyncIterator[FakeEndpoint]:
    """Serve it on a free port."""
    app = web.Application()
    app.router.add_post("/{tail:.*}", endpoint.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    endpoint.url = f"http://user:password@{host}:{port}/{KEY}?api-key={KEY}"
    try:
        yield endpoint
    finally:
        endpoint.closing.set()
        await runner.cleanup()
