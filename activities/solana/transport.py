"""How JSON-RPC requests travel to one node: aiohttp, and the answers' readers of `solders`.

The `solana` client's own transport takes four times the CPU for each request, which was a quarter of the worker's.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Commitment
from solders.rpc.requests import Body

from activities.solana.errors import ChainUnavailable, Outcome, error_answer

_HEADERS = {"Content-Type": "application/json"}

# An answer that ends these is asked for again later, as the node says.
_TRY_LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class Provider(Protocol):
    """Where requests go: `solana.rpc.async_http_provider.AsyncHTTPProvider` as far as the client needs it."""

    async def make_request(self, body: Body, parser: Any) -> Any:
        """The answer, read by `parser.from_json`; raises ChainUnavailable."""


class Transport:
    """The connections to one node. Errors name its host only: the rest of the address may hold a key."""

    def __init__(self, url: str, wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._url = url
        self.host = host_of(url)
        self._wall_clock = wall_clock
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: str, timeout_seconds: float) -> str:
        """The node's answer as text; raises ChainUnavailable."""
        if self._session is None:
            # Made here because a session belongs to the event loop that runs. Its user bounds the connections.
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        # No error is chained: those of aiohttp hold the whole address.
        try:
            async with self._session.post(self._url, data=body, headers=_HEADERS, timeout=timeout) as response:
                text = await response.text(errors="replace")
                status, retry_after = response.status, response.headers.get("Retry-After")
        except TimeoutError:
            raise ChainUnavailable(f"no answer within {timeout_seconds:g} s", Outcome.TIMED_OUT) from None
        except aiohttp.ClientConnectorError as error:
            raise ChainUnavailable(f"no connection: {_reason(error.os_error)}", Outcome.UNREACHABLE) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ChainUnavailable(f"no answer: {type(error).__name__}", Outcome.UNREACHABLE) from None
        if status != HTTPStatus.OK:
            raise self._refused(status, retry_after)
        return text

    def _refused(self, status: int, retry_after: str | None) -> ChainUnavailable:
        limited = status == HTTPStatus.TOO_MANY_REQUESTS
        seconds = seconds_until(retry_after, self._wall_clock()) if status in _TRY_LATER else None
        return ChainUnavailable(
            f"HTTP {status}", Outcome.RATE_LIMITED if limited else Outcome.HTTP_ERROR, retry_after=seconds
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def read_answer(text: str, parser: Any) -> Any:
    """The answer that a node's text holds; raises ChainUnavailable with the node's own error."""
    # Not left to solders, which reads a known code with unknown data by ending the thread.
    if '"error"' in text:
        try:
            answer = json.loads(text)
        except ValueError:
            raise ChainUnavailable("unreadable answer: no JSON", Outcome.UNREADABLE) from None
        if isinstance(answer, dict) and answer.get("error") is not None:
            raise error_answer(answer["error"])
    try:
        return parser.from_json(text)
    except BaseException as error:
        # Whatever solders finds wrong, its own errors are no ValueError and a panic not even an Exception. Nothing else
        # that is not one can arrive here: there is no await.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ChainUnavailable(f"unreadable answer: {_first_line(error)}", Outcome.UNREADABLE) from None


def seconds_until(retry_after: str | None, now: datetime) -> float | None:
    """What a Retry-After header asks for: seconds, or the time until a date; None without a readable one (RFC 9110)."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        # Longer than a day is capped by whoever waits; more digits than a float holds are not.
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())


def host_of(url: str) -> str:
    """Host and port of an address, without what may be secret: user, password, path and query."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or "unnamed host"


def solana_client(provider: Provider, commitment: Commitment) -> AsyncClient:
    """A client whose requests go to the provider."""
    client = AsyncClient("http://127.0.0.1", commitment=commitment)
    client._provider = provider  # type: ignore[assignment]
    return client


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _first_line(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text.splitlines()[0][:300]
