"""Calls over HTTP, asked again while that can help."""

from asyncio import sleep
from collections.abc import Mapping
from typing import Any

import httpx

from api.client.errors import ApiRefused, ApiUnreachable
from api.client.retries import Patience

# The API itself gives up on a silent Temporal well before this.
TIMEOUT_SECONDS = 15.0


def authorization(key: str | None) -> dict[str, str]:
    """The header that signs in with an API key."""
    return {"Authorization": f"Bearer {key}"} if key else {}


class Http:
    """One API. What finds no answer, or one that says when to come back, is asked again for `patience_seconds`."""

    def __init__(self, url: str, key: str | None, patience_seconds: float) -> None:
        self._url = url
        self._patience_seconds = patience_seconds
        self._client = httpx.AsyncClient(base_url=url, headers=authorization(key), timeout=TIMEOUT_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON of the answer. Raises ApiRefused, or ApiUnreachable when no answer of an API comes in time."""
        patience = Patience(self._patience_seconds)
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        while True:
            failure: ApiRefused | ApiUnreachable
            try:
                answer = await self._client.request(method, path, json=body, params=asked, headers=headers)
                if answer.is_success:
                    return self._json(answer)
                failure = self._refusal(answer)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                failure = ApiUnreachable(f"the API at {self._url} does not answer: {error or type(error).__name__}")
            if isinstance(failure, ApiRefused) and failure.retry_after is None:
                raise failure
            pause = patience.pause(failure.retry_after if isinstance(failure, ApiRefused) else None)
            if pause is None:
                raise failure
            await sleep(pause)

    def _json(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            told = f"{self._url} answers {answer.status_code} without JSON: is it the API?"
            raise ApiRefused({"code": "not_the_api", "status": answer.status_code, "detail": told}) from error

    def _refusal(self, answer: httpx.Response) -> ApiRefused:
        problem = self._json(answer)
        after = answer.headers.get("Retry-After", "")
        if after.isdigit():
            problem = {"retryAfter": int(after)} | problem
        return ApiRefused(problem)
