"""Whether this process can take orders."""

import asyncio

from sqlalchemy import text

from api.engine import Engine
from api.hub import EventHub
from api.schemas import Check, Readiness
from db.database import Database
from db.migrate import head

_PATIENCE_SECONDS = 2.0


class ReadinessChecks:
    """Looks at every server that the API needs."""

    def __init__(self, engine: Engine, database: Database, hub: EventHub) -> None:
        self._engine = engine
        self._database = database
        self._hub = hub
        self._revision = head()

    async def check(self) -> Readiness:
        """Ask all of them at once. Redis only hastens the streams: without it the API is degraded and ready."""
        temporal, postgres = await asyncio.gather(self._temporal(), self._postgres())
        redis = _check(None if self._hub.connected else "events are not relayed; streams follow PostgreSQL")
        if "down" in (temporal.state, postgres.state):
            status = "unavailable"
        else:
            status = "ready" if redis.state == "up" else "degraded"
        return Readiness.model_validate(
            {"status": status, "checks": {"temporal": temporal, "postgres": postgres, "redis": redis}}
        )

    async def _temporal(self) -> Check:
        return _check(None if await self._engine.healthy() else "Temporal does not answer")

    async def _postgres(self) -> Check:
        query = text("SELECT to_regclass('alembic_version') IS NOT NULL AS migrated")
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                (row,) = await self._database.fetch(query)
                if row.migrated:
                    rows = await self._database.fetch(text("SELECT version_num FROM alembic_version"))
                    if [row.version_num for row in rows] == [self._revision]:
                        return _check(None)
        except TimeoutError:
            return _check(f"PostgreSQL does not answer within {_PATIENCE_SECONDS:g} s")
        except ConnectionError as error:
            return _check(str(error))
        return _check(f"the schema is not at revision {self._revision}: run order-engine migrate")


def _check(trouble: str | None) -> Check:
    return Check(state="down" if trouble else "up", detail=trouble)
