"""What a person sees of an order while it lives and after."""

import json

from temporalio.api.sdk.v1 import WorkflowMetadata

from tests.samples import order_event
from tests.workflows.conftest import RunEngine
from tests.workflows.scripted import EXPIRED, Script, landed, reverted
from workflows import names
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Phase, Status
from workflows.order import OrderWorkflow
from workflows.story import Attempts, tell


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


async def test_the_live_panel_of_an_order_tells_what_became_of_each_attempt(engine: RunEngine) -> None:
    async with engine(Script(outcomes=(reverted(), EXPIRED, landed()))) as running:
        handle = await running.start()
        await handle.result()
        state = await handle.query(OrderWorkflow.state)
        panel = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        log = running.activities.store.orders[state.terms.order_id].log
    first, second, third = (event.signature for event in log if event.status is Status.SUBMITTED)
    lines = panel.current_details.split("\n\n")
    assert state.decision is not None
    assert lines[:2] == ["**sell 1.5 SOL for USDC, market**: confirmed", state.decision.why]
    assert lines[2:5] == [
        f"Attempt 1: raydium cpmm, signature `{first}` → slippage_exceeded: refused",
        f"Attempt 2: raydium cpmm, signature `{second}` → blockhash_expired: height 10 is past 5",
        f"Attempt 3: raydium cpmm, signature `{third}` → landed",
    ]
    assert lines[5].startswith("Paid 1.5 SOL, received ")


def test_the_newest_attempts_of_a_long_life_are_told() -> None:
    attempts = Attempts()
    for number in range(1, 30):
        attempts.hear(order_event(3, Status.OPEN, attempt=number, reason=ErrorCode.QUOTE_UNAVAILABLE))
    assert attempts.lines()[0] == "Attempt 20: quote_unavailable"
    assert len(attempts.lines()) == 10


async def test_an_order_is_found_by_what_became_of_it(engine: RunEngine) -> None:
    async with engine(Script(outcomes=(EXPIRED, landed()))) as running:
        handle = await running.start()
        await handle.result()
        found = (await handle.describe()).typed_search_attributes
        history = await handle.fetch_history()
    keys = (names.ORDER_STATUS, names.ORDER_VENUE, names.ORDER_PAIR, names.ORDER_REASON)
    assert [found.get(key) for key in keys] == ["confirmed", "raydium", "SOL/USDC", None]
    moves = [event for event in history.events if event.HasField("upsert_workflow_search_attributes_event_attributes")]
    # For the reason of its second attempt, and for its end.
    assert len(moves) == 2


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
