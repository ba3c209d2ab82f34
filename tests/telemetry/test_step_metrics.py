"""What the worker counts, from the messages of its steps."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ActivityOutboundInterceptor, ExecuteActivityInput

from activities.metrics import StepMetrics
from activities.solana.errors import Outcome
from activities.solana.metrics import RpcMetrics
from activities.solana.observer import Circuit
from tests.samples import EXPIRED, FILL, order_event, order_terms, swap_attempt
from workflows.domain.attempt import OutcomeKind, SwapOutcome
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderEvent
from workflows.domain.routing import PoolRefusal, VenueQuotes
from workflows.messages import ExecuteSwap, PersistOrder, PublishStatus, QuoteRequest, SwapExecuted

Change = Callable[..., float]


@pytest.fixture
def change() -> Change:
    """How much a series has grown since the test began."""
    before = {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples()}

    def grown(name: str, **labels: str) -> float:
        now = REGISTRY.get_sample_value(f"order_engine_{name}", labels) or 0.0
        return now - before.get((f"order_engine_{name}", *sorted(labels.items())), 0.0)

    return grown


def samples() -> list[Any]:
    return [sample for family in REGISTRY.collect() for sample in family.samples]


def published(event: OrderEvent, order_id: str) -> tuple[PublishStatus, OrderEvent]:
    return PublishStatus(order_id=order_id, account="local", event=event), event


def settled(outcome: SwapOutcome, **swap: Any) -> tuple[ExecuteSwap, SwapExecuted]:
    terms = order_terms()
    event = order_event(4, Status.SUBMITTED)
    attempt = swap_attempt(terms.order_id, **{"quoted_out": 1_000_000, **swap})
    return ExecuteSwap(terms=terms, swap=attempt, event=event), SwapExecuted(event=event, outcome=outcome)


def test_an_order_is_counted_once_when_it_ends_with_its_attempts_and_its_time(change: Change) -> None:
    metrics, terms = StepMetrics(), order_terms()
    metrics.done("persist_order", PersistOrder(terms=terms, events=()), None, 0.01)
    metrics.done("publish_status", *published(order_event(5, Status.ROUTING), terms.order_id), 0.01)
    end = order_event(6, Status.FAILED, reason=ErrorCode.SLIPPAGE_EXCEEDED, attempt=3)
    metrics.done("publish_status", *published(end, terms.order_id), 0.01)
    labels = {"type": "market", "status": "failed", "reason": "slippage_exceeded"}
    assert change("orders_ended_total", **labels) == 1
    assert change("order_attempts_sum", status="failed") == 3
    assert change("order_duration_seconds_count", type="market", status="failed") == 1


def test_an_order_that_another_worker_accepted_is_counted_and_not_timed(change: Change) -> None:
    end = order_event(6, Status.CONFIRMED)
    StepMetrics().done("publish_status", *published(end, order_terms().order_id), 0.01)
    assert change("orders_ended_total", type="unknown", status="confirmed", reason="") == 1
    assert change("order_duration_seconds_count", type="unknown", status="confirmed") == 0


def test_an_event_that_another_try_had_stored_is_not_counted_again(change: Change) -> None:
    order_id = order_terms().order_id
    asked, stands = order_event(6, Status.CONFIRMED), order_event(6, Status.FAILED)
    StepMetrics().done("publish_status", published(asked, order_id)[0], stands, 0.01)
    assert change("order_attempts_count", status="confirmed") == change("order_attempts_count", status="failed") == 0


def test_a_further_attempt_is_counted_by_its_reason(change: Change) -> None:
    again = order_event(5, Status.ROUTING, reason=ErrorCode.BLOCKHASH_EXPIRED)
    StepMetrics().done("publish_status", *published(again, order_terms().order_id), 0.01)
    assert change("retries_total", reason="blockhash_expired") == 1


@pytest.mark.parametrize(
    ("paid", "below", "upto"),
    [
        (1_000_000, "-1.0", "0.0"),
        (999_999, "-1.0", "0.0"),
        (1_000_099, "-1.0", "0.0"),
        (997_500, "-50.0", "-25.0"),
        (1_000_100, "0.0", "1.0"),
        (990_000, "-500.0", "-100.0"),
    ],
)
def test_a_fill_is_compared_with_its_quote_in_whole_basis_points(
    change: Change, paid: int, below: str, upto: str
) -> None:
    fill = FILL.model_copy(update={"amount_out": paid, "slot": 107})
    outcome = SwapOutcome(kind=OutcomeKind.LANDED, slot=107, fill=fill)
    StepMetrics().done("execute_swap", *settled(outcome, signing_slot=100), 0.5)
    assert change("fill_against_quote_bps_bucket", venue="raydium", le=below) == 0
    assert change("fill_against_quote_bps_bucket", venue="raydium", le=upto) == 1
    assert change("swap_slots_to_land_sum", venue="raydium") == 7
    assert change("swaps_total", venue="raydium", kind="cpmm", outcome="landed", reason="") == 1


def test_a_swap_that_expired_is_counted_with_its_reason_and_fills_nothing(change: Change) -> None:
    StepMetrics().done("execute_swap", *settled(EXPIRED), 60.0)
    labels = {"venue": "raydium", "kind": "cpmm", "outcome": "expired", "reason": "blockhash_expired"}
    assert change("swaps_total", **labels) == 1
    assert change("fill_against_quote_bps_count", venue="raydium") == 0


def test_pools_that_refuse_and_venues_that_are_silent_are_counted(change: Change) -> None:
    terms = order_terms()
    request = QuoteRequest(token_in=terms.token_in, token_out=terms.token_out, amount_in=1)
    refusal = PoolRefusal(venue="meteora", kind="dlmm", pool="pool", reason="paused")
    answer = VenueQuotes(venue="meteora", refusals=(refusal,), reason=ErrorCode.QUOTE_UNAVAILABLE)
    StepMetrics().done("fetch_meteora_quote", request, answer, 0.2)
    assert change("quotes_total", venue="meteora", kind="dlmm", outcome="refused") == 1
    assert change("venue_failures_total", venue="meteora", reason="quote_unavailable") == 1
    assert change("quote_duration_seconds_count", venue="meteora") == 1


class TestInterceptor:
    """The way from the worker to the numbers."""

    async def run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        class Innermost(ActivityInboundInterceptor):
            def __init__(self) -> None:
                pass

            def init(self, outbound: ActivityOutboundInterceptor) -> None:
                pass

            async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
                return await work()

        outermost = StepMetrics().intercept_activity(Innermost())
        given = ExecuteActivityInput(fn=work, args=[], executor=None, headers={})
        return await ActivityEnvironment().run(outermost.execute_activity, given)

    async def test_how_a_step_ended_is_told_apart(self, change: Change) -> None:
        step = ActivityEnvironment.default_info().activity_type

        async def done() -> str:
            return "answer"

        async def refused() -> None:
            raise ApplicationError("no", type="slippage_exceeded", non_retryable=True)

        async def broken() -> None:
            raise ConnectionError("away")

        assert await self.run(done) == "answer"
        with pytest.raises(ApplicationError):
            await self.run(refused)
        with pytest.raises(ConnectionError):
            await self.run(broken)
        for outcome in ("done", "refused", "failed"):
            assert change("step_duration_seconds_count", step=step, outcome=outcome) == 1


def test_a_call_of_a_node_is_counted_and_its_endpoint_has_one_state(change: Change) -> None:
    observer = RpcMetrics()
    observer.called("getSlot", "node:1", Outcome.TIMED_OUT, 2.0)
    observer.health("node:1", Circuit.CLOSED, 0.1, 0)
    observer.health("node:1", Circuit.OPEN, 3.5, 12)
    observer.vanished("a signature")
    assert change("rpc_requests_total", method="getSlot", endpoint="node:1", outcome="timed_out") == 1
    assert change("rpc_request_duration_seconds_sum", method="getSlot", endpoint="node:1") == 2
    assert {
        circuit: REGISTRY.get_sample_value(
            "order_engine_rpc_endpoint_circuit", {"endpoint": "node:1", "circuit": circuit}
        )
        for circuit in Circuit
    } == {Circuit.CLOSED: 0, Circuit.OPEN: 1, Circuit.HALF_OPEN: 0, Circuit.RESTING: 0}
    assert REGISTRY.get_sample_value("order_engine_rpc_endpoint_slots_behind", {"endpoint": "node:1"}) == 12
    assert change("swaps_vanished_total") == 1
