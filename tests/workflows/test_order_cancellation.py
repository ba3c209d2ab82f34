"""A cancellation is a wish: honoured where nothing can trade any more, else the chain decides."""

import asyncio

import pytest
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from tests.samples import limit_order, order_terms
from tests.workflows.conftest import Engine, RunEngine, Started
from tests.workflows.histories import happened
from tests.workflows.scripted import (
    EXPIRED,
    HALT,
    Answer,
    Script,
    ScriptedActivities,
    landed,
    pays,
    reverted,
    unreadable,
)
from workflows import names
from workflows.domain.attempt import SwapAttempt, SwapOutcome
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderEvent
from workflows.domain.routing import VenueQuotes
from workflows.messages import CancelAnswer, CancelOrder, CancelResult, OrderResult, QuoteRequest
from workflows.order import OrderWorkflow

P, R, B, S = Status.PENDING, Status.ROUTING, Status.BUILDING, Status.SUBMITTED
C = Status.PENDING_CANCEL


def told(activities: ScriptedActivities, order_id: str) -> list[Status]:
    return [event.status for event in activities.order(order_id).log]


async def test_an_order_is_canceled_before_it_started(skipping_server: WorkflowEnvironment) -> None:
    running = Engine(skipping_server, Script())
    # Without a worker the cancellation reaches the order together with its first task.
    handle = await running.start()
    await handle.cancel()
    async with running.worker():
        result = await handle.result()
    assert (result.status, result.reason, result.signature) == (Status.CANCELED, None, None)
    assert told(running.activities, result.order_id) == [P, R, Status.CANCELED]
    assert running.activities.chain.sent[result.order_id] == []


async def test_a_cancel_between_attempts_ends_the_wait(engine: RunEngine) -> None:
    async with engine(Script(raydium=(unreadable(),), meteora=(unreadable(),))) as running:
        handle = await running.start(order_terms(max_attempts=100), in_real_time=True)
        await happened(handle, "timer_started")
        assert (await handle.query(OrderWorkflow.state)).step.startswith("waiting before attempt ")
        await handle.cancel()
        result = await handle.result()
    assert (result.status, result.signature) == (Status.CANCELED, None)
    log = told(running.activities, result.order_id)
    assert log[-1] is Status.CANCELED
    assert set(log[2:-1]) <= {R}


class TestWhileTheSwapIsSent:
    @staticmethod
    async def canceled_in_flight(engine: RunEngine, script: Script) -> tuple[OrderResult, ScriptedActivities]:
        async with engine(script) as running:
            running.activities.may_settle.clear()
            handle = await running.start()
            await running.activities.executing.wait()
            await handle.cancel()
            await happened(handle, "workflow_execution_cancel_requested")
            running.activities.may_settle.set()
            return await handle.result(), running.activities

    async def test_what_landed_stays_confirmed(self, engine: RunEngine) -> None:
        result, activities = await self.canceled_in_flight(engine, Script(outcomes=(landed(289),)))
        assert result.status is Status.CONFIRMED
        assert result.fill is not None
        assert result.fill.amount_out == 289
        assert told(activities, result.order_id) == [P, R, B, S, C, Status.CONFIRMED]

    @pytest.mark.parametrize("outcome", [EXPIRED, reverted(), reverted(ErrorCode.INSUFFICIENT_FUNDS)])
    async def test_what_provably_did_not_trade_is_canceled_and_not_made_anew(
        self, engine: RunEngine, outcome: SwapOutcome
    ) -> None:
        result, activities = await self.canceled_in_flight(engine, Script(outcomes=(outcome, landed())))
        assert (result.status, result.fill) == (Status.CANCELED, None)
        assert told(activities, result.order_id) == [P, R, B, S, C, Status.CANCELED]
        assert len(activities.chain.sent[result.order_id]) == 1

    async def test_a_second_cancel_changes_nothing(self, engine: RunEngine) -> None:
        async with engine(Script(outcomes=(EXPIRED, landed()))) as running:
            running.activities.may_settle.clear()
            handle: Started = await running.start()
            await running.activities.executing.wait()
            await handle.cancel()
            await handle.cancel()
            running.activities.may_settle.set()
            result = await handle.result()
        assert result.status is Status.CANCELED
        assert told(running.activities, result.order_id) == [P, R, B, S, C, Status.CANCELED]


async def test_a_cancel_while_quoting_comes_before_any_signature(engine: RunEngine) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    def slowly(inner: Answer) -> Answer:
        async def quote(venue: str, request: QuoteRequest) -> VenueQuotes:
            asked.set()
            await answer.wait()
            return await inner(venue, request)

        return quote

    async with engine(
        Script(raydium=(slowly(pays(290)),), meteora=(unreadable(),), prepare=(ErrorCode.CHAIN_UNAVAILABLE,))
    ) as running:
        handle = await running.start(in_real_time=True)
        await asked.wait()
        await handle.cancel()
        answer.set()
        result = await handle.result()
    # The order was on its way within one workflow task; the cancellation is heard at the end of it.
    assert result.status is Status.CANCELED
    assert running.activities.chain.sent[result.order_id] == []


async def cancel(handle: Started, update_id: str | None = None) -> CancelAnswer:
    """Ask as the API does."""
    answer: CancelAnswer = await handle.execute_update(
        names.CANCEL, CancelOrder(), id=update_id, result_type=CancelAnswer
    )
    return answer


class TestADefiniteAnswer:
    async def test_a_resting_order_is_canceled(self, engine: RunEngine) -> None:
        async with engine(Script()) as running:
            handle = await running.rest()
            answer = await cancel(handle)
            result = await handle.result()
        assert (answer.result, answer.status, answer.signature) == (CancelResult.CANCELED, Status.CANCELED, None)
        assert told(running.activities, result.order_id) == [P, Status.OPEN, Status.CANCELED]

    async def test_a_reused_id_is_answered_as_the_first_time(self, engine: RunEngine) -> None:
        async with engine(Script()) as running:
            running.activities.may_settle.clear()
            handle = await running.start()
            await running.activities.executing.wait()
            first = await cancel(handle, "mine")
            assert await cancel(handle, "mine") == first
            running.activities.may_settle.set()
            await handle.result()
            assert await cancel(handle, "mine") == first

    @pytest.mark.parametrize(("outcome", "end"), [(landed(289), Status.CONFIRMED), (EXPIRED, Status.CANCELED)])
    async def test_it_is_too_late_once_a_signature_may_land(
        self, engine: RunEngine, outcome: SwapOutcome, end: Status
    ) -> None:
        async with engine(Script(outcomes=(outcome,))) as running:
            running.activities.may_settle.clear()
            handle = await running.start()
            await running.activities.executing.wait()
            answer = await cancel(handle)
            assert answer.result is CancelResult.TOO_LATE
            assert answer.status is C
            assert [answer.signature] == running.activities.chain.sent[handle.id.removeprefix("order-")]
            running.activities.may_settle.set()
            result = await handle.result()
        assert result.status is end
        assert told(running.activities, result.order_id) == [P, R, B, S, C, end]

    async def test_an_order_that_has_ended_takes_none(self, engine: RunEngine) -> None:
        async with engine(Script()) as running:
            handle = await running.start()
            await handle.result()
            with pytest.raises(RPCError, match="completed"):
                await cancel(handle)

    async def test_it_comes_before_the_first_step_of_an_order_that_waits_for_a_price(
        self, skipping_server: WorkflowEnvironment
    ) -> None:
        running = Engine(skipping_server, Script())
        handle = await running.start(limit_order(), in_real_time=True)
        asking = asyncio.create_task(cancel(handle))
        async with running.worker():
            answer = await asking
            result = await handle.result()
        assert answer.result is CancelResult.CANCELED
        assert told(running.activities, result.order_id)[-1] is Status.CANCELED
        assert running.activities.chain.sent[result.order_id] == []


@pytest.mark.parametrize(
    ("halted", "answer", "log"),
    [
        (False, CancelResult.TOO_LATE, [P, R, B, S, C, Status.CONFIRMED]),
        # Nothing was recorded and nothing sent: it is no matter for the chain.
        (True, CancelResult.CANCELED, [P, R, B, Status.CANCELED]),
    ],
)
async def test_a_cancel_that_comes_before_the_swap_is_recorded(
    engine: RunEngine, halted: bool, answer: CancelResult, log: list[Status]
) -> None:
    async with engine(Script()) as running:
        store = running.activities.store
        record, asked, may_record = store.record_attempt, asyncio.Event(), asyncio.Event()

        async def slowly(swap: SwapAttempt, event: OrderEvent) -> OrderEvent:
            asked.set()
            await may_record.wait()
            return await record(swap, event)

        store.record_attempt = slowly  # type: ignore[method-assign]
        handle = await running.start(in_real_time=True)
        await asked.wait()
        asking = asyncio.create_task(cancel(handle))
        await happened(handle, "workflow_execution_update_accepted")
        store.halt = HALT if halted else None
        may_record.set()
        assert (await asking).result is answer
        result = await handle.result()
    assert told(running.activities, result.order_id) == log
