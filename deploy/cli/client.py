"""How commands talk to the API of the engine."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from deploy.cli.failure import CommandError
from deploy.cli.settings import load

if TYPE_CHECKING:
    from api.client import OrderClient

DEFAULT_URL = "http://127.0.0.1:8080"

# Somebody sits and waits: an API that does not answer for so long is not running.
_PATIENCE_SECONDS = 5.0
# A stream is worth more: an API that is restarted is back within seconds.
_STREAM_PATIENCE_SECONDS = 30.0

ApiUrl = Annotated[
    str | None,
    typer.Option(
        "--api-url",
        envvar="ORDER_ENGINE_API_URL",
        help=f"Address of the API; by default that of the stack in ./.order-engine, else {DEFAULT_URL}.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer of the API as JSON.")]

Answer = TypeVar("Answer")


def ask(url: str | None, question: "Callable[[OrderClient], Awaitable[Answer]]", follows: bool = False) -> Answer:
    """What the API answers; `follows` for what goes on until an order has ended.

    Signs in with the key of ORDER_ENGINE_API_KEY, never with one of an option, which other users could read. Raises
    CommandError with what the API, or the connection, has against it.
    """
    from api.client import ApiRefused, ClientError, OrderClient

    async def asked() -> Answer:
        patience = _STREAM_PATIENCE_SECONDS if follows else _PATIENCE_SECONDS
        address = url or _running_here() or DEFAULT_URL
        async with OrderClient(address, os.environ.get("ORDER_ENGINE_API_KEY") or None, patience) as client:
            return await question(client)

    try:
        return asyncio.run(asked())
    except ApiRefused as refused:
        fields = "".join(f" {name}: {detail}." for name, detail in refused.fields.items())
        raise CommandError(f"{refused}{fields}") from refused
    except (ClientError, ValueError) as error:
        raise CommandError(str(error)) from error


def _running_here() -> str | None:
    from deploy.local import state
    from deploy.local.settings import StackSettings

    directory = load(StackSettings).data_dir
    found = state.read(directory)
    return found.environment.get("ORDER_ENGINE_API_URL") if found and found.supervisor.alive() else None
