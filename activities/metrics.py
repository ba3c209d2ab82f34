"""What the worker measures: every step of every order, from the message that it answers.

A step that a crashed worker had finished runs again and is counted again. What has to be exact (which orders are in
flight, which outcomes are unknown) is counted from PostgreSQL, by the API.

No label is unbounded: steps, venues, kinds of pool, statuses and reason codes are ours; no order, signature or address
is ever one.
"""

import contextlib
import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from temporalio import activity
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
)
from temporalio.worker import Interceptor as WorkerInterceptor

from workflows.domain.attempt import OutcomeKind, SwapAttempt, SwapOutcome
from workflows.domain.lifecycle import Status, is_terminal
from workflows.domain.order import OrderEvent, OrderTerms
from workflows.domain.routing import VenueQuotes
from workflows.messages import ExecuteSwap, PersistOrder, PublishStatus, SwapExecuted, SwapSettled

# From a read that hits a cache to a swap that waits for its blockhash to expire.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_BPS = (-500, -100, -50, -25, -10, -5, -1, 0, 1, 5, 10, 25, 50, 100, 500)
_ATTEMPTS = (1, 2, 3, 4, 5, 10)
# A signed swap can land for 150 slots.
_SLOTS = (0, 1, 2, 3, 4, 5, 8, 12, 20, 32, 64, 100, 150)

STEPS = Histogram(
    "order_engine_step_duration_seconds",
    "Time that one run of a step took, by how it ended: done, refused (with a reason) or failed (to be repeated).",
    ("step", "outcome"),
    buckets=_SECONDS,
)
QUOTE_TIME = Histogram(
    "order_engine_quote_duration_seconds",
    "Time until a venue's pools were quoted.",
    ("venue",),
    buckets=_SECONDS,
)
QUOTES = Counter(
    "order_engine_quotes_total",
    "Pools asked for a quote, by whether they gave one: quoted or refused.",
    ("venue", "kind", "outcome"),
)
VENUE_FAILURES = Counter(
    "order_engine_venue_failures_total", "Times that no pool of a venue could be asked.", ("venue", "reason")
)
ROUTES = Counter("order_engine_routes_total", "Legs of chosen routes: what won.", ("venue", "kind"))
SWAPS = Counter(
    "order_engine_swaps_total",
    "Signed swaps by their proven outcome: landed, reverted or expired.",
    ("venue", "kind", "outcome", "reason"),
)
SLOTS_TO_LAND = Histogram(
    "order_engine_swap_slots_to_land",
    "Slots from the state that a landed swap was signed on to the one it landed in.",
    ("venue",),
    buckets=_SLOTS,
)
FILLS = Histogram(
    "order_engine_fill_against_quote_bps",
    "What a landed swap paid against its quote, in basis points: below zero it paid less.",
    ("venue",),
    buckets=_BPS,
)
RETRIES = Counter("order_engine_retries_total", "Attempts after the first, by why there is another one.", ("reason",))
ENDED = Counter("order_engine_orders_ended_total", "Orders that ended.", ("type", "status", "reason"))
ATTEMPTS = Histogram("order_engine_order_attempts", "Attempts of an order that ended.", ("status",), buckets=_ATTEMPTS)
DURATION = Histogram(
    "order_engine_order_duration_seconds",
    "Time from an order's acceptance to its end. An order that changed the worker in between is not timed.",
    ("type", "status"),
    buckets=_SECONDS,
)
WATCHED = Gauge(
    "order_engine_price_watch_seen_timestamp_seconds",
    "Unix time of the last look at the price of a pair (its two mints) that orders wait for.",
    ("pair",),
)

# Orders between acceptance and end of which this worker knows the beginning; resting ones may be many.
_REMEMBERED = 20_000

# The activity that watches the price of a pair for the orders that wait for it.
_WATCH = "watch_pair"


class StepMetrics(ClientInterceptor, WorkerInterceptor):
    """Measures the activities of a worker; given to the client that the worker is made from."""

    def __init__(self) -> None:
        self._accepted: OrderedDict[str, OrderTerms] = OrderedDict()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Stand between the worker and its activities."""
        return _Measured(next, self)

    def done(self, step: str, request: Any, answer: Any, seconds: float) -> None:
        """A step has answered."""
        match request, answer:
            case PersistOrder(), _:
                self._begin(request.terms)
            case _, VenueQuotes():
                QUOTE_TIME.labels(answer.venue).observe(seconds)
                _quoted(answer)
            case _, OrderEvent() if step == "choose_route" and "decision" in answer.data:
                for leg in answer.data["decision"]["route"]["legs"]:
                    ROUTES.labels(leg["venue"], leg["kind"]).inc()
            case PublishStatus(), OrderEvent() if answer == request.event:
                self._published(request.order_id, answer)
            case ExecuteSwap(), SwapExecuted(outcome=SwapOutcome() as outcome):
                _settled(request.swap, outcome)
            case _, SwapSettled():
                _settled(answer.swap, answer.outcome)
            case _:
                pass

    def _begin(self, terms: OrderTerms) -> None:
        self._accepted[terms.order_id] = terms
        if len(self._accepted) > _REMEMBERED:
            self._accepted.popitem(last=False)

    def _published(self, order_id: str, event: OrderEvent) -> None:
        reason = event.reason or ""
        if event.status is Status.ROUTING and event.reason is not None:
            RETRIES.labels(reason).inc()
        if not is_terminal(event.status):
            return
        terms = self._accepted.pop(order_id, None)
        kind = terms.type if terms else "unknown"
        ENDED.labels(kind, event.status, reason).inc()
        ATTEMPTS.labels(event.status).observe(event.attempt)
        if terms is not None:
            lasted = datetime.now(UTC) - terms.created_at
            DURATION.labels(kind, event.status).observe(max(0.0, lasted.total_seconds()))


class _Measured(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, metrics: StepMetrics) -> None:  # noqa: A002
        super().__init__(next)
        self._metrics = metrics

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        super().init(_Heartbeats(outbound))

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        step = activity.info().activity_type
        started, outcome = time.perf_counter(), "failed"
        try:
            answer = await self.next.execute_activity(input)
            outcome = "done"
        except ApplicationError as error:
            outcome = "refused" if error.type else "failed"
            raise
        finally:
            seconds = time.perf_counter() - started
            STEPS.labels(step, outcome).observe(seconds)
            if step == _WATCH:
                # Nobody watches from here on: a pair that nobody waits for is not late.
                with contextlib.suppress(KeyError):
                    WATCHED.remove(_pair())
        self._metrics.done(step, input.args[0] if input.args else None, answer, seconds)
        return answer


class _Heartbeats(ActivityOutboundInterceptor):
    def heartbeat(self, *details: Any) -> None:
        if activity.info().activity_type == _WATCH:
            WATCHED.labels(_pair()).set_to_current_time()
        super().heartbeat(*details)


def _pair() -> str:
    """The pair of a watcher, from the name of its workflow: watch-MINT-MINT."""
    return (activity.info().workflow_id or "").removeprefix("watch-").replace("-", "/")


def _quoted(venue: VenueQuotes) -> None:
    for quote in venue.quotes:
        QUOTES.labels(quote.venue, quote.kind, "quoted").inc()
    for refusal in venue.refusals:
        QUOTES.labels(refusal.venue, refusal.kind, "refused").inc()
    if venue.reason is not None:
        VENUE_FAILURES.labels(venue.venue, venue.reason).inc()


def _settled(swap: SwapAttempt, outcome: SwapOutcome) -> None:
    SWAPS.labels(swap.venue, swap.kind, outcome.kind, outcome.reason or "").inc()
    if outcome.kind is not OutcomeKind.LANDED or outcome.fill is None:
        return
    if swap.signing_slot is not None:
        SLOTS_TO_LAND.labels(swap.venue).observe(outcome.fill.slot - swap.signing_slot)
    difference = (outcome.fill.amount_out - swap.quoted_out) * 10_000
    # Rounded towards zero: a unit of dust is no basis point.
    bps = difference // swap.quoted_out if difference >= 0 else -(-difference // swap.quoted_out)
    FILLS.labels(swap.venue).observe(bps)
