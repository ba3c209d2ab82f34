"""How the workers are, as an operator is told: fresh, stale, gone, or not known."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from db.database import Database
from tests.api.running import Api
from tests.api.test_access import KeyRing, bearer
from tests.samples import SOL, USDC
from tests.servers import RedisServer
from workflows.domain.access import Scope
from workflows.domain.worker_report import EndpointReport, WatcherReport, WorkerReport
from workflows.names import WORKER_REPORT_KEPT, WORKERS_KEY, report_key

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ENDPOINT = EndpointReport(
    host="node:8899",
    circuit="resting",
    cost_ms=1_520,
    latency_ms=20,
    slots_behind=3,
    heard_at=NOW,
    rests_until=NOW + timedelta(seconds=4),
)
WATCHER = WatcherReport(
    first=SOL.mint,
    second="unknown",
    since=NOW,
    orders=2,
    slot=7,
    seen_at=NOW + timedelta(milliseconds=880),
    trouble=None,
)


async def leave(redis: Redis, worker: str, ago: timedelta) -> None:
    """The report that a worker left so long ago."""
    at = NOW + timedelta(seconds=1)
    report = WorkerReport(worker=worker, started_at=NOW, at=at, endpoints=(ENDPOINT,), watchers=(WATCHER,))
    await redis.set(report_key(worker), report.model_dump_json(), px=WORKER_REPORT_KEPT - ago)
    await redis.zadd(WORKERS_KEY, {worker: 1.0})


async def workers(api: Api, headers: dict[str, str] | None = None) -> Any:
    return (await api.http.get("/api/operations", headers=headers)).json()["workers"]


@pytest.fixture
async def redis(redis_server: RedisServer) -> Any:
    async with Redis.from_url(redis_server.url) as redis:
        await redis.delete(WORKERS_KEY)
        yield redis
        await redis.delete(WORKERS_KEY)


async def test_workers_are_told_with_their_nodes_and_watchers(api: Api, redis: Redis) -> None:
    assert await workers(api) == []
    await leave(redis, "1@fresh", timedelta())
    await leave(redis, "2@silent", timedelta(seconds=30))
    fresh, silent = await workers(api)
    assert (fresh["worker"], fresh["stale"]) == ("1@fresh", False)
    assert (silent["worker"], silent["stale"]) == ("2@silent", True)
    assert 30_000 <= silent["silentMs"] < 60_000
    assert fresh["endpoints"] == [
        {
            "host": "node:8899",
            "circuit": "resting",
            "costMs": 1_520,
            "latencyMs": 20,
            "slotsBehind": 3,
            "heardAt": "2030-01-01T00:00:00Z",
            "restsUntil": "2030-01-01T00:00:04Z",
        }
    ]
    (watcher,) = fresh["watchers"]
    assert (watcher["pair"], watcher["orders"], watcher["slot"], watcher["lagMs"]) == ("SOL/unknown", 2, 7, 120)
    assert USDC.symbol not in watcher["pair"]


async def test_a_report_of_another_release_or_none_at_all_is_left_out(api: Api, redis: Redis) -> None:
    await redis.zadd(WORKERS_KEY, {"1@gone": 1.0, "2@other": 1.0})
    await redis.set(report_key("2@other"), '{"worker": "2@other"}', ex=60)
    await leave(redis, "3@here", timedelta())
    assert [each["worker"] for each in await workers(api)] == ["3@here"]


async def test_without_redis_nothing_is_known_of_them(api: Api, redis_server: RedisServer) -> None:
    redis_server.freeze()
    try:
        assert await workers(api) is None
    finally:
        redis_server.thaw()


async def test_only_who_runs_the_engine_is_told(guarded: Api, database: Database, redis: Redis) -> None:
    await leave(redis, "1@fresh", timedelta())
    keys = KeyRing(database)
    assert await workers(guarded, bearer(await keys.make(Scope.READ))) is None
    assert len(await workers(guarded, bearer(await keys.make(Scope.READ, Scope.ADMIN)))) == 1
