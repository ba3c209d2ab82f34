"""A WebSocket client that reads streams of events."""

import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


@dataclass
class StreamClient:
    """An open stream."""

    connection: ClientConnection

    async def next(self) -> dict[str, Any]:
        """The next message."""
        message: dict[str, Any] = json.loads(await self.connection.recv())
        return message

    async def until(self, status: str) -> list[dict[str, Any]]:
        """The messages up to the event of this status."""
        read = [await self.next()]
        while read[-1].get("status") != status:
            read.append(await self.next())
        return read

    async def rest(self) -> tuple[list[dict[str, Any]], int]:
        """Everything up to the end, and the code that it was closed with."""
        read = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                read.append(await self.next())
        assert self.connection.close_code is not None
        return read, self.connection.close_code


@asynccontextmanager
async def open_stream(url: str) -> AsyncIterator[StreamClient]:
    """The stream at this address."""
    async with connect(url) as connection:
        yield StreamClient(connection)
