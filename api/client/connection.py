"""One connection to `/api/stream` that comes back by itself, with what was asked for on it."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from api.client.errors import ApiRefused, ApiUnreachable, ClientError
from api.client.http import authorization
from api.client.retries import Patience

# The server says how often it beats; a connection that was silent for twice as long is dead.
_SILENT_BEATS = 2
_FIRST_SILENCE_SECONDS = 30.0

Receive = Callable[[dict[str, Any]], None]


class Connection:
    """Sends requests and hands what comes under their ids to their receivers.

    After a break every request that still has a receiver is sent again, as `request` then words it: a subscription
    from where it stood, a command under the same key.
    """

    def __init__(self, url: str, key: str | None, patience_seconds: float) -> None:
        self._address = f"ws{url.removeprefix('http')}/api/stream"
        self._url = url
        self._headers = authorization(key)
        self._patience_seconds = patience_seconds
        self._wanted: dict[str, tuple[Callable[[], dict[str, Any]], Receive]] = {}
        self._open: ClientConnection | None = None
        # Set once the connection is given up: every receiver is told.
        self.failure: ClientError | None = None
        self._running = asyncio.create_task(self._run())

    async def want(self, name: str, request: Callable[[], dict[str, Any]], receive: Receive) -> None:
        """Send the request, now and after each break, until `forget`; `receive` is called with every message of it."""
        if self.failure is not None:
            raise self.failure
        self._wanted[name] = (request, receive)
        await self._send(request())

    async def forget(self, name: str, farewell: dict[str, Any] | None = None) -> None:
        """Hand on no more of this request."""
        if self._wanted.pop(name, None) is not None and farewell is not None:
            await self._send(farewell)

    async def close(self) -> None:
        """Close the connection; whoever waits on it is told."""
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        self._give_up(ApiUnreachable("the stream was closed"))

    async def _send(self, request: dict[str, Any]) -> None:
        if self._open is not None:
            # One that breaks here is sent again on the next connection.
            with contextlib.suppress(ConnectionClosed):
                await self._open.send(json.dumps(request))

    async def _run(self) -> None:
        patience = Patience(self._patience_seconds)
        while True:
            retry_after: int | None = None
            try:
                async with connect(self._address, additional_headers=self._headers, max_size=None) as connection:
                    failure: ClientError = ApiUnreachable(f"the API at {self._url} closed the stream")
                    if await self._serve(connection):
                        patience = Patience(self._patience_seconds)
            except InvalidStatus as error:
                refused = _refusal(error)
                if refused.retry_after is None and refused.status < 500:
                    return self._give_up(refused)
                failure, retry_after = refused, refused.retry_after
            except (OSError, TimeoutError, WebSocketException) as error:
                failure = ApiUnreachable(f"the API at {self._url} does not stream: {error or type(error).__name__}")
            pause = patience.pause(retry_after)
            if pause is None:
                return self._give_up(failure)
            await asyncio.sleep(pause)

    async def _serve(self, connection: ClientConnection) -> bool:
        """Hand on messages until the connection breaks; whether there was any."""
        silence, served = _FIRST_SILENCE_SECONDS, False
        self._open = connection
        try:
            for request, _ in list(self._wanted.values()):
                await connection.send(json.dumps(request()))
            while True:
                async with asyncio.timeout(silence):
                    message: dict[str, Any] = json.loads(await connection.recv())
                served = True
                if message["type"] == "welcome":
                    silence = _SILENT_BEATS * float(message["heartbeatSeconds"])
                wanted = self._wanted.get(message.get("id") or "")
                if wanted is not None:
                    wanted[1](message)
        except (ConnectionClosed, TimeoutError):
            return served
        finally:
            self._open = None

    def _give_up(self, failure: ClientError) -> None:
        self.failure = self.failure or failure
        for _, receive in list(self._wanted.values()):
            receive({"type": "lost"})
        self._wanted.clear()


def _refusal(error: InvalidStatus) -> ApiRefused:
    answer = error.response
    try:
        problem = json.loads(answer.body or b"{}")
    except ValueError:
        problem = {}
    status = {"status": answer.status_code, "detail": f"the stream is refused with {answer.status_code}"}
    after = answer.headers.get("Retry-After", "")
    return ApiRefused(status | ({"retryAfter": int(after)} if after.isdigit() else {}) | problem)
