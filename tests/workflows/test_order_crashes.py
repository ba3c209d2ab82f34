"""What a try that crashed before its history was written has left in the log stands, and the order goes on from it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from tests.samples import limit_order, order_event, order_terms, swap_attempt
from tests.workflows.conftest import Engine, RunEngine
from tests.workflows.scripted import EXPIRED, Answer, Script, landed, pays, pool_quote, unreadable
from workflows import names
from workflows.domain.attempt import SwapAttempt
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderEvent, OrderTerms
from workflows.domain.routing import VenueQuotes, choose, told
from workflows.messages import OrderResult

Write = Callable[..., Awaitable[Any]]

P, R, B, S = Status.PENDING, Status.ROUTING, Status.BUILDING, Status.SUBMITTED


def building(terms: OrderTerms, seq: int, amount_out: int, attempt: int = 1) -> OrderEvent:
    """The event of a decision for Meteora."""
    quotes = VenueQuotes(venue="meteora", slot=6, quotes=(pool_quote("meteora", amount_out, pool="theirs"),))
    decision = choose((quotes,), terms.token_in, terms.token_out)
    return order_event(seq, B, attempt=attempt, venue="meteora", data=told(decision, terms.token_out))


async def after_crash(
    running: Engine, terms: OrderTerms, left: Sequence[OrderEvent]
) -> tuple[OrderResult, list[OrderEvent]]:
    """Run the order on a log that already holds its first events and `left`."""
    await running.activities.store.create_order(terms, (order_event(1, P), order_event(2, R), *left))
    result = await running.execute(terms)
    log = running.activities.order(terms.order_id).log
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    assert log[2 : 2 + len(left)] == list(left)
    return result, log


async def test_the_decision_of_the_crashed_try_is_carried_out(engine: RunEngine) -> None:
    terms = order_terms()
    async with engine(Script(raydium=(pays(500),), meteora=(pays(1),))) as running:
        result, log = await after_crash(running, terms, [building(terms, 3, 290)])
    assert [event.status for event in log] == [P, R, B, S, Status.CONFIRMED]
    # Raydium pays more now, but the trader was told of Meteora.
    assert log[3].venue == log[4].venue == "meteora"
    assert log[4].data["pool"] == "theirs"
    assert result.status is Status.CONFIRMED


async def test_an_attempt_that_the_crashed_try_gave_up_is_not_given_up_again(engine: RunEngine) -> None:
    terms = order_terms()
    left = [order_event(3, R, attempt=2, reason=ErrorCode.QUOTE_UNAVAILABLE)]
    async with engine(Script()) as running:
        result, log = await after_crash(running, terms, left)
    assert [event.status for event in log] == [P, R, R, B, S, Status.CONFIRMED]
    assert result.status is Status.CONFIRMED


async def test_a_decision_stands_in_the_way_of_giving_up(engine: RunEngine) -> None:
    terms = order_terms(max_attempts=1)
    async with engine(Script(raydium=(unreadable(),), meteora=(unreadable(),))) as running:
        result, log = await after_crash(running, terms, [building(terms, 3, 290)])
    assert [event.status for event in log] == [P, R, B, Status.FAILED]
    assert (result.status, result.reason) == (Status.FAILED, ErrorCode.QUOTE_UNAVAILABLE)


async def test_a_prepared_swap_is_not_sent_when_another_event_took_its_place(engine: RunEngine) -> None:
    terms = order_terms()
    left = [building(terms, 3, 290), order_event(4, R, attempt=2, reason=ErrorCode.SLIPPAGE_EXCEEDED)]
    async with engine(Script()) as running:
        result, log = await after_crash(running, terms, left)
    assert result.status is Status.CONFIRMED
    assert [event.status for event in log] == [P, R, B, R, R, B, S, Status.CONFIRMED]
    # The signature of the first preparation never left the worker.
    assert running.activities.chain.sent[terms.order_id] == [f"signature 2 of {terms.order_id}"]
    assert result.signature == f"signature 2 of {terms.order_id}"


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELED])
@pytest.mark.parametrize("after", ["the quotes", "the decision"])
async def test_an_end_that_was_recorded_stays_the_end(engine: RunEngine, status: Status, after: str) -> None:
    terms = order_terms()
    left = [building(terms, 3, 290)] if after == "the decision" else []
    left.append(order_event(3 + len(left), status, reason=ErrorCode.INSUFFICIENT_FUNDS))
    async with engine(Script()) as running:
        result, log = await after_crash(running, terms, left)
    assert log[-1] == left[-1]
    assert (result.status, result.reason, result.fill) == (status, ErrorCode.INSUFFICIENT_FUNDS, None)
    assert running.activities.chain.sent[terms.order_id] == []


def submitted(terms: OrderTerms, attempt: int = 1, **changes: Any) -> SwapAttempt:
    """A swap that another history of the order signed."""
    return swap_attempt(
        terms.order_id, attempt, signature=f"earlier signature {attempt} of {terms.order_id}", **changes
    )


async def after_loss(running: Engine, terms: OrderTerms, *earlier: SwapAttempt) -> tuple[OrderResult, list[OrderEvent]]:
    """Run an order from the start whose log tells of swaps that its history does not know."""
    store, chain = running.activities.store, running.activities.chain
    await store.create_order(terms, (order_event(1, P), order_event(2, R)))
    for swap in earlier:
        seq = len(running.activities.order(terms.order_id).log) + 1
        if seq > 3:
            await store.append_event(terms.order_id, order_event(seq, R, attempt=swap.attempt))
            seq += 1
        await store.append_event(terms.order_id, building(terms, seq, 290, swap.attempt))
        sent = order_event(seq + 1, S, attempt=swap.attempt, venue=swap.venue, signature=swap.signature)
        assert await store.record_attempt(swap, sent) == sent
        chain.send(terms.order_id, swap.signature)
        if swap is not earlier[-1]:
            await store.settle_attempt(swap, chain.settle(swap.signature, EXPIRED))
    result = await running.execute(terms)
    log = running.activities.order(terms.order_id).log
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    return result, log


class TestALostHistory:
    """A reset from the Web UI, or a server that lost its state: the log holds a signature, the history does not."""

    @pytest.mark.parametrize("quotes", [pays(290), unreadable()], ids=["would trade", "would give up"])
    async def test_the_signature_in_the_log_is_settled_before_anything_is_signed(
        self, engine: RunEngine, quotes: Answer
    ) -> None:
        terms = order_terms()
        async with engine(Script(raydium=(quotes,), meteora=(quotes,), outcomes=(landed(289),))) as running:
            result, log = await after_loss(running, terms, swap := submitted(terms))
        assert [event.status for event in log] == [P, R, B, S, Status.CONFIRMED]
        assert (result.status, result.signature) == (Status.CONFIRMED, swap.signature)
        assert result.fill is not None
        assert result.fill.amount_out == 289
        assert running.activities.chain.sent[terms.order_id] == [swap.signature]

    @pytest.mark.parametrize("quotes", [pays(290), unreadable()], ids=["would trade", "would give up"])
    async def test_an_order_goes_on_after_the_proof_that_it_did_not_trade(
        self, engine: RunEngine, quotes: Answer
    ) -> None:
        terms = order_terms()
        async with engine(Script(raydium=(quotes, pays(290)), outcomes=(EXPIRED, landed()))) as running:
            result, log = await after_loss(running, terms, swap := submitted(terms))
        assert result.status is Status.CONFIRMED
        assert [event.status for event in log] == [P, R, B, S, R, B, S, Status.CONFIRMED]
        first, second = running.activities.chain.sent[terms.order_id]
        assert (first, second) == (swap.signature, result.signature)
        # Attempts that the log has used are not used again.
        assert [known.swap.attempt for known in running.activities.order(terms.order_id).swaps] == [1, 2]

    async def test_an_order_that_may_rest_never_uses_the_attempt_of_the_log_again(self, engine: RunEngine) -> None:
        terms = limit_order(max_attempts=1)
        async with engine(Script(raydium=(pays(301_000_000),), outcomes=(EXPIRED, landed()))) as running:
            result, log = await after_loss(running, terms, submitted(terms))
        assert result.status is Status.CONFIRMED
        assert [event.status for event in log] == [P, R, B, S, Status.OPEN, R, B, S, Status.CONFIRMED]
        assert [known.swap.attempt for known in running.activities.order(terms.order_id).swaps] == [1, 2]

    async def test_every_signature_of_the_log_is_settled_in_its_turn(self, engine: RunEngine) -> None:
        terms = order_terms()
        async with engine(Script(outcomes=(landed(),))) as running:
            result, log = await after_loss(running, terms, submitted(terms), second := submitted(terms, 2))
        assert (result.status, result.signature) == (Status.CONFIRMED, second.signature)
        assert [event.status for event in log] == [P, R, B, S, R, B, S, Status.CONFIRMED]
        assert running.activities.calls["settle_swap"] == 2

    async def test_an_attempt_that_the_log_has_used_is_never_used_again(self, engine: RunEngine) -> None:
        terms = order_terms()
        async with engine(Script(outcomes=(EXPIRED, landed()))) as running:
            store = running.activities.store
            first = (order_event(1, P), order_event(2, R), order_event(3, R, attempt=2))
            await store.create_order(terms, (*first, building(terms, 4, 290, attempt=2)))
            swap = submitted(terms, attempt=2)
            await store.record_attempt(swap, order_event(5, S, attempt=2, signature=swap.signature))
            result = await running.execute(terms)
        assert result.status is Status.CONFIRMED
        assert [known.swap.attempt for known in running.activities.order(terms.order_id).swaps] == [2, 3]

    async def test_a_cancellation_waits_for_the_signature_in_the_log(
        self, skipping_server: WorkflowEnvironment
    ) -> None:
        terms = order_terms()
        running = Engine(skipping_server, Script(outcomes=(landed(),)))
        store, swap = running.activities.store, submitted(terms)
        await store.create_order(terms, (order_event(1, P), order_event(2, R), building(terms, 3, 290)))
        await store.record_attempt(swap, order_event(4, S, signature=swap.signature))
        running.activities.chain.send(terms.order_id, swap.signature)
        handle = await running.start(terms)
        await handle.cancel()
        async with running.worker():
            result = await handle.result()
        assert (result.status, result.signature) == (Status.CONFIRMED, swap.signature)

    async def test_a_cancellation_is_honored_once_the_signature_in_the_log_is_dead(
        self, skipping_server: WorkflowEnvironment
    ) -> None:
        terms = order_terms()
        running = Engine(skipping_server, Script(outcomes=(EXPIRED,)))
        store, swap = running.activities.store, submitted(terms)
        await store.create_order(terms, (order_event(1, P), order_event(2, R), building(terms, 3, 290)))
        await store.record_attempt(swap, order_event(4, S, signature=swap.signature))
        handle = await running.start(terms)
        await handle.cancel()
        async with running.worker():
            result = await handle.result()
        assert result.status is Status.CANCELED
        log = running.activities.order(terms.order_id).log
        assert [event.status for event in log] == [P, R, B, S, Status.PENDING_CANCEL, Status.CANCELED]

    async def test_a_reset_order_trades_once(self, skipping_server: WorkflowEnvironment) -> None:
        running = Engine(skipping_server, Script(outcomes=(landed(),)))
        running.activities.may_settle.clear()
        async with running.worker():
            handle = await running.start()
            await running.activities.executing.wait()
            again = await running.reset(handle)
            running.activities.may_settle.set()
            result = await again.result()
        assert result.status is Status.CONFIRMED
        assert running.activities.chain.sent[result.order_id] == [result.signature]
        assert running.activities.calls["prepare_swap"] == 2


async def test_the_next_worker_goes_on_with_the_same_bytes(skipping_server: WorkflowEnvironment) -> None:
    running = Engine(skipping_server, Script(outcomes=(landed(),)))
    running.activities.may_settle.clear()
    async with running.worker():
        handle = await running.start()
        await running.activities.executing.wait()
    assert running.activities.chain.outcomes == {}
    running.activities.may_settle.set()
    async with running.worker():
        result = await handle.result()
    assert running.activities.chain.sent[result.order_id] == [result.signature]
    assert running.activities.calls["prepare_swap"] == 1
    assert result.status is Status.CONFIRMED


def away(write: Write, times: int) -> Write:
    """The same write, from the time on when the database is back."""
    failures = iter(range(times))

    async def attempted(*arguments: Any) -> Any:
        if next(failures, None) is not None:
            raise ConnectionError("the database is away")
        return await write(*arguments)

    return attempted


async def test_a_store_that_is_away_for_a_while_delays_the_order_and_loses_nothing(
    engine: RunEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The SDK keeps the timers of failed tries; they must not outlive the worker of the test.
    monkeypatch.setattr(names, "WRITE_TIMEOUT", timedelta(milliseconds=50))
    async with engine(Script(outcomes=(EXPIRED, landed()))) as running:
        store = running.activities.store
        for name in ("create_order", "append_event", "record_attempt", "settle_attempt"):
            monkeypatch.setattr(store, name, away(getattr(store, name), times=2))
        result = await running.execute()
    assert result.status is Status.CONFIRMED
    log = running.activities.order(result.order_id).log
    assert [event.status for event in log] == [P, R, B, S, R, B, S, Status.CONFIRMED]
    assert len(running.activities.chain.landed(result.order_id)) == 1


async def test_orders_side_by_side_do_not_touch_each_other(engine: RunEngine) -> None:
    async with engine(Script(outcomes=(landed(), EXPIRED))) as running:
        results = await asyncio.gather(*(running.execute() for _ in range(5)))
    assert sum(result.status is Status.CONFIRMED for result in results) == 1
    for result in results:
        landed_once = running.activities.chain.landed(result.order_id)
        assert len(landed_once) == (result.status is Status.CONFIRMED)
