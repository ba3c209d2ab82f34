"""Bring the schema to this version of the engine. Migrations only go forward."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from db.errors import MigrationFailed
from db.settings import parse_url

# Held for as long as a migration runs, so that processes that start together do not migrate together.
_LOCK = 7_351_620_114_502_779_001


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str:
    """The revision that this version of the engine needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise MigrationFailed("the installation holds no migrations")
    return revision


def upgrade(database_url: str) -> None:
    """Apply what is pending; nothing when the schema is up to date. Safe when several processes run it at once.

    Raises ConnectionError when PostgreSQL cannot be reached, and MigrationFailed when the schema belongs to a
    newer version of the engine.
    """
    with _connection(database_url) as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        if _pending(connection):
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def pending(database_url: str) -> list[str]:
    """The revisions that `upgrade` would apply, oldest first. Raises what `upgrade` raises."""
    with _connection(database_url) as connection:
        return _pending(connection)


def _pending(connection: Connection) -> list[str]:
    current = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    script = ScriptDirectory.from_config(_config())
    try:
        script.get_revisions(current or ())
    except CommandError:
        raise MigrationFailed(f"the schema is at revision {current}, which this version does not know") from None
    return [step.revision for step in script.iterate_revisions("head", current or "base")][::-1]


@contextmanager
def _connection(database_url: str) -> Iterator[Connection]:
    # Closing the connection releases the lock. Without a pool it closes when it is left.
    engine = create_engine(parse_url(database_url), poolclass=NullPool, connect_args={"connect_timeout": 5})
    try:
        with engine.connect() as connection:
            yield connection
    except OperationalError as error:
        raise ConnectionError(f"PostgreSQL does not answer: {str(error.orig).strip()}") from error
    finally:
        engine.dispose()
