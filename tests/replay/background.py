"""The ways of the workflows that are no orders, and their histories: `python -m tests.replay.background` records them.

These workflows live for seconds, yet a deployment may fall between two of their steps.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowContinuedAsNewError, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from tests.replay.record import RECORDER, recording_server, write
from tests.samples import SOL, USDC
from tests.workflows.histories import happened
from tests.workflows.scripted import Answer, has_no_pools, pays, unreadable
from workflows import names
from workflows.dead_mans_switch import DeadMansSwitchWorkflow
from workflows.domain.routing import VenueQuotes
from workflows.messages import (
    FinishReconciliation,
    PairSurvey,
    PartReconciled,
    PoolsRefreshed,
    QuoteRequest,
    ReconciliationScope,
    SurveyedPool,
    SurveyPair,
    WatchedPair,
)
from workflows.quote import QuoteWorkflow
from workflows.reconcile import ReconcileWorkflow
from workflows.refresh import RefreshPoolsWorkflow
from workflows.survey import SurveyWorkflow
from workflows.switch_messages import CancelOrders, DeadMansSwitch, OrdersAsked, RenewSwitch
from workflows.watch import WatchWorkflow

HISTORIES = Path(__file__).parent / "background"
WORKFLOWS: Sequence[type] = (
    DeadMansSwitchWorkflow,
    QuoteWorkflow,
    ReconcileWorkflow,
    RefreshPoolsWorkflow,
    SurveyWorkflow,
    WatchWorkflow,
)

Step = Callable[..., Awaitable[Any]]

# Does what should befall a workflow; before its worker is there, and when it is.
Happening = Callable[[WorkflowHandle[Any, Any]], Awaitable[None]]


async def nothing(handle: WorkflowHandle[Any, Any]) -> None:
    """The workflow is left alone."""


_REQUEST = QuoteRequest(token_in=SOL, token_out=USDC, amount_in=1_500_000_000)
_BEGINNING = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@dataclass(frozen=True)
class Background:
    """One way: the workflow, what it is given, its steps, whether it fails, and what befalls it."""

    workflow: Any
    given: Sequence[Any]
    steps: Sequence[Step]
    fails: bool = False
    # Comes in one call with its start.
    with_start: Sequence[RenewSwitch] = ()
    before: Happening = nothing
    meanwhile: Happening = nothing
    # From so many events on the server holds the history for long.
    long: int | None = None


def _quotes(raydium: Answer, meteora: Answer) -> Background:
    @activity.defn
    async def compare_quotes(request: QuoteRequest) -> tuple[VenueQuotes, ...]:
        return await raydium("raydium", request), await meteora("meteora", request)

    return Background(QuoteWorkflow, (_REQUEST,), (compare_quotes,))


def _quotes_that_break() -> Background:
    @activity.defn
    async def compare_quotes(request: QuoteRequest) -> tuple[VenueQuotes, ...]:
        raise ApplicationError("the node is away", type="ConnectionError")

    return Background(QuoteWorkflow, (_REQUEST,), (compare_quotes,))


def _survey(breaks: bool = False) -> Background:
    @activity.defn
    async def survey_pair(request: SurveyPair) -> PairSurvey:
        if breaks:
            raise ApplicationError("the node is away", type="ConnectionError")
        pool = SurveyedPool(venue="raydium", kind="cpmm", pool="pool", price=Decimal("0.15"), amounts_out=(149, None))
        return PairSurvey(slot=7, sizes=(1_000, 10_000), pools=(pool,))

    return Background(SurveyWorkflow, (SurveyPair(token_in=SOL, token_out=USDC),), (survey_pair,))


def _refresh(fails: bool = False) -> Background:
    @activity.defn
    async def refresh_pools() -> PoolsRefreshed:
        if fails:
            raise ApplicationError("the node is away", type="ConnectionError", non_retryable=True)
        return PoolsRefreshed(
            quoted={"cpmm": 2}, excluded={"clmm": {"frozen": 1}}, new=1, problems=("one",), more_problems=3
        )

    return Background(RefreshPoolsWorkflow, (), (refresh_pools,), fails)


def _reconcile(whole: bool, away: str = "") -> Background:
    def answered(name: str, found: PartReconciled) -> PartReconciled:
        if name == away:
            raise ApplicationError("the node is away", type="ConnectionError", non_retryable=True)
        return found

    @activity.defn
    async def begin_reconciliation() -> ReconciliationScope:
        return ReconciliationScope(started_at=_BEGINNING, since=_BEGINNING - timedelta(minutes=3), whole=whole)

    @activity.defn
    async def reconcile_orders(scope: ReconciliationScope) -> PartReconciled:
        return answered("orders", PartReconciled(orders=3, repaired=1, told=("workflow_missing of an order",)))

    @activity.defn
    async def reconcile_workflows(scope: ReconciliationScope) -> PartReconciled:
        return answered("workflows", PartReconciled(workflows=2))

    @activity.defn
    async def reconcile_swaps(scope: ReconciliationScope) -> PartReconciled:
        return answered("swaps", PartReconciled(swaps=5, raised=1, told=("a finding",), cursors={"wallet": "newest"}))

    @activity.defn
    async def finish_reconciliation(request: FinishReconciliation) -> None:
        assert request.found.orders == 3

    steps = (begin_reconciliation, reconcile_orders, reconcile_workflows, reconcile_swaps, finish_reconciliation)
    return Background(ReconcileWorkflow, (), steps, fails=bool(away))


async def _opens(handle: WorkflowHandle[Any, Any]) -> None:
    await handle.signal(names.ORDER_OPENED)


def _watch(opens_another: bool = False, long: int | None = None) -> Background:
    """A watcher with an open order; another opens while it looks."""
    opened = asyncio.Event()

    @activity.defn
    async def watch_pair(pair: WatchedPair) -> None:
        if opens_another:
            await opened.wait()

    async def opens_meanwhile(handle: WorkflowHandle[Any, Any]) -> None:
        await happened(handle, "activity_task_scheduled")
        await _opens(handle)
        opened.set()

    meanwhile = opens_meanwhile if opens_another else nothing
    pair = WatchedPair.of(SOL.mint, USDC.mint)
    return Background(WatchWorkflow, (pair,), (watch_pair,), before=_opens, meanwhile=meanwhile, long=long)


def _switch(switch: DeadMansSwitch, *signals: RenewSwitch) -> Background:
    """A switch, the signal that comes with its start, and those that come each once a timer runs."""
    answers = iter((OrdersAsked(asked=2, left=2), OrdersAsked(asked=0, left=0)))

    @activity.defn
    async def cancel_orders(request: CancelOrders) -> OrdersAsked:
        return next(answers)

    async def renewed(handle: WorkflowHandle[Any, Any]) -> None:
        for signal in signals[1:]:
            await happened(handle, "timer_started")
            await handle.signal(names.RENEW_SWITCH, signal)

    return Background(DeadMansSwitchWorkflow, (switch,), (cancel_orders,), with_start=signals[:1], meanwhile=renewed)


def _alive(at: datetime, until: datetime | None) -> RenewSwitch:
    return RenewSwitch(at=at, until=until)


_OFF = DeadMansSwitch(account="desk")
_SOON, _FAR = _BEGINNING + timedelta(seconds=60), _BEGINNING.replace(year=2999)


BACKGROUND = {
    "quotes": _quotes(pays(290), pays(291)),
    "quotes_of_one_venue": _quotes(unreadable(), pays(291)),
    "quotes_without_pools": _quotes(has_no_pools, has_no_pools),
    "quotes_that_break": _quotes_that_break(),
    "watched": _watch(),
    "watched_again_for_an_order_that_opened": _watch(opens_another=True),
    "watched_anew_after_a_long_history": _watch(long=6),
    "surveyed": _survey(),
    "survey_that_breaks": _survey(breaks=True),
    "refreshed": _refresh(),
    "refresh_failed": _refresh(fails=True),
    "switch_fired": _switch(_OFF, _alive(_BEGINNING, _SOON)),
    "switch_put_off_then_off": _switch(_OFF, _alive(_BEGINNING, _FAR), _alive(_SOON, _FAR), _alive(_SOON, None)),
    "switch_brought_forward": _switch(_OFF, _alive(_BEGINNING, _FAR), _alive(_BEGINNING, _SOON)),
    "switch_renewed_too_late": _switch(_OFF, _alive(_BEGINNING, _SOON), _alive(_SOON, _FAR), _alive(_SOON, None)),
    "switch_goes_on": _switch(DeadMansSwitch(account="desk", until=_SOON)),
    "switch_goes_on_canceling": _switch(DeadMansSwitch(account="desk", fired_at=_BEGINNING)),
    "reconciled": _reconcile(whole=False),
    "reconciled_everything": _reconcile(whole=True),
    "reconciled_without_the_chain": _reconcile(whole=False, away="swaps"),
}


async def _record(client: Client, name: str, way: Background) -> WorkflowHistory:
    start = {"start_signal": names.RENEW_SWITCH, "start_signal_args": way.with_start} if way.with_start else {}
    handle: WorkflowHandle[Any, Any] = await client.start_workflow(
        way.workflow.run, args=way.given, id=name, task_queue=names.TASK_QUEUE, **start
    )
    await way.before(handle)
    # The first run, whatever it goes on in.
    first = client.get_workflow_handle(name, run_id=handle.first_execution_run_id)
    worker = Worker(
        client,
        task_queue=names.TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=way.steps,
        identity=RECORDER,
        # A queue named after a worker would name its host.
        max_cached_workflows=0,
    )
    async with worker:
        await way.meanwhile(handle)
        try:
            await first.result(follow_runs=False)
            failed = False
        except WorkflowContinuedAsNewError:
            await handle.terminate()
            failed = False
        except WorkflowFailureError:
            failed = True
    if failed != way.fails:
        raise SystemExit(f"{name} should {'' if way.fails else 'not '}have failed")
    return await first.fetch_history()


async def main(wanted: Sequence[str]) -> None:
    """Record the named ways, or all of them."""
    HISTORIES.mkdir(exist_ok=True)
    ways = {name: BACKGROUND[name] for name in wanted or BACKGROUND}
    for long in {way.long for way in ways.values()}:
        async with recording_server(long) as client:
            for name, way in ways.items():
                if way.long == long:
                    write(name, await _record(client, name, way), HISTORIES)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
