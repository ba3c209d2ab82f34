"""`order-engine healthcheck`: is the process beside this one doing its work? For container health checks."""

import asyncio
from collections.abc import Coroutine
from enum import StrEnum
from typing import Annotated

import typer

from deploy.cli.failure import CommandError
from deploy.cli.settings import load

_TIMEOUT = 8.0


class Process(StrEnum):
    """The long-running commands."""

    API = "api"
    WORKER = "worker"
    LOCALNET = "localnet"


def healthcheck(
    process: Annotated[Process, typer.Argument(help="Which process to ask.")],
    pid: Annotated[int, typer.Option(help="Its pid, for a worker; in a container it is 1.")] = 1,
) -> None:
    """For container health checks: does the process serve?"""
    try:
        asyncio.run(asyncio.wait_for(_check(process, pid), _TIMEOUT))
    except Exception as error:
        raise CommandError(f"{process} is not healthy: {type(error).__name__}: {error}") from error


def _check(process: Process, pid: int) -> Coroutine[None, None, None]:
    from deploy.local import environment, health
    from deploy.local.settings import StackSettings

    settings = load(StackSettings)
    match process:
        case Process.API:
            return health.http(f"{environment.api_url(settings)}/readyz")
        case Process.WORKER:
            return health.worker(environment.temporal_address(settings), settings.temporal_namespace, pid)
        case Process.LOCALNET:
            return health.solana_rpc(f"http://127.0.0.1:{settings.localnet_port}")
