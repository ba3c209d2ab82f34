"""The whole life of an order in the durable execution of `durable`, and what holds at its end whatever befell it."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import note

import workflows.attempt
import workflows.checks
import workflows.order
import workflows.record
import workflows.rest
import workflows.shelf
from tests.memory_store import StoredOrder
from tests.workflows.durable import Activities, Died, Fate, History, Runtime
from tests.workflows.scripted import Chain
from workflows.domain import lifecycle
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms
from workflows.domain.risk import REFUSALS, WALLET_REFUSALS
from workflows.messages import AmendAnswer, CancelAnswer, CancelResult, OrderResult


def live(
    monkeypatch: pytest.MonkeyPatch,
    activities: Activities,
    fate: Fate,
    terms: OrderTerms,
    loses: Callable[[], bool],
    answers: list[CancelAnswer | AmendAnswer],
) -> OrderResult:
    """Run the order with as many workers as it takes; `loses` says when the server has lost its history too."""
    history = History()
    while True:
        runtime = Runtime(history, activities, fate)
        for module in (
            workflows.order,
            workflows.rest,
            workflows.attempt,
            workflows.record,
            workflows.checks,
            workflows.shelf,
        ):
            monkeypatch.setattr(module, "workflow", runtime)
        try:
            return asyncio.run(runtime.run(terms))
        except Died:
            if loses():
                note("the order starts again with nothing but the log")
                history = history.lost()
        finally:
            answers.extend(runtime.answers)
            answers.extend(runtime.amended)


def holds(order: StoredOrder, chain: Chain, result: OrderResult) -> None:
    log = order.log
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    for before, after in zip([None, *log], log, strict=False):
        lifecycle.check(before.status if before else None, after.status)
    assert log[-1].status is result.status
    assert lifecycle.is_terminal(result.status)
    assert [event.status for event in log[:-1] if lifecycle.is_terminal(event.status)] == []
    traded = chain.landed(result.order_id)
    assert len(traded) <= 1
    assert (result.status is Status.CONFIRMED) == bool(traded)
    if traded:
        assert (log[-1].signature, log[-1].fill) == (traded[0], chain.outcomes[traded[0]].fill)
        assert (result.signature, result.fill, result.reason) == (traded[0], log[-1].fill, None)
    if not order.terms.may_rest:
        assert len(chain.sent[result.order_id]) <= order.terms.max_attempts
    if result.status is Status.EXPIRED:
        assert chain.sent[result.order_id] == []
    # What was sent was recorded before, and what was recorded is settled.
    assert {known.swap.signature for known in order.swaps} >= set(chain.sent[result.order_id])
    assert all(known.outcome is not None for known in order.swaps)
    if result.status in (Status.FAILED, Status.REJECTED):
        assert result.reason is not None
    if result.status is Status.REJECTED:
        assert result.reason in REFUSALS | WALLET_REFUSALS
    if result.reason is ErrorCode.TRADING_HALTED:
        assert result.status is Status.REJECTED


def answered_truly(
    answers: list[CancelAnswer | AmendAnswer], order: StoredOrder, chain: Chain, result: OrderResult
) -> None:
    for answer in answers:
        if isinstance(answer, AmendAnswer):
            assert order.terms.slippage_bps == answer.terms.slippage_bps == 77
            continue
        if answer.result is CancelResult.CANCELED:
            assert result.status is Status.CANCELED
            assert chain.landed(result.order_id) == []
        if answer.result is CancelResult.TOO_LATE:
            assert answer.signature in chain.sent[result.order_id]
            assert result.status in (Status.CONFIRMED, Status.CANCELED, Status.FAILED)
