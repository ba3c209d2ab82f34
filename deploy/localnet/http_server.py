"""A small HTTP/1.1 server: many short requests over kept connections.

Answers are computed at once, in the event loop. One that is held back on purpose holds back those behind it
on the same connection, and no others.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import NamedTuple, TypeAlias, cast

import httptools

JSON, TEXT = "application/json", "text/plain; charset=utf-8"
_TOO_LARGE = b"request body too large"


class Request(NamedTuple):
    """A whole request; `body` is None when it was too long to be kept."""

    method: str
    path: str
    body: bytes | None
    keep_alive: bool


class Reply(NamedTuple):
    """A whole answer."""

    status: HTTPStatus
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


# No reply closes the connection without an answer.
Handler: TypeAlias = Callable[[Request], Reply | Awaitable[Reply | None] | None]


class Connections:
    """The open connections of a server, and what answers their requests."""

    def __init__(self, handler: Handler, max_body: int) -> None:
        self.handler = handler
        self.max_body = max_body
        self.transports: set[asyncio.Transport] = set()

    def protocol(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return _Connection(self)

    def close(self) -> None:
        """Close every connection; answers already written still go out."""
        for transport in list(self.transports):
            transport.close()


class _Connection(asyncio.Protocol):
    """One client. The `on_…` methods are called by the parser."""

    _transport: asyncio.Transport

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._held_back: asyncio.Task[None] | None = None
        self._url = b""
        self._body = bytearray()
        self._too_large = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The transports of uvloop do not derive from those of asyncio.
        self._transport = cast(asyncio.Transport, transport)
        self._connections.transports.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.transports.discard(self._transport)
        if self._held_back is not None:
            self._held_back.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._write(Reply(HTTPStatus.BAD_REQUEST, TEXT, b"not an HTTP request"), keep_alive=False)

    def pause_writing(self) -> None:
        """A client that does not read its answers is not read from either."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def on_message_begin(self) -> None:
        self._url = b""
        self._body = bytearray()
        self._too_large = False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"expect" and value.lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if len(self._body) + len(body) > self._connections.max_body:
            self._too_large = True
        else:
            self._body += body

    def on_message_complete(self) -> None:
        method, path = self._parser.get_method().decode(), self._url.decode(errors="replace")
        body = None if self._too_large else bytes(self._body)
        self._waiting.append(Request(method, path, body, self._parser.should_keep_alive()))
        self._answer()

    def _answer(self) -> None:
        while self._waiting and self._held_back is None and not self._transport.is_closing():
            request = self._waiting.popleft()
            if request.body is None:
                reply: Reply | Awaitable[Reply | None] | None = Reply(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TEXT, _TOO_LARGE
                )
            else:
                reply = self._connections.handler(request)
            if reply is None or isinstance(reply, Reply):
                self._write(reply, request.keep_alive)
            else:
                self._held_back = asyncio.get_running_loop().create_task(self._later(reply, request.keep_alive))

    async def _later(self, reply: Awaitable[Reply | None], keep_alive: bool) -> None:
        self._write(await reply, keep_alive)
        self._held_back = None
        self._answer()

    def _write(self, reply: Reply | None, keep_alive: bool) -> None:
        if reply is None:
            self._transport.close()
            return
        status = reply.status
        extra = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
        close = "" if keep_alive else "connection: close\r\n"
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {reply.content_type}\r\n"
            f"content-length: {len(reply.body)}\r\n{extra}{close}\r\n"
        )
        self._transport.write(head.encode() + reply.body)
        if not keep_alive:
            self._transport.close()
