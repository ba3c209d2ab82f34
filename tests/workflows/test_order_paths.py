"""Every way an order can go, run by a real worker on a real server."""

from datetime import timedelta

import pytest

from tests.samples import order_terms
from tests.workflows.conftest import RunEngine
from tests.workflows.scripted import (
    EXPIRED,
    NEVER,
    Answer,
    Script,
    ScriptedActivities,
    breaks,
    hangs,
    has_no_pools,
    landed,
    pays,
    refuses,
    reverted,
    unreadable,
)
from workflows import names
from workflows.domain.attempt import SwapOutcome
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderEvent

P, R, B, S = Status.PENDING, Status.ROUTING, Status.BUILDING, Status.SUBMITTED
CONFIRMED, FAILED = Status.CONFIRMED, Status.FAILED


def statuses(activities: ScriptedActivities, order_id: str) -> list[Status]:
    """The order's story; the log's seqs must tell it without a gap."""
    log = activities.order(order_id).log
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    return [event.status for event in log]


def events(activities: ScriptedActivities, order_id: str, status: Status) -> list[OrderEvent]:
    """The order's events of one status."""
    return [event for event in activities.order(order_id).log if event.status is status]


async def test_an_order_is_filled_by_the_better_venue(engine: RunEngine) -> None:
    async with engine(Script(raydium=(pays(290),), meteora=(pays(291),), outcomes=(landed(289),))) as running:
        result = await running.execute()
    activities = running.activities
    assert statuses(activities, result.order_id) == [P, R, B, S, CONFIRMED]
    (building,) = events(activities, result.order_id, B)
    (submitted,) = events(activities, result.order_id, S)
    (confirmed,) = events(activities, result.order_id, CONFIRMED)
    assert building.venue == submitted.venue == confirmed.venue == "meteora"
    assert submitted.signature == confirmed.signature == result.signature == activities.chain.sent[result.order_id][0]
    # The filled amount is the chain's, not the quote's.
    assert confirmed.fill == result.fill
    assert result.fill is not None
    assert result.fill.amount_out == 289
    assert confirmed.data["quotedOut"] == "0.000291"
    assert result.reason is None


async def test_every_event_of_the_log_is_announced_in_its_order(engine: RunEngine) -> None:
    async with engine(Script(outcomes=(EXPIRED, landed()))) as running:
        result = await running.execute()
    activities = running.activities
    assert activities.relay.announced[result.order_id] == activities.order(result.order_id).log


class TestVenues:
    @pytest.mark.parametrize(
        "silent", [hangs, breaks(KeyError("vault")), unreadable(), refuses("ZeroOutput"), has_no_pools]
    )
    async def test_one_venue_that_gives_no_quote_leaves_the_order_to_the_other(
        self, engine: RunEngine, monkeypatch: pytest.MonkeyPatch, silent: Answer
    ) -> None:
        monkeypatch.setattr(names, "QUOTE_TIMEOUT", timedelta(milliseconds=200))
        async with engine(Script(raydium=(silent,))) as running:
            result = await running.execute()
        assert statuses(running.activities, result.order_id) == [P, R, B, S, CONFIRMED]
        assert events(running.activities, result.order_id, B)[0].venue == "meteora"

    async def test_a_quote_that_fails_at_once_is_asked_for_again_within_its_time(self, engine: RunEngine) -> None:
        async with engine(Script(raydium=(breaks(OSError("reset")), pays(300)), meteora=(pays(290),))) as running:
            result = await running.execute()
        assert events(running.activities, result.order_id, B)[0].venue == "raydium"
        assert running.activities.calls["fetch_raydium_quote"] == 2

    async def test_an_order_fails_when_both_venues_stay_away(self, engine: RunEngine) -> None:
        async with engine(Script(raydium=(unreadable(),), meteora=(unreadable(),))) as running:
            result = await running.execute()
        activities = running.activities
        assert (result.status, result.reason, result.signature) == (FAILED, ErrorCode.QUOTE_UNAVAILABLE, None)
        assert statuses(activities, result.order_id) == [P, R, R, R, FAILED]
        assert [event.attempt for event in activities.order(result.order_id).log] == [1, 1, 2, 3, 3]
        assert {event.reason for event in activities.order(result.order_id).log[2:]} == {ErrorCode.QUOTE_UNAVAILABLE}
        assert activities.calls["prepare_swap"] == 0

    async def test_the_waits_between_attempts_grow(self, engine: RunEngine) -> None:
        async with engine(Script(raydium=(unreadable(),), meteora=(unreadable(),))) as running:
            result = await running.execute()
        times = [event.at for event in running.activities.order(result.order_id).log[1:]]
        first, second = times[1] - times[0], times[2] - times[1]
        assert first >= timedelta(milliseconds=250)
        assert second >= timedelta(milliseconds=500)

    async def test_a_venue_that_returns_fills_the_order(self, engine: RunEngine) -> None:
        script = Script(raydium=(unreadable(), pays(290)), meteora=(unreadable(),))
        async with engine(script) as running:
            result = await running.execute()
        assert statuses(running.activities, result.order_id) == [P, R, R, B, S, CONFIRMED]
        assert events(running.activities, result.order_id, CONFIRMED)[0].attempt == 2

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [(has_no_pools, ErrorCode.PAIR_UNSUPPORTED), (refuses("ZeroOutput"), ErrorCode.LIQUIDITY_INSUFFICIENT)],
    )
    async def test_an_order_that_no_pool_can_fill_fails_at_once(
        self, engine: RunEngine, answer: Answer, reason: ErrorCode
    ) -> None:
        async with engine(Script(raydium=(answer,), meteora=(answer,))) as running:
            result = await running.execute()
        assert (result.status, result.reason) == (FAILED, reason)
        assert statuses(running.activities, result.order_id) == [P, R, FAILED]


class TestPreparing:
    @pytest.mark.parametrize("reason", [ErrorCode.SLIPPAGE_EXCEEDED, ErrorCode.CHAIN_UNAVAILABLE])
    async def test_a_reason_that_may_pass_is_tried_again_with_new_quotes(
        self, engine: RunEngine, reason: ErrorCode
    ) -> None:
        async with engine(Script(prepare=(reason, None))) as running:
            result = await running.execute()
        activities = running.activities
        assert statuses(activities, result.order_id) == [P, R, B, R, B, S, CONFIRMED]
        assert events(activities, result.order_id, R)[1].reason is reason
        assert events(activities, result.order_id, R)[1].data == {"detail": "by the script"}
        assert activities.calls["fetch_raydium_quote"] == 2

    @pytest.mark.parametrize("reason", [ErrorCode.INSUFFICIENT_FUNDS, ErrorCode.TRANSACTION_TOO_LARGE])
    async def test_a_reason_that_will_not_pass_ends_the_order(self, engine: RunEngine, reason: ErrorCode) -> None:
        async with engine(Script(prepare=(reason, None))) as running:
            result = await running.execute()
        activities = running.activities
        assert (result.status, result.reason) == (FAILED, reason)
        assert statuses(activities, result.order_id) == [P, R, B, FAILED]
        assert activities.calls["prepare_swap"] == 1
        assert activities.chain.sent[result.order_id] == []

    async def test_what_nobody_foresaw_is_tried_three_times_and_then_named(
        self, engine: RunEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The SDK keeps the timers of failed tries; they must not outlive the worker of the test.
        monkeypatch.setattr(names, "PREPARE_TIMEOUT", timedelta(milliseconds=50))
        async with engine(Script(prepare=(KeyError("mint"),))) as running:
            result = await running.execute()
        assert (result.status, result.reason) == (FAILED, ErrorCode.INTERNAL_ERROR)
        assert running.activities.calls["prepare_swap"] == 3

    async def test_a_preparation_that_takes_too_long_is_made_again(
        self, engine: RunEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(names, "PREPARE_TIMEOUT", timedelta(milliseconds=100))
        async with engine(Script(prepare=(NEVER, None))) as running:
            result = await running.execute()
        assert statuses(running.activities, result.order_id) == [P, R, B, S, CONFIRMED]
        assert running.activities.calls["prepare_swap"] == 2


class TestExecuting:
    @pytest.mark.parametrize("outcome", [EXPIRED, reverted()])
    async def test_a_swap_that_provably_did_not_trade_is_made_anew(
        self, engine: RunEngine, outcome: SwapOutcome
    ) -> None:
        async with engine(Script(outcomes=(outcome, landed()))) as running:
            result = await running.execute()
        activities = running.activities
        assert statuses(activities, result.order_id) == [P, R, B, S, R, B, S, CONFIRMED]
        assert events(activities, result.order_id, R)[1].reason is outcome.reason
        first, second = activities.chain.sent[result.order_id]
        assert [event.signature for event in events(activities, result.order_id, S)] == [first, second]
        assert result.signature == second
        assert activities.chain.landed(result.order_id) == [second]

    async def test_an_order_fails_when_its_attempts_are_used_up(self, engine: RunEngine) -> None:
        async with engine(Script(outcomes=(reverted(),))) as running:
            result = await running.execute()
        activities = running.activities
        assert (result.status, result.reason, result.fill) == (FAILED, ErrorCode.SLIPPAGE_EXCEEDED, None)
        assert statuses(activities, result.order_id) == [P, R, B, S, R, B, S, R, B, S, FAILED]
        assert len(activities.chain.sent[result.order_id]) == 3

    async def test_an_order_with_one_attempt_is_never_made_anew(self, engine: RunEngine) -> None:
        async with engine(Script(outcomes=(EXPIRED, landed()))) as running:
            result = await running.execute(order_terms(max_attempts=1))
        assert (result.status, result.reason) == (FAILED, ErrorCode.BLOCKHASH_EXPIRED)
        assert statuses(running.activities, result.order_id) == [P, R, B, S, FAILED]

    async def test_a_revert_that_will_repeat_itself_ends_the_order(self, engine: RunEngine) -> None:
        async with engine(Script(outcomes=(reverted(ErrorCode.INSUFFICIENT_FUNDS), landed()))) as running:
            result = await running.execute()
        assert (result.status, result.reason) == (FAILED, ErrorCode.INSUFFICIENT_FUNDS)
        assert len(running.activities.chain.sent[result.order_id]) == 1
