"""How commands talk to the API of the engine."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from deploy.cli.failure import CommandError
from deploy.cli.settings import load

DEFAULT_URL = "http://127.0.0.1:8080"
# The API gives up on a slow Temporal server well before this.
_TIMEOUT = 15.0
# A stream that broke is taken up again after the last event seen; an API that is restarted is back within seconds.
_RECONNECT_PAUSE = 0.5
_RECONNECT_SECONDS = 30.0

ApiUrl = Annotated[
    str | None,
    typer.Option(
        "--api-url",
        envvar="ORDER_ENGINE_API_URL",
        help=f"Address of the API; by default that of the stack in ./.order-engine, else {DEFAULT_URL}.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer of the API as JSON.")]


def _authorization() -> dict[str, str]:
    """The key of ORDER_ENGINE_API_KEY, for an API that wants one; never an option, which other users could read."""
    key = os.environ.get("ORDER_ENGINE_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


class ApiClient:
    """Requests to one API. Every method raises CommandError with what the API, or the connection, has against it."""

    def __init__(self, url: str | None):
        self._url = (url or _running_here() or DEFAULT_URL).rstrip("/")

    def get(self, path: str, **parameters: str | int | None) -> Any:
        """The JSON that a GET answers; parameters that are None are left out."""
        given = {name: value for name, value in parameters.items() if value is not None}
        return self._send("GET", path, params=given)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON that a POST answers."""
        return self._send("POST", path, json=body)

    def events(self, order_id: str) -> Iterator[dict[str, Any]]:
        """The messages of an order's stream, the snapshot first, until the order has ended.

        A connection that breaks is made again after the last event seen, so that none is missed or seen twice.
        """
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        address = f"ws{self._url.removeprefix('http')}/api/orders/{order_id}/stream"
        position, deadline = 0, time.monotonic() + _RECONNECT_SECONDS
        while True:
            try:
                with connect(f"{address}?after={position}", additional_headers=_authorization()) as connection:
                    for text in connection:
                        message = json.loads(text)
                        if message["type"] == "problem":
                            raise CommandError(_explained(message))
                        if message["type"] == "event":
                            position = message["seq"]
                        deadline = time.monotonic() + _RECONNECT_SECONDS
                        yield message
                    return
            except (OSError, WebSocketException) as error:
                if time.monotonic() > deadline:
                    raise CommandError(f"the API at {self._url} does not stream: {error}") from error
            time.sleep(_RECONNECT_PAUSE)

    def _send(self, method: str, path: str, **content: Any) -> Any:
        import httpx

        try:
            response = httpx.request(
                method, f"{self._url}{path}", timeout=_TIMEOUT, headers=_authorization(), **content
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CommandError(f"the API at {self._url} does not answer: {error}") from error
        try:
            answer = response.json()
        except ValueError as error:
            raise CommandError(f"{self._url} answers {response.status_code} without JSON: is it the API?") from error
        if response.is_success:
            return answer
        raise CommandError(_explained(answer))


def _explained(problem: Mapping[str, Any]) -> str:
    """A problem document (RFC 9457) in one line."""
    code, detail = problem.get("code", "error"), problem.get("detail") or problem.get("title", "")
    return f"{code}: {detail}. {problem.get('advice', '')}".strip()


def _running_here() -> str | None:
    from deploy.local import state
    from deploy.local.settings import StackSettings

    directory = load(StackSettings).data_dir
    found = state.read(directory)
    return found.environment.get("ORDER_ENGINE_API_URL") if found and found.supervisor.alive() else None
