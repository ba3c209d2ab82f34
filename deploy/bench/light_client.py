"""A WebSocket client that costs next to nothing: thousands on one machine measure the server and not themselves.

It takes what a server sends (RFC 6455: unmasked frames, never fragmented here), answers pings, and hands on the texts
with the moment at which they arrived. No TLS, no extensions.
"""

import asyncio
import base64
import os
import struct
import time
from collections.abc import Callable
from urllib.parse import urlsplit

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_OPENING_SECONDS = 60.0

# What it hands on: a text, and `time.perf_counter` when its first bytes were here.
Taker = Callable[[bytes, float], None]


class LightClient(asyncio.Protocol):
    """One connection; `closed` is set when it has ended, however that came."""

    def __init__(self, take: Taker) -> None:
        self.closed = asyncio.Event()
        self.opened = asyncio.Event()
        self._take = take
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, url: str, take: Taker) -> "LightClient":
        """Connect to a ws:// address; raises OSError when there is no WebSocket server."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(lambda: cls(take), parts.hostname, parts.port)
        key = base64.b64encode(os.urandom(16)).decode()
        client._write(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        ends = {asyncio.ensure_future(event.wait()) for event in (client.opened, client.closed)}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED, timeout=_OPENING_SECONDS)
        finally:
            for end in ends:
                end.cancel()
        if not client.opened.is_set():
            client.end()
            raise ConnectionError("no WebSocket was opened")
        return client

    def send(self, text: str) -> None:
        """Send a short text."""
        self._send(_TEXT, text.encode())

    def end(self) -> None:
        """Leave without a farewell."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        now = time.perf_counter()
        self._received += data
        if not self.opened.is_set():
            head, found, rest = self._received.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.end()
                return
            self._received = rest
            self.opened.set()
        while (frame := self._frame()) is not None:
            opcode, payload = frame
            if opcode == _TEXT:
                self._take(payload, now)
            elif opcode == _PING:
                self._send(_PONG, payload)
            elif opcode == _CLOSE:
                self.end()

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the event loop."""
        self.closed.set()

    def _frame(self) -> tuple[int, bytes] | None:
        received = self._received
        if len(received) < 2:
            return None
        length, start = received[1] & 0x7F, 2
        if length >= 126:
            form = ">H" if length == 126 else ">Q"
            start += struct.calcsize(form)
            if len(received) < start:
                return None
            (length,) = struct.unpack_from(form, received, 2)
        if len(received) < start + length:
            return None
        opcode, payload = received[0] & 0x0F, bytes(received[start : start + length])
        del received[: start + length]
        return opcode, payload

    def _send(self, opcode: int, payload: bytes) -> None:
        # Clients must mask (RFC 6455, section 5.3); a mask of zeros hides nothing and leaves the bytes as they are.
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + struct.pack(">H", length)
        self._write(bytes([0x80 | opcode]) + size + bytes(4) + payload)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
