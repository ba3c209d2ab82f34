"""What a worker tells of its nodes and watchers, and that it is gone when the worker is."""

from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from activities.reporting import WorkerReporter
from activities.solana.rpc import SolanaRpc
from activities.watch_log import WatchLog
from tests.servers import RedisServer
from workflows.domain.worker_report import WorkerReport
from workflows.messages import WatchedPair
from workflows.names import WORKERS_KEY, report_key

PAIR = WatchedPair(first="A", second="B")


class Clock:
    """Seconds that go on when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_each_endpoint_is_told_with_its_record() -> None:
    clock = Clock()
    rpc = SolanaRpc("http://one:1", ["http://two:2", "http://three:3"], clock=clock)
    one, two, _ = (endpoint.health for endpoint in rpc._nodes)
    one.succeeded(clock(), 0.02)
    one.behind(clock(), 7)
    two.rested(clock(), 30.0)
    before = datetime.now(UTC)
    first, second, third = rpc.report()
    assert (first.host, first.circuit, first.latency_ms, first.slots_behind) == ("one:1", "closed", 20, 7)
    assert first.cost_ms == 20 + 5 * 100
    assert first.heard_at is not None
    assert first.rests_until is None
    assert (second.host, second.circuit, second.latency_ms, second.heard_at) == ("two:2", "resting", None, None)
    assert second.rests_until is not None
    assert timedelta(seconds=30) <= second.rests_until - before < timedelta(seconds=40)
    assert (third.circuit, third.heard_at, third.rests_until) == ("closed", None, None)
    clock.now += 31.0
    assert rpc.report()[1].rests_until is None
    await rpc.close()


def test_a_watcher_is_told_while_it_is_at_work() -> None:
    log = WatchLog()
    with log.watching(PAIR) as watcher:
        (told,) = log.report()
        assert (told.first, told.second, told.orders, told.slot, told.seen_at) == ("A", "B", 0, None, None)
        watcher.trouble = "no answer in time"
        assert log.report()[0].trouble == "no answer in time"
        watcher.saw(slot=12, orders=3)
        (told,) = log.report()
        assert (told.orders, told.slot, told.trouble) == (3, 12, None)
        assert told.seen_at is not None
        assert told.seen_at >= told.since
    assert log.report() == ()


async def test_the_report_is_there_while_the_worker_is(redis_server: RedisServer) -> None:
    rpc = SolanaRpc("http://one:1")
    async with Redis.from_url(redis_server.url) as redis:
        reporter = WorkerReporter(redis, "7@here", rpc, WatchLog())
        async with reporter.running():
            await reporter.publish()
            report = WorkerReport.model_validate_json(await redis.get(report_key("7@here")))
            assert (report.worker, report.endpoints) == ("7@here", rpc.report())
            assert await redis.zscore(WORKERS_KEY, "7@here") is not None
            assert 0 < await redis.ttl(report_key("7@here")) <= 120
            assert await redis.ttl(WORKERS_KEY) > 0
        assert await redis.get(report_key("7@here")) is None
        assert await redis.zscore(WORKERS_KEY, "7@here") is None
    await rpc.close()
