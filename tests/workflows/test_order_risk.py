"""An order that a check refuses is rejected with its reason, before anything is built, and nothing is sent."""

import pytest

from tests.workflows.conftest import Engine, RunEngine
from tests.workflows.scripted import EXPIRED, HALT, Script
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderEvent
from workflows.domain.risk import REFUSALS, WALLET_REFUSALS
from workflows.messages import OrderResult

P, R, B, S, X = Status.PENDING, Status.ROUTING, Status.BUILDING, Status.SUBMITTED, Status.REJECTED


async def rejected(running: Engine, reason: ErrorCode) -> list[OrderEvent]:
    """Run an order to its rejection; its log."""
    result: OrderResult = await running.execute()
    assert (result.status, result.reason, result.fill) == (X, reason, None)
    log = running.activities.order(result.order_id).log
    assert log[-1].reason is reason
    assert running.activities.relay.announced[result.order_id] == log
    return log


def steps(running: Engine) -> set[str]:
    """What was called."""
    return set(running.activities.calls)


@pytest.mark.parametrize("reason", sorted(REFUSALS | WALLET_REFUSALS))
async def test_a_refusal_of_the_check_ends_the_order_before_anything_is_built(
    engine: RunEngine, reason: ErrorCode
) -> None:
    async with engine(Script(check=(reason,))) as running:
        log = await rejected(running, reason)
        assert [event.status for event in log] == [P, R, B, X]
        assert log[-1].data == {"detail": "by the script"}
        assert steps(running) == {"fetch_raydium_quote", "fetch_meteora_quote", "check_risk"}


async def test_what_preparing_finds_missing_is_a_failure_and_no_refusal(engine: RunEngine) -> None:
    async with engine(Script(prepare=(ErrorCode.INSUFFICIENT_FUNDS,))) as running:
        result = await running.execute()
    assert (result.status, result.reason) == (Status.FAILED, ErrorCode.INSUFFICIENT_FUNDS)


async def test_a_node_that_is_away_while_checking_ends_the_attempt_only(engine: RunEngine) -> None:
    async with engine(Script(check=(ErrorCode.CHAIN_UNAVAILABLE, None))) as running:
        result = await running.execute()
        log = running.activities.order(result.order_id).log
    assert [event.status for event in log] == [P, R, B, R, B, S, Status.CONFIRMED]


async def test_a_node_that_stays_away_while_checking_fails_the_order(engine: RunEngine) -> None:
    async with engine(Script(check=(ErrorCode.CHAIN_UNAVAILABLE,))) as running:
        result = await running.execute()
    assert (result.status, result.reason) == (Status.FAILED, ErrorCode.CHAIN_UNAVAILABLE)


async def test_an_outage_of_the_database_while_checking_delays_the_order_only(engine: RunEngine) -> None:
    async with engine(Script(check=(ConnectionError("away"), ConnectionError("away"), None))) as running:
        result = await running.execute()
        assert running.activities.calls["check_risk"] == 3
    assert (result.status, result.reason) == (Status.CONFIRMED, None)


async def test_each_attempt_is_checked(engine: RunEngine) -> None:
    async with engine(Script(check=(None, ErrorCode.PRICE_IMPACT_EXCEEDED), outcomes=(EXPIRED,))) as running:
        log = await rejected(running, ErrorCode.PRICE_IMPACT_EXCEEDED)
    assert [event.status for event in log] == [P, R, B, S, R, B, X]


async def test_an_order_under_a_halt_is_accepted_and_rejected_without_a_quote(engine: RunEngine) -> None:
    async with engine(Script(halted_after="persist_order")) as running:
        log = await rejected(running, ErrorCode.TRADING_HALTED)
        assert steps(running) == set()
    assert [event.status for event in log] == [P, R, X]
    assert log[-1].data == {"detail": str(HALT)}


@pytest.mark.parametrize("step", ["choose_route", "prepare_swap"])
async def test_a_halt_on_the_way_stops_the_order_before_it_is_sent(engine: RunEngine, step: str) -> None:
    async with engine(Script(halted_after=step)) as running:
        log = await rejected(running, ErrorCode.TRADING_HALTED)
        assert [order.swaps for order in running.activities.store.orders.values()] == [[]]
        assert running.activities.chain.sent == {}
    assert [event.status for event in log] == [P, R, B, X]
    assert log[-1].data == {"detail": str(HALT)}


async def test_what_was_sent_before_a_halt_is_followed_to_its_end(engine: RunEngine) -> None:
    async with engine(Script()) as running:
        running.activities.may_settle.clear()
        order = await running.start()
        await running.activities.executing.wait()
        running.activities.store.halt = HALT
        running.activities.may_settle.set()
        result = await order.result()
    assert result.status is Status.CONFIRMED


async def test_an_order_that_expires_under_a_halt_is_not_sent_again(engine: RunEngine) -> None:
    async with engine(Script(outcomes=(EXPIRED,))) as running:
        running.activities.may_settle.clear()
        order = await running.start()
        await running.activities.executing.wait()
        running.activities.store.halt = HALT
        running.activities.may_settle.set()
        result = await order.result()
        assert len(running.activities.chain.sent[result.order_id]) == 1
    assert (result.status, result.reason) == (X, ErrorCode.TRADING_HALTED)
