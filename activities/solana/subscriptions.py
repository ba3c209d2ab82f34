"""Notifications of signatures over a node's WebSocket: hints that there is something to ask, never an answer.

Nothing depends on them: while the socket is away, or the node serves none, the tracker asks at its own pace.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from random import Random
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from solders.signature import Signature
from websockets.asyncio.client import ClientConnection, connect

from activities.solana.health import Backoff
from activities.solana.transport import host_of

log = logging.getLogger(__name__)

# Who is told of the signature.
OnHint = Callable[[Signature], None]

_PAUSES = Backoff(first=0.2, longest=30.0)
_CONNECT_SECONDS = 5.0

# Failures in a row that are answered with the longest pause.
_MANY = 32


class Hints(Protocol):
    """Where the tracker hears that there is news."""

    @property
    def live(self) -> bool:
        """Whether hints come at the moment."""

    def watch(self, signature: Signature, on_hint: OnHint) -> None:
        """Tell when there is news of the signature."""

    def forget(self, signature: Signature) -> None:
        """Tell no more."""

    async def close(self) -> None:
        """Disconnect."""


class NoHints:
    """Never tells anything."""

    live = False

    def watch(self, signature: Signature, on_hint: OnHint) -> None:
        """Nothing."""

    def forget(self, signature: Signature) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing."""


class SubscriptionRefused(Exception):
    """The node does not take the subscription."""


class SignatureHints:
    """`signatureSubscribe` over one connection, which is made when there is something to watch and made again."""

    def __init__(self, url: str, random: Random | None = None) -> None:
        self._url = url
        self._random = random or Random()
        self._watched: dict[Signature, OnHint] = {}
        self._session: _Session | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def live(self) -> bool:
        """Whether the connection stands."""
        return self._session is not None

    def watch(self, signature: Signature, on_hint: OnHint) -> None:
        """Subscribe; the node ends a subscription with its one notification."""
        self._watched[signature] = on_hint
        if self._task is None:
            self._task = asyncio.create_task(self._stay_connected())
        if self._session is not None:
            self._session.subscribe(signature)

    def forget(self, signature: Signature) -> None:
        """Hear no more of it."""
        if self._watched.pop(signature, None) and self._session is not None:
            self._session.unsubscribe(signature)

    async def close(self) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _tell(self, signature: Signature) -> None:
        on_hint = self._watched.get(signature)
        if on_hint is not None:
            on_hint(signature)

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            try:
                async with connect(self._url, open_timeout=_CONNECT_SECONDS, compression=None) as connection:
                    failures = 0
                    await self._listen(_Session(connection, self._tell))
                failures += 1
            except asyncio.CancelledError:
                raise
            except Exception as error:
                failures = failures + 1 if not isinstance(error, SubscriptionRefused) else _MANY
                if failures in (1, _MANY):
                    # The address may hold a key, which an exception of the client may quote: its kind is enough.
                    log.info("no notifications from %s: %s", host_of(self._url), type(error).__name__)
            await asyncio.sleep(_PAUSES.pause(failures, self._random))

    async def _listen(self, session: "_Session") -> None:
        for signature in self._watched:
            session.subscribe(signature)
        self._session = session
        try:
            await session.run()
        finally:
            self._session = None


class _Session:
    """The subscriptions of one connection."""

    def __init__(self, connection: ClientConnection, tell: OnHint) -> None:
        self._connection = connection
        self._tell = tell
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._last_id = 0
        # By request, by subscription, and the other way round, None until the node has answered.
        self._asked: dict[int, Signature] = {}
        self._signatures: dict[int, Signature] = {}
        self._numbers: dict[Signature, int | None] = {}

    def subscribe(self, signature: Signature) -> None:
        """Ask to be told when the signature is confirmed."""
        self._numbers[signature] = None
        self._asked[self._send("signatureSubscribe", str(signature), {"commitment": "confirmed"})] = signature

    def unsubscribe(self, signature: Signature) -> None:
        """End its subscription, if its notification has not."""
        number = self._numbers.pop(signature, None)
        if number is not None:
            del self._signatures[number]
            self._send("signatureUnsubscribe", number)

    async def run(self) -> None:
        """Talk and listen until the connection ends; raises what ended it."""
        writing = asyncio.create_task(self._write())
        try:
            async for message in self._connection:
                self._hear(json.loads(message))
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self) -> None:
        while True:
            await self._connection.send(await self._outgoing.get())

    def _send(self, method: str, *params: Any) -> int:
        self._last_id += 1
        body = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        self._outgoing.put_nowait(json.dumps(body))
        return self._last_id

    def _hear(self, message: Any) -> None:
        if message.get("method") == "signatureNotification":
            signature = self._signatures.pop(message["params"]["subscription"], None)
            if signature is not None:
                del self._numbers[signature]
                self._tell(signature)
            return
        signature = self._asked.pop(message.get("id"), None)
        if signature is None:
            return
        if "error" in message:
            raise SubscriptionRefused
        number = message["result"]
        if signature in self._numbers:
            self._numbers[signature] = number
            self._signatures[number] = signature
        else:
            self._send("signatureUnsubscribe", number)


def pubsub_url(rpc_url: str) -> str:
    """Where a node of this JSON-RPC address serves subscriptions: one port above, or the same where none is named."""
    parts = urlsplit(rpc_url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    if parts.port is None:
        return urlunsplit(parts._replace(scheme=scheme))
    address, _, _ = parts.netloc.rpartition(":")
    return urlunsplit(parts._replace(scheme=scheme, netloc=f"{address}:{parts.port + 1}"))
