"""`order-engine up`: everything on this machine, with one command."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.cli.failure import CommandError
from deploy.cli.settings import load


def _port(of: str, default: int) -> Any:
    return typer.Option(help=f"Port of {of}.  [default: {default}]", min=1, max=65535)


def up(
    data_dir: Annotated[Path | None, typer.Option(help="Where all state is kept.  [default: .order-engine]")] = None,
    api_host: Annotated[str | None, typer.Option(help="Address of the API.  [default: 127.0.0.1]")] = None,
    api_port: Annotated[int | None, _port("the API", 8080)] = None,
    temporal_port: Annotated[int | None, _port("Temporal", 7233)] = None,
    temporal_ui_port: Annotated[int | None, _port("Temporal's Web UI", 8233)] = None,
    postgres_port: Annotated[int | None, _port("PostgreSQL", 15432)] = None,
    redis_port: Annotated[int | None, _port("Valkey", 16379)] = None,
    localnet_port: Annotated[int | None, _port("localnet", 8899)] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(help="First port for metrics, one per process; 0: none.  [default: 9464]", min=0, max=65_000),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Number of worker processes.  [default: 1]", min=1)] = None,
    slot_ms: Annotated[
        int | None, typer.Option(help="Length of a localnet slot in ms.  [default: 400]", min=5, max=60_000)
    ] = None,
    genesis: Annotated[
        Path | None, typer.Option(help="Genesis file of localnet (TOML).", exists=True, dir_okay=False)
    ] = None,
) -> None:
    """Start everything on this machine; Ctrl-C stops it, state is kept.

    PostgreSQL, Valkey, Temporal with its Web UI, localnet, workers and the API, each checked for health.

    Every option is also an environment variable: --api-port is ORDER_ENGINE_API_PORT, --slot-ms and --genesis are
    ORDER_ENGINE_LOCALNET_SLOT_MS and _GENESIS. ORDER_ENGINE_DATABASE_URL, ORDER_ENGINE_REDIS_URL, TEMPORAL_ADDRESS
    and ORDER_ENGINE_SOLANA_RPC_URL name servers that already run: those are used and not started here.
    """
    from deploy.local.errors import StackError
    from deploy.local.settings import StackSettings
    from deploy.local.stack import run

    settings = load(
        StackSettings,
        data_dir=data_dir,
        api_host=api_host,
        api_port=api_port,
        temporal_port=temporal_port,
        temporal_ui_port=temporal_ui_port,
        postgres_port=postgres_port,
        redis_port=redis_port,
        localnet_port=localnet_port,
        metrics_port=metrics_port,
        workers=workers,
        localnet_slot_ms=slot_ms,
        localnet_genesis=genesis,
    )
    try:
        run(settings, _say)
    except StackError as error:
        raise CommandError(str(error)) from error


def _say(line: str) -> None:
    """Print at once: whoever reads may be a pipe. The stack goes on when nobody reads, or a full disk takes nothing."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:
        pass
