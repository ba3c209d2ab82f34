"""What the nodes answer over HTTP: JSON-RPC to POST, "ok" to GET /health; `/node/<name>` picks the node."""

import asyncio
from collections.abc import Awaitable
from http import HTTPStatus

from deploy.localnet.faults import OF_REQUESTS, Fault, Kind
from deploy.localnet.http_server import JSON, TEXT, Reply, Request
from deploy.localnet.metrics import FAULTS
from deploy.localnet.node import Node, Nodes
from deploy.localnet.rpc.dispatch import answer, methods_of

# Nodes refuse longer requests too (50 KiB by default).
MAX_BODY = 50 * 1024


class App:
    """The HTTP side of all nodes."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def __call__(self, request: Request) -> Reply | Awaitable[Reply | None] | None:
        """Answer a request, at once unless a fault holds it back; None closes the connection."""
        body = request.body or b""
        node = self._nodes.at(request.path.removesuffix("/health") if request.method == "GET" else request.path)
        if node is None:
            return Reply(HTTPStatus.NOT_FOUND, TEXT, b"no such node")
        if request.method == "GET":
            if request.path.endswith("/health"):
                return Reply(HTTPStatus.OK, TEXT, b"ok")
            return Reply(HTTPStatus.NOT_FOUND, TEXT, b"not found")
        if request.method != "POST":
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED, TEXT, b"Used HTTP Method is not allowed. POST is required")
        if node.faults.active and (fault := _request_fault(node, body)) is not None:
            return _struck(node, body, fault)
        return Reply(HTTPStatus.OK, JSON, answer(node, body))


def _request_fault(node: Node, body: bytes) -> Fault | None:
    for method in methods_of(body):
        for fault in node.faults.hits(method, OF_REQUESTS, first=True):
            return fault
    return None


def _struck(node: Node, body: bytes, fault: Fault) -> Reply | Awaitable[Reply | None] | None:
    """What comes of a request that `fault` strikes."""
    kind = fault.kind
    FAULTS.labels(kind).inc()
    if kind is Kind.RATE_LIMIT:
        headers = () if fault.retry_after is None else (("retry-after", str(fault.retry_after)),)
        words = b"Too many requests for a specific RPC call"
        return Reply(HTTPStatus.TOO_MANY_REQUESTS, TEXT, words, headers)
    done = answer(node, body) if kind in (Kind.TIMEOUT, Kind.MALFORMED) or fault.after else b""
    if kind is Kind.TIMEOUT:
        return _held_back(Reply(HTTPStatus.OK, JSON, done), fault.seconds)
    if kind is Kind.MALFORMED:
        return Reply(HTTPStatus.OK, JSON, done[: len(done) // 2])
    if kind is Kind.SERVER_ERROR:
        status = HTTPStatus(fault.status)
        return Reply(status, TEXT, status.phrase.encode())
    return _never() if kind is Kind.HANG else None


async def _held_back(reply: Reply, seconds: float) -> Reply:
    await asyncio.sleep(seconds)
    return reply


async def _never() -> None:
    """Until the client leaves: then its connection cancels this."""
    await asyncio.Event().wait()
