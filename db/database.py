"""One pool of connections per process, and the one place where driver errors become ours."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, Row
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import greenlet_spawn

from db.settings import DatabaseSettings

_Rows = Sequence[Row[Any]]


class Database:
    """PostgreSQL, one statement and one round trip at a time.

    Each statement is a transaction of its own. All of them are reads or keyed writes, so a statement that finds its
    connection dead (the server was restarted) is simply repeated once on a fresh one; no connection is tested first.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        # The server ends a statement that takes too long; a server that has stopped answering cannot.
        self._patience = settings.database_connect_timeout + settings.database_statement_timeout
        self._abandoned: set[asyncio.Task[_Rows]] = set()
        given = settings.url.query.get("options", ())
        options = [given] if isinstance(given, str) else list(given)
        options.append(f"-c timezone=UTC -c statement_timeout={int(settings.database_statement_timeout * 1000)}")
        self._engine = create_async_engine(
            settings.url.difference_update_query(["options"]),
            isolation_level="AUTOCOMMIT",
            pool_size=settings.database_pool_size,
            max_overflow=0,
            pool_timeout=settings.database_connect_timeout,
            # Nothing to roll back: there is never an open transaction when a connection is returned.
            pool_reset_on_return=None,
            connect_args={
                "application_name": "order-engine",
                "connect_timeout": settings.database_connect_timeout,
                "options": " ".join(options),
            },
        )

    async def fetch(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> _Rows:
        """Run one statement and return its rows, none for a statement that returns none.

        Raises ConnectionError when the server cannot be reached or does not answer in time, and SQLAlchemy's
        IntegrityError and the like when it refuses.
        """
        work = asyncio.create_task(self._settled(statement, parameters))
        work.add_done_callback(self._forget)
        try:
            await asyncio.wait({work}, timeout=self._patience)
            if work.done():
                return work.result()
        finally:
            if not work.done():
                self._abandon(work)
        raise ConnectionError(f"PostgreSQL does not answer: nothing within {self._patience:g} s")

    async def close(self) -> None:
        """Close every connection."""
        for work in self._abandoned:
            work.cancel()
        await asyncio.gather(*self._abandoned, return_exceptions=True)
        await self._engine.dispose()

    def _abandon(self, work: "asyncio.Task[_Rows]") -> None:
        # The driver asks the server to cancel the statement and waits for that; our caller need not.
        work.cancel()
        self._abandoned.add(work)

    def _forget(self, work: "asyncio.Task[_Rows]") -> None:
        self._abandoned.discard(work)
        # A caller that was cancelled does not come back for the answer: an error in it is nobody's then.
        if not work.cancelled():
            work.exception()

    async def _settled(self, statement: Executable, parameters: Mapping[str, Any] | None) -> _Rows:
        try:
            try:
                return await self._run(statement, parameters)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return await self._run(statement, parameters)
        except (OperationalError, InterfaceError, PoolExhausted, OSError) as error:
            cause = getattr(error, "orig", None) or error
            raise ConnectionError(f"PostgreSQL does not answer: {str(cause).strip()}") from error

    async def _run(self, statement: Executable, parameters: Mapping[str, Any] | None) -> _Rows:
        # One switch into SQLAlchemy's own kind of coroutine instead of one for each call of its API.
        return await greenlet_spawn(self._execute, statement, parameters)

    def _execute(self, statement: Executable, parameters: Mapping[str, Any] | None) -> _Rows:
        with self._engine.sync_engine.connect() as connection:
            result = connection.execute(statement, parameters)
            return result.all() if result.returns_rows else ()
