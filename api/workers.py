"""How the workers find their nodes and watchers: what they told last, and how long ago."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import cast

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.operations_schemas import EndpointOut, WatcherOut, WorkerOut
from workflows.domain.worker_report import WatcherReport, WorkerReport
from workflows.names import WORKER_REPORT_EVERY, WORKER_REPORT_KEPT, WORKERS_KEY, report_key

log = logging.getLogger(__name__)

# A worker that was busy once is not taken for dead.
_STALE_AFTER = 3 * WORKER_REPORT_EVERY


class WorkerReports:
    """Reads the reports that workers leave in Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self, symbols: Mapping[str, str]) -> list[WorkerOut] | None:
        """Every worker heard of lately, by name, mints as symbols where they are known; None while Redis is away."""
        try:
            found = cast("list[bytes]", await self._redis.zrange(WORKERS_KEY, 0, -1))
            workers = sorted(name.decode() for name in found)
            pipeline = self._redis.pipeline(transaction=False)
            for worker in workers:
                pipeline.get(report_key(worker))
                pipeline.pttl(report_key(worker))
            answers = await pipeline.execute()
        except (RedisError, OSError) as error:
            log.info("what the workers report cannot be read: %s", error)
            return None
        return [
            told
            for report, left in zip(answers[::2], answers[1::2], strict=True)
            if report is not None and (told := _told(report, timedelta(milliseconds=left), symbols)) is not None
        ]


def _told(stored: bytes, left: timedelta, symbols: Mapping[str, str]) -> WorkerOut | None:
    try:
        report = WorkerReport.model_validate_json(stored)
    except ValidationError:
        # Of a worker of another release.
        return None
    # By the clock of Redis alone: those of the machines may differ.
    silent = max(timedelta(), WORKER_REPORT_KEPT - left)
    return WorkerOut(
        worker=report.worker,
        started_at=report.started_at,
        at=report.at,
        silent_ms=_ms(silent),
        stale=silent > _STALE_AFTER,
        endpoints=[EndpointOut.model_validate(each.model_dump()) for each in report.endpoints],
        watchers=[_watcher(each, report, symbols) for each in report.watchers],
    )


def _watcher(watcher: WatcherReport, report: WorkerReport, symbols: Mapping[str, str]) -> WatcherOut:
    first, second = (symbols.get(mint, mint) for mint in (watcher.first, watcher.second))
    return WatcherOut(
        pair=f"{first}/{second}",
        since=watcher.since,
        orders=watcher.orders,
        slot=watcher.slot,
        lag_ms=None if watcher.seen_at is None else _ms(report.at - watcher.seen_at),
        trouble=watcher.trouble,
    )


def _ms(time: timedelta) -> int:
    return round(time / timedelta(milliseconds=1))
