"""What travels about the running of the engine."""

from datetime import datetime

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


class OperationsOut(Wire):
    """The engine's work of the last minutes: of `account`, or of all accounts where it is null.

    Figures are drawn from the newest 5000 orders of each account in the window.
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


class WhoOut(Wire):
    """Who calls, and what they may do; `cluster` is the Solana cluster that is traded on."""

    account: str
    scopes: list[str]
    key_id: str | None
    cluster: str
