"""The processes of an installation, one command each: api, worker, localnet, and the one-time migrate and setup."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.failure import CommandError
from deploy.cli.settings import load

if TYPE_CHECKING:
    from deploy.telemetry.process import Telemetry


def api() -> None:
    """Serve the HTTP and WebSocket API until stopped."""
    from api.server import main
    from api.settings import ApiSettings

    settings = load(ApiSettings)
    with _telemetry("api", temporal=True, database=settings, vitals=True) as telemetry:
        main(telemetry.middleware(), telemetry.interceptors())


def worker() -> None:
    """Run workflows and activities until stopped."""
    with _without_collection():
        from activities.hooks import WorkerHooks
        from activities.settings import WorkerSettings
        from activities.solana.clusters import WrongCluster
        from activities.solana.signers.definitions import WalletsFileError
        from activities.worker import main

    settings = load(WorkerSettings)
    try:
        with _telemetry("worker", temporal=True, database=settings) as telemetry:
            main(WorkerHooks(telemetry.interceptors(), telemetry.observer(), balances=telemetry.measured))
    except (WalletsFileError, WrongCluster) as error:
        raise CommandError(f"the worker does not start: {error}") from error


def localnet(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="JSON-RPC port.  [default: 8899]")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="State.  [default: .order-engine/localnet]")] = None,
    genesis: Annotated[Path | None, typer.Option(help="TOML file of tokens, wallets and pools.")] = None,
    account: Annotated[
        list[Path] | None, typer.Option(help="Account dump (solana account --output json); may be repeated.")
    ] = None,
    programs: Annotated[Path | None, typer.Option(help="Directory of real programs, <program id>.so.")] = None,
    slot_ms: Annotated[int | None, typer.Option(help="Length of a slot in ms.  [default: 400]")] = None,
    faults: Annotated[Path | None, typer.Option(help="TOML file of faults in force from the start on.")] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="Such a fault: [node=NAME,]kind=drop,probability=0.1; may be repeated."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the faults' draws.  [default: 0]")] = None,
) -> None:
    """Serve a simulated Solana cluster until stopped. Every option is also ORDER_ENGINE_LOCALNET_<OPTION>.

    http://HOST:PORT/node/NAME is another node of the same cluster, with faults of its own. The kinds of faults:
    see `localnet-faults set --help`, which also sets them while the cluster runs.
    """
    import sqlite3

    from deploy.localnet.genesis import GenesisError
    from deploy.localnet.server import serve
    from deploy.localnet.settings import LocalnetSettings

    settings = load(
        LocalnetSettings,
        host=host,
        port=port,
        data_dir=data_dir,
        genesis=genesis,
        accounts=tuple(account) if account else None,
        programs=programs,
        slot_ms=slot_ms,
        faults=faults,
        fault=tuple(fault) if fault else None,
        seed=seed,
    )
    try:
        with _telemetry("localnet"):
            serve(settings)
    except (GenesisError, OSError, sqlite3.Error, ValueError) as error:
        raise CommandError(f"localnet cannot start: {error}") from error


@contextmanager
def _without_collection() -> Iterator[None]:
    """For imports, which make hundreds of thousands of objects and no garbage: looking for it is a seventh of them.

    Orders may be waiting for the worker that starts. What is there afterwards stays, and is never looked at again.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _telemetry(process: str, **wanted: Any) -> Iterator["Telemetry"]:
    """Logs from here on, metrics and traces while inside."""
    from deploy.telemetry.errors import TelemetryError
    from deploy.telemetry.process import telemetry
    from deploy.telemetry.settings import TelemetrySettings

    load(TelemetrySettings)
    try:
        with telemetry(process, **wanted) as running:
            yield running
    except TelemetryError as error:
        raise CommandError(str(error)) from error


def migrate() -> None:
    """Bring the database schema to this version."""
    from db.errors import MigrationFailed
    from db.migrate import upgrade
    from db.settings import DatabaseSettings

    try:
        upgrade(load(DatabaseSettings).database_url.get_secret_value())
    except (ConnectionError, MigrationFailed) as error:
        raise CommandError(str(error)) from error


def setup(
    with_migrations: Annotated[bool, typer.Option("--migrate", help="Run `migrate` first, in this process.")] = False,
) -> None:
    """Prepare Temporal and the registry of tokens and pools.

    Registers the namespace, its search attributes and the schedules that work in the background, loads the token list
    and finds the pools of its pairs. Repeatable, like migrate.
    """
    from activities.solana.clusters import WrongCluster
    from activities.token_list import TokenListError
    from deploy.cli.pools import report
    from deploy.registry import RegistrySettings, fill
    from deploy.temporal.provision import ProvisionError, provision

    if with_migrations:
        migrate()
    settings = load(RegistrySettings)
    try:
        every = (timedelta(seconds=settings.pool_refresh_seconds), timedelta(seconds=settings.reconcile_seconds))
        asyncio.run(provision(*every))
        refreshed = asyncio.run(fill(settings))
    except (ProvisionError, TokenListError, WrongCluster, ConnectionError) as error:
        raise CommandError(str(error)) from error
    report(refreshed)
