"""PostgreSQL, Redis and the API: do they answer, and are they as this version needs them?"""

import asyncio
from collections.abc import Sequence

from deploy.doctor.clock import Now, compared
from deploy.doctor.finding import Finding, failure, ok


async def examine_postgres(url: str, now: Now) -> Sequence[Finding]:
    """The server, its clock, and the schema; raises what the driver raises when it cannot be asked."""
    import psycopg

    from deploy.local.postgres import libpq_url

    async with await psycopg.AsyncConnection.connect(libpq_url(url), connect_timeout=5) as connection:
        before = now()
        cursor = await connection.execute(
            "SELECT current_setting('server_version'), extract(epoch FROM clock_timestamp())::float8"
        )
        row = await cursor.fetchone()
        after = now()
    assert row is not None
    version, clock = row
    return [ok("postgres", f"version {version}"), await _schema(url), compared("postgres", clock, before, after)]


async def _schema(url: str) -> Finding:
    from db.errors import MigrationFailed
    from db.migrate import head, pending

    try:
        missing = await asyncio.to_thread(pending, url)
    except MigrationFailed as error:
        return failure("schema", str(error), "install the version of the engine that migrated it, or a newer one")
    if missing:
        return failure("schema", f"{len(missing)} of its migrations are missing", "run order-engine migrate")
    return ok("schema", f"at {head()}")


async def examine_trading(url: str) -> Sequence[Finding]:
    """Whether trading is halted; raises ConnectionError, and what the driver raises without the engine's schema."""
    from db.database import Database
    from db.risk import HaltRepository
    from db.settings import DatabaseSettings

    database = Database(DatabaseSettings.model_validate({"database_url": url}))
    try:
        halt = await HaltRepository(database).in_force()
    finally:
        await database.close()
    if halt is not None:
        return [failure("trading", str(halt), "order-engine resume, once it may go on")]
    return [ok("trading", "not halted")]


async def examine_redis(url: str) -> Sequence[Finding]:
    """The server; raises what its client raises."""
    from redis.asyncio import Redis

    client = Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
    try:
        about = await client.info("server")
    finally:
        await client.aclose()
    return [ok("redis", f"version {about.get('valkey_version') or about.get('redis_version')}")]


async def examine_api(url: str) -> Sequence[Finding]:
    """The API; raises httpx.HTTPError."""
    from deploy.local import health

    await health.http(f"{url}/readyz")
    return [ok("api", f"ready at {url}")]
