"""Two workers follow the same bytes, one of them taken for dead: the order goes on from what the log holds."""

from temporalio.testing import ActivityEnvironment

from tests.activities.desk import Desk
from tests.samples import order_event
from tests.workflows.scripted import EXPIRED
from workflows.domain.attempt import OutcomeKind
from workflows.domain.lifecycle import Status
from workflows.messages import ExecuteSwap, SettleSwap


async def test_the_second_worker_tells_what_the_first_stored(desk: Desk) -> None:
    terms = await desk.accept()
    swap = (await desk.prepare(terms, await desk.route(terms, "cpmm"))).swap
    submitted = order_event(4, Status.SUBMITTED, signature=swap.signature)
    await desk.store.record_attempt(swap, submitted)
    # Not what the chain says: only the log can have told it.
    await desk.store.settle_attempt(swap, EXPIRED)
    request = ExecuteSwap(terms=terms, swap=swap, event=submitted)
    executed = await ActivityEnvironment().run(desk.worker.swap.execute_swap, request)
    assert executed.outcome == EXPIRED
    settled = await ActivityEnvironment().run(desk.worker.swap.settle_swap, SettleSwap(terms=terms, event=submitted))
    assert settled.outcome.kind is OutcomeKind.EXPIRED
