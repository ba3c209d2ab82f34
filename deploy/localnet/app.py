"""The HTTP side: one POST endpoint for JSON-RPC, and GET /health."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from deploy.localnet.faults import Fault, Kind
from deploy.localnet.node import Node
from deploy.localnet.rpc.dispatch import answer, methods_of

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

# Nodes refuse longer requests too (50 KiB by default).
_MAX_BODY = 50 * 1024
_JSON = (b"content-type", b"application/json")
_TEXT = (b"content-type", b"text/plain")


class App:
    """The ASGI application of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            return
        if scope["method"] == "GET":
            healthy = scope["path"] == "/health"
            await _respond(send, 200 if healthy else 404, _TEXT, b"ok" if healthy else b"not found")
            return
        if scope["method"] != "POST":
            await _respond(send, 405, _TEXT, b"Used HTTP Method is not allowed. POST or OPTIONS is required")
            return
        body = await _body(receive)
        if body is None:
            await _respond(send, 413, _TEXT, b"request body too large")
            return
        fault = self._fault(body)
        if fault is not None and fault.kind is Kind.RATE_LIMIT:
            await _respond(send, 429, _TEXT, b"Too many requests for a specific RPC call")
            return
        if fault is not None and fault.kind is Kind.TIMEOUT:
            await asyncio.sleep(fault.seconds)
        await _respond(send, 200, _JSON, answer(self._node, body))

    def _fault(self, body: bytes) -> Fault | None:
        faults = self._node.faults
        if not faults.active:
            return None
        hits = (faults.on_call(method) for method in methods_of(body))
        return next((hit for hit in hits if hit is not None), None)


async def _body(receive: Receive) -> bytes | None:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MAX_BODY:
            return None
    return body


async def _respond(send: Send, status: int, content_type: tuple[bytes, bytes], body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [content_type, length]})
    await send({"type": "http.response.body", "body": body})
