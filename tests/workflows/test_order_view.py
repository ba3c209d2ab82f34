"""What a person sees of an order while it lives and after."""

import json

from tests.workflows.conftest import RunEngine
from tests.workflows.scripted import Script, landed, reverted
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Phase, Status
from workflows.order import OrderWorkflow
from workflows.story import tell


async def test_the_state_of_an_order_in_flight_shows_its_signature(engine: RunEngine) -> None:
    async with engine(Script()) as running:
        running.activities.may_settle.clear()
        handle = await running.start()
        await running.activities.executing.wait()
        state = await handle.query(OrderWorkflow.state)
        running.activities.may_settle.set()
        await handle.result()
    assert (state.status, state.phase, state.seq, state.step) == (Status.SUBMITTED, Phase.PROCESSING, 4, "execute swap")
    assert [venue.venue for venue in state.venues] == ["raydium", "meteora"]
    assert state.decision is not None
    assert state.prepared is not None
    assert state.fill is None
    story = tell(state)
    assert "**sell 1.5 SOL for USDC, market**: submitted" in story
    assert "Attempt 1 of 3, execute swap." in story
    assert state.decision.why in story
    assert state.prepared.swap.signature in story


async def test_the_story_of_a_filled_order_names_what_was_paid_and_received(engine: RunEngine) -> None:
    async with engine(Script(outcomes=(landed(289_123_456),))) as running:
        handle = await running.start()
        await handle.result()
        state = await handle.query(OrderWorkflow.state)
        description = await handle.describe()
    assert (state.status, state.phase) == (Status.CONFIRMED, Phase.COMPLETED)
    assert tell(state).endswith("Paid 1.5 SOL, received 289.123456 USDC in slot 11.")
    assert description.id == f"order-{state.terms.order_id}"


async def test_the_story_of_a_failed_order_names_the_reason_and_no_further_attempt(engine: RunEngine) -> None:
    async with engine(Script(outcomes=(reverted(ErrorCode.INSUFFICIENT_FUNDS),))) as running:
        handle = await running.start()
        await handle.result()
        state = await handle.query(OrderWorkflow.state)
    assert "failed (insufficient_funds)" in tell(state)
    assert "Attempt 1 of 3" not in tell(state)


async def test_each_step_of_the_trace_has_a_name_and_a_summary(engine: RunEngine) -> None:
    async with engine(Script()) as running:
        handle = await running.start()
        result = await handle.result()
        history = await handle.fetch_history()
    trace = {}
    for event in history.events:
        summary = event.user_metadata.summary.data.decode()
        if event.HasField("marker_recorded_event_attributes"):
            local = event.marker_recorded_event_attributes.details["data"].payloads[0].data
            trace[json.loads(local)["activity_type"]] = summary
        if event.HasField("activity_task_scheduled_event_attributes"):
            trace[event.activity_task_scheduled_event_attributes.activity_type.name] = summary
    assert {name: json.loads(summary) for name, summary in trace.items()} == {
        "persist_order": "sell 1.5 SOL for USDC, market",
        "fetch_raydium_quote": "1.5 SOL to USDC",
        "fetch_meteora_quote": "1.5 SOL to USDC",
        "choose_route": "best of the quotes",
        "check_risk": "attempt 1: limits and funds",
        "prepare_swap": "attempt 1: raydium cpmm",
        "execute_swap": f"attempt 1: {result.signature}",
        "publish_status": "confirmed",
    }
