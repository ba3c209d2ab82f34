"""Tell how this worker finds its nodes and its watchers, over and over, for those who look after it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from redis.asyncio import Redis
from redis.exceptions import RedisError

from activities.solana.rpc import SolanaRpc
from activities.watch_log import WatchLog
from workflows.domain.worker_report import WorkerReport
from workflows.names import WORKER_REPORT_EVERY, WORKER_REPORT_KEPT, WORKERS_KEY, report_key

log = logging.getLogger(__name__)


class WorkerReporter:
    """Puts the report of `worker` where whoever asks finds it, and takes it away when the worker ends.

    A worker that dies leaves its last report, which grows old in sight of all until it expires.
    """

    def __init__(self, redis: Redis, worker: str, rpc: SolanaRpc, watchers: WatchLog) -> None:
        self._redis = redis
        self._worker = worker
        self._rpc = rpc
        self._watchers = watchers
        self._started_at = datetime.now(UTC)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Report while inside."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            with contextlib.suppress(RedisError, OSError):
                await self._redis.zrem(WORKERS_KEY, self._worker)
                await self._redis.delete(report_key(self._worker))

    def report(self) -> WorkerReport:
        """How everything is now."""
        return WorkerReport(
            worker=self._worker,
            started_at=self._started_at,
            at=datetime.now(UTC),
            endpoints=self._rpc.report(),
            watchers=self._watchers.report(),
        )

    async def publish(self) -> None:
        """Replace the report; raises RedisError or OSError."""
        now = datetime.now(UTC)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.set(report_key(self._worker), self.report().model_dump_json(), ex=WORKER_REPORT_KEPT)
        pipeline.zadd(WORKERS_KEY, {self._worker: now.timestamp()})
        pipeline.zremrangebyscore(WORKERS_KEY, "-inf", (now - WORKER_REPORT_KEPT).timestamp())
        pipeline.expire(WORKERS_KEY, WORKER_REPORT_KEPT)
        await pipeline.execute()

    async def _run(self) -> None:
        while True:
            try:
                await self.publish()
            except (RedisError, OSError) as error:
                # Orders do not notice; whoever looks sees the report grow old.
                log.debug("this worker's report was not stored: %s", error)
            await asyncio.sleep(WORKER_REPORT_EVERY.total_seconds())
