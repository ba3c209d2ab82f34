"""How one worker finds its nodes and its watchers, as it tells for those who look after it."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

_Frozen = ConfigDict(frozen=True)


class EndpointReport(BaseModel):
    """One RPC endpoint. `circuit` is closed, half_open, open or resting; the endpoint of the least cost is asked first.

    The cost is its latency and penalties for failures and lag. `latency_ms` and `heard_at` are None before its first
    answer, `rests_until` when it has not asked to be left alone.
    """

    model_config = _Frozen

    host: str
    circuit: str
    cost_ms: int
    latency_ms: int | None
    slots_behind: int
    heard_at: datetime | None
    rests_until: datetime | None


class WatcherReport(BaseModel):
    """The watcher of a pair's price: the mints, the open orders, and when it last saw the pools, and at which slot.

    `trouble` says why it has not seen them since.
    """

    model_config = _Frozen

    first: str
    second: str
    since: datetime
    orders: int
    slot: int | None
    seen_at: datetime | None
    trouble: str | None


class WorkerReport(BaseModel):
    """One worker, by the name that Temporal shows for it, as of `at`."""

    model_config = _Frozen

    worker: str
    started_at: datetime
    at: datetime
    endpoints: tuple[EndpointReport, ...]
    watchers: tuple[WatcherReport, ...]
