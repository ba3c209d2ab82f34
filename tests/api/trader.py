"""A client that trades over `/api/stream`."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.api.running import Api


class Trader:
    """An open stream whose answers find their questions, however they are mixed."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._asked = 0

    async def send(self, op: str, **members: Any) -> None:
        """Send a command."""
        await self._connection.send(json.dumps({"op": op, **members}))

    async def ask(self, op: str, **members: Any) -> dict[str, Any]:
        """The answer to a command."""
        self._asked += 1
        name = members.pop("id", f"request-{self._asked}")
        answer = self._waiting[name] = asyncio.get_running_loop().create_future()
        await self.send(op, id=name, **members)
        return await answer

    async def read(self) -> None:
        """Hand on answers for as long as the stream is open."""
        async for text in self._connection:
            message: dict[str, Any] = json.loads(text)
            waiting = self._waiting.pop(message.get("id") or "", None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)


@asynccontextmanager
async def trader(api: Api, headers: Mapping[str, str] | None = None) -> AsyncIterator[Trader]:
    """A stream of the account that the headers sign in."""
    address = f"ws://127.0.0.1:{api.port}/api/stream"
    async with connect(address, additional_headers=headers) as connection:
        client = Trader(connection)
        reading = asyncio.create_task(client.read())
        try:
            yield client
        finally:
            reading.cancel()
