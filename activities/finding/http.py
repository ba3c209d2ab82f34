"""Requests to a public HTTP API that may be slow, wrong or hostile: bounded in time and size, one error for all."""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import httpx

# One address in an API's answer takes two or three kilobytes of other facts, a page has a hundred.
MAX_BYTES = 8 * 1024 * 1024

# Of one answer, from the connection to its last byte.
SECONDS = 15.0

Params = Mapping[str, str | int | Sequence[str]]


class ApiFailed(Exception):
    """No usable answer. `final` when the next question would fare no better."""

    def __init__(self, problem: str, final: bool = False) -> None:
        super().__init__(problem)
        self.final = final


class NotThere(ApiFailed):
    """The API knows nothing under this path (HTTP 404)."""


class Api:
    """One API by its base address; use it as a context manager."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")
        # Some of these services refuse clients that do not say who they are.
        headers = {"User-Agent": "order-engine", "Accept": "application/json"}
        self._client = httpx.AsyncClient(timeout=SECONDS, headers=headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str, params: Params) -> bytes:
        """The body of a 200 answer; raises ApiFailed. Redirections are not followed."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._get(path, params)
        except TimeoutError:
            raise ApiFailed(f"no answer within {SECONDS:g} s", final=True) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApiFailed(str(error) or type(error).__name__, final=True) from error

    async def _get(self, path: str, params: Params) -> bytes:
        async with self._client.stream("GET", f"{self._base}{path}", params=dict(params)) as response:
            status = response.status_code
            problem = f"HTTP {status} {response.reason_phrase}".strip()
            if status == httpx.codes.NOT_FOUND:
                raise NotThere(problem)
            if status != httpx.codes.OK:
                raise ApiFailed(problem, final=response.is_server_error or status == httpx.codes.TOO_MANY_REQUESTS)
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise ApiFailed(f"an answer of more than {MAX_BYTES} bytes")
            return bytes(body)
