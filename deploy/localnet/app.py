"""What the node answers over HTTP: JSON-RPC to POST, "ok" to GET /health."""

import asyncio
from collections.abc import Awaitable
from http import HTTPStatus

from deploy.localnet.faults import OF_REQUESTS, Fault, Kind
from deploy.localnet.http_server import JSON, TEXT, Reply, Request
from deploy.localnet.node import Node
from deploy.localnet.rpc.dispatch import answer, methods_of

# Nodes refuse longer requests too (50 KiB by default).
MAX_BODY = 50 * 1024


class App:
    """The HTTP side of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def __call__(self, request: Request) -> Reply | Awaitable[Reply]:
        """Answer a request, at once unless a fault holds it back."""
        body = request.body or b""
        if request.method == "GET":
            if request.path == "/health":
                return Reply(HTTPStatus.OK, TEXT, b"ok")
            return Reply(HTTPStatus.NOT_FOUND, TEXT, b"not found")
        if request.method != "POST":
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED, TEXT, b"Used HTTP Method is not allowed. POST is required")
        fault = self._fault(body)
        if fault is not None and fault.kind is Kind.RATE_LIMIT:
            return Reply(HTTPStatus.TOO_MANY_REQUESTS, TEXT, b"Too many requests for a specific RPC call")
        reply = Reply(HTTPStatus.OK, JSON, answer(self._node, body))
        return reply if fault is None else _held_back(reply, fault.seconds)

    def _fault(self, body: bytes) -> Fault | None:
        faults = self._node.faults
        if not faults.active:
            return None
        hits = (faults.hit(method, OF_REQUESTS) for method in methods_of(body))
        return next((hit for hit in hits if hit is not None), None)


async def _held_back(reply: Reply, seconds: float) -> Reply:
    await asyncio.sleep(seconds)
    return reply
