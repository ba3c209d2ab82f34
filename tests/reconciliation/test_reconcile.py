"""Reconciliation mends what one side proves, raises the rest, and does neither twice."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from tests.localnet.chain import memo
from tests.reconciliation.world import World, new_namespace
from workflows.domain.ids import memo as memo_text
from workflows.domain.lifecycle import Status
from workflows.domain.reconciliation import FindingKind
from workflows.messages import OrderResult
from workflows.order import OrderWorkflow


async def ended(world: World, order_id: str) -> OrderResult:
    """How the order's newest run ended."""
    handle = world.client.get_workflow_handle_for(OrderWorkflow.run, f"order-{order_id}")
    return await handle.result()


async def raised(world: World) -> set[tuple[FindingKind, str]]:
    """What stands raised."""
    return {(each.finding.kind, each.finding.order_id) for each in await world.open_findings()}


async def test_a_sound_installation_has_nothing_to_reconcile(world: World) -> None:
    await world.trade(2)
    await world.finalize()
    found = await world.reconciled()
    assert (found.raised, found.repaired) == (0, 0)
    last = await world.store.last()
    assert last is not None
    assert (last.whole, last.raised, last.repaired) == (True, 0, 0)
    await world.trade()
    await world.finalize()
    found = await world.reconciled()
    # Only what is new: one swap of the chain, though three orders have settled within the overlap.
    assert (found.raised, found.repaired, found.swaps) == (0, 0, 1)
    assert not (await world.store.last()).whole


async def test_a_terminated_order_is_started_again_and_settles_the_signature_it_had(world: World) -> None:
    order, signature = await world.submitted()
    await order.terminate("by hand")
    await world.heal()
    found = await world.reconciled()
    assert found.repaired == 1
    result = await ended(world, order.id.removeprefix("order-"))
    assert (result.status, result.signature) == (Status.CONFIRMED, signature)
    assert str(await world.audited()) == "orders=1 terminal=1 landed=1 duplicated=0 missing=0 drift=0"
    assert world.tally.kinds == {(FindingKind.WORKFLOW_MISSING, True): 1}
    assert await raised(world) == set()


async def test_two_reconciliations_at_once_start_an_order_once(world: World) -> None:
    order, signature = await world.submitted()
    await order.terminate("by hand")
    both = await asyncio.gather(world.reconciled(), world.reconciled())
    assert sum(found.repaired for found in both) == 1
    await world.heal()
    assert (await ended(world, order.id.removeprefix("order-"))).signature == signature
    assert (await world.audited()).landed == 1


async def test_a_temporal_server_that_lost_everything(
    idle_world: World, temporal_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = idle_world
    async with world.worker(world.activities):
        done = await world.trade_one()
        order, signature = await world.submitted()
    lost_client = world.client
    world.client = await new_namespace(temporal_server.client.service_client.config.target_host, monkeypatch)
    await world.heal()
    async with world.worker(world.activities):
        found = await world.reconciled()
        assert found.repaired == 1
        result = await ended(world, order.id.removeprefix("order-"))
        assert (result.status, result.signature) == (Status.CONFIRMED, signature)
        audited = await world.audited()
        assert str(audited) == "orders=2 terminal=2 landed=2 duplicated=0 missing=0 drift=0"
        # The order that had ended needs no workflow.
        with pytest.raises(RPCError, match="not found"):
            await world.client.get_workflow_handle(f"order-{done.order_id}").describe()
    await lost_client.get_workflow_handle(order.id).terminate()


async def test_an_order_is_not_started_again_when_the_chain_knows_more_than_its_log(
    idle_world: World, temporal_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = idle_world
    async with world.worker(world.activities):
        await world.trade()
        order = await world.trade_one()
    # The database comes from a backup of a moment before the swap was signed, and Temporal's state is gone too.
    await world.sql("DELETE FROM swap_attempts WHERE order_id = %s", order.order_id)
    await world.sql("DELETE FROM order_events WHERE order_id = %s AND seq > 2", order.order_id)
    await world.sql(
        "UPDATE orders SET status = 'routing', last_seq = 2, signature = NULL, venue = NULL, filled_in = NULL,"
        " filled_out = NULL, fee_lamports = NULL, slot = NULL WHERE id = %s",
        order.order_id,
    )
    world.client = await new_namespace(temporal_server.client.service_client.config.target_host, monkeypatch)
    async with world.worker(world.activities):
        found = await world.reconciled()
        assert found.repaired == 0
        assert (FindingKind.SIGNATURE_UNRECORDED, order.order_id) in await raised(world)
        assert (await world.audited()).count("duplicated") == 0
        assert [each async for each in world.workflows.accepted()] == []


async def test_an_order_whose_end_the_database_lost_is_raised(world: World) -> None:
    order = await world.trade_one()
    await world.sql("DELETE FROM order_events WHERE seq = 5")
    await world.sql("UPDATE orders SET status = 'submitted', last_seq = 4")
    found = await world.reconciled()
    assert found.repaired == 0
    assert (FindingKind.WORKFLOW_ENDED_EARLY, order.order_id) in await raised(world)
    assert (await world.audited()).landed == 1


async def test_a_stuck_order_is_raised_with_what_it_waits_for_until_it_ends(idle_world: World) -> None:
    world = idle_world
    async with world.worker(world.activities, stuck=timedelta(milliseconds=1)):
        order, _ = await world.submitted()
        await world.reconciled()
        (stuck,) = await world.open_findings()
        assert stuck.finding.kind is FindingKind.ORDER_STUCK
        assert "execute_swap is started, try 1" in stuck.finding.detail
        await world.reconciled()
        # It is one finding for as long as it lasts.
        assert world.tally.kinds == {(FindingKind.ORDER_STUCK, False): 1}
        await world.heal()
        await order.result()
        await world.reconciled()
        assert await world.open_findings() == []


async def test_an_accepted_order_without_a_row_is_raised_and_over_once_it_is_stored(idle_world: World) -> None:
    world = idle_world
    order = await world.start()
    reconciling = world.worker([], grace=timedelta())
    async with reconciling:
        # This worker knows no step of an order.
        await world.reconciled()
    assert await raised(world) == {(FindingKind.ORDER_UNRECORDED, order.id.removeprefix("order-"))}
    async with world.worker(world.activities):
        await order.result()
        await world.reconciled()
    assert await raised(world) == set()


async def test_a_swap_that_nobody_recorded_is_found_in_the_wallet_s_history(world: World) -> None:
    order = await world.trade_one()
    await world.reconciled()
    await world.chain.land([memo(memo_text(order.order_id, 2))])
    await world.finalize()
    found = await world.reconciled()
    assert found.raised == 2
    both = {(FindingKind.TRADED_TWICE, order.order_id), (FindingKind.SIGNATURE_UNRECORDED, order.order_id)}
    assert await raised(world) == both
    # It stays raised although the history is not read again.
    found = await world.reconciled()
    assert found.swaps == 0
    assert await raised(world) == both


async def test_a_falsified_outcome_is_raised_and_over_after_a_whole_pass_without_it(world: World) -> None:
    order = await world.trade_one()
    await world.reconciled()
    await world.sql("UPDATE swap_attempts SET outcome = 'expired'")
    await world.reconciled()
    assert await raised(world) == {(FindingKind.OUTCOME_CONTRADICTED, order.order_id)}
    await world.sql("UPDATE swap_attempts SET outcome = 'landed'")
    await world.reconciled()
    assert len(await raised(world)) == 1
    await world.sql("UPDATE reconciliations SET started_at = started_at - interval '25 hours'")
    await world.reconciled()
    assert await raised(world) == set()


async def test_a_deleted_order_is_raised(world: World) -> None:
    _, order = await world.trade(2)
    for table, key in (("swap_attempts", "order_id"), ("order_events", "order_id"), ("orders", "id")):
        await world.sql(f"DELETE FROM {table} WHERE {key} = %s", order.order_id)
    await world.reconciled()
    assert (FindingKind.LANDED_NOT_CONFIRMED, order.order_id) in await raised(world)


async def test_events_that_the_relay_missed_are_counted_once(world: World) -> None:
    world.relay.missed = 3
    await world.reconciled()
    await world.reconciled()
    assert world.tally.events == 3
