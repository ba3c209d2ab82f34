"""What travels about the running of the engine."""

from datetime import datetime

from pydantic import Field

from api.requests import Incoming
from api.schemas import Check, Wire
from workflows.domain.lifecycle import Status


class InFlightOut(Wire):
    """Orders of one status that have not ended; `oldest` is when the first of them was accepted."""

    status: Status
    orders: int
    oldest: datetime


class BucketOut(Wire):
    """Orders accepted and ended in one part of the window; `failed` counts every end without a trade."""

    at: datetime
    accepted: int
    confirmed: int
    failed: int


class StepOut(Wire):
    """How long it took from one status to the next, in milliseconds.

    `before` is null for the whole way, from the request to the last event.
    """

    before: Status | None
    after: Status
    orders: int
    p50_ms: int
    p95_ms: int
    p99_ms: int


class EndedOut(Wire):
    """Orders of the window that have ended, alike in how."""

    status: Status
    reason: str | None
    venue: str | None
    orders: int


class SetbackOut(Wire):
    """How often a reason led to a status: `routing` is another attempt, a terminal status the end."""

    reason: str
    status: Status
    orders: int


class LandingOut(Wire):
    """Signed swaps by outcome, null while it is unknown; milliseconds from recorded to proven."""

    outcome: str | None
    attempts: int
    p50_ms: int | None
    p95_ms: int | None


class HaltOut(Wire):
    """A stop of all trading that is in force: who asked for it, when, and why."""

    by: str
    reason: str
    at: datetime


class TradingOut(Wire):
    """Whether trading is halted; null when it is not."""

    halt: HaltOut | None


class HaltRequest(Incoming):
    """A wish to stop all trading."""

    reason: str = Field(default="", max_length=200, description="Why, for those who find trading halted.")


class FindingOut(Wire):
    """Something that does not agree, or needs a person to look at it."""

    kind: str
    order_id: str
    detail: str
    first_seen: datetime


class ReconciliationOut(Wire):
    """The last comparison of orders, log and chain: how much it looked at, and what was found and still stands."""

    finished_at: datetime
    orders: int
    swaps: int
    repaired: int
    findings: list[FindingOut]


class EndpointOut(Wire):
    """An RPC endpoint as one worker finds it; the one of the least cost is asked first.

    `circuit` is closed, half_open, open or resting. `costMs` is its latency and penalties for failures and lag.
    """

    host: str
    circuit: str
    cost_ms: int
    latency_ms: int | None
    slots_behind: int
    heard_at: datetime | None
    rests_until: datetime | None


class WatcherOut(Wire):
    """The watcher of a pair's price: open orders, and how old its newest look at the pools was, with its slot."""

    pair: str
    since: datetime
    orders: int
    slot: int | None
    lag_ms: int | None
    trouble: str | None


class WorkerOut(Wire):
    """A worker as it told at `at`, `silentMs` ago; `stale` when it should have told again since."""

    worker: str
    started_at: datetime
    at: datetime
    silent_ms: int
    stale: bool
    endpoints: list[EndpointOut]
    watchers: list[WatcherOut]


class OperationsOut(Wire):
    """The engine's work of the last minutes: of `account`, or of all accounts where it is null.

    `reconciliation` and `workers` are told with all accounts only; null before the first one, and while Redis is away.
    Figures are drawn from the newest
    5000 orders of each account in the window.
    """

    account: str | None
    at: datetime
    since: datetime
    bucket_seconds: int
    in_flight: list[InFlightOut]
    buckets: list[BucketOut]
    steps: list[StepOut]
    ended: list[EndedOut]
    setbacks: list[SetbackOut]
    landings: list[LandingOut]
    checks: dict[str, Check]
    streams: int
    halt: HaltOut | None
    reconciliation: ReconciliationOut | None
    workers: list[WorkerOut] | None


class WhoOut(Wire):
    """Who calls, and what they may do; `cluster` is the Solana cluster that is traded on."""

    account: str
    scopes: list[str]
    key_id: str | None
    cluster: str
