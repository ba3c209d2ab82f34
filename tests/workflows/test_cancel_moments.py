"""A cancellation at every moment of an order's life, with a worker that dies at every place before or after it."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings

from tests.samples import BEGINNING, limit_order, order_terms
from tests.workflows.durable import Died, Happening
from tests.workflows.lives import answered_truly, holds, live
from tests.workflows.scripted import EXPIRED, Script, ScriptedActivities, landed, pays, reverted, unreadable
from workflows.domain.attempt import SwapAttempt, SwapOutcome
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms
from workflows.domain.time_in_force import TimeInForce
from workflows.messages import AmendAnswer, CancelAnswer, CancelResult

# With each moment every so manieth place, another one with the next moment; all of them in a long search.
_STRIDE = 1 if settings().max_examples > 1_000 else 8


class Planned:
    """One cancellation, at the given one of all moments, and one death, at the given one of all places."""

    def __init__(self, cancel: Happening, moment: int, place: int) -> None:
        self._cancel = cancel
        self._moments = iter(range(moment, -1, -1))
        self._places = iter(range(place, -1, -1))
        self._hinted = False
        self.delivered: str | None = None
        self.died: str | None = None

    def dies(self, where: str) -> bool:
        if next(self._places, None) == 0:
            self.died = where
            return True
        return False

    def delivers(self, where: str) -> Happening | None:
        if next(self._moments, None) == 0:
            self.delivered = where
            return self._cancel
        if where == "timer" and not self._hinted:
            # The order waits for a price, and it comes.
            self._hinted = True
            return Happening.HINT
        return None


class DyingActivities(ScriptedActivities):
    """A worker may die around the sending, too."""

    def __init__(self, script: Script, fate: Planned) -> None:
        super().__init__(script)
        self._fate = fate

    async def _send(self, swap: SwapAttempt) -> SwapOutcome:
        self._die_perhaps("before sending")
        outcome = await super()._send(swap)
        self._die_perhaps("after sending")
        return outcome

    def _die_perhaps(self, where: str) -> None:
        if self._fate.dies(where):
            raise Died(where)


def market_order() -> tuple[OrderTerms, dict[str, Any]]:
    return order_terms(max_attempts=2), {}


def order_that_rests_first() -> tuple[OrderTerms, dict[str, Any]]:
    terms = limit_order(time_in_force=TimeInForce.GTD, expire_at=BEGINNING + timedelta(seconds=60), max_attempts=1)
    return terms, {"raydium": (pays(1), pays(301_000_000)), "meteora": (unreadable(),)}


def every_plan(cancel: Happening) -> Iterator[Planned]:
    """Every moment with its places; a plan that nobody reaches ends its row."""
    for moment in itertools.count():
        for place in itertools.count(moment % _STRIDE, _STRIDE):
            yield (plan := Planned(cancel, moment, place))
            if plan.died is None:
                break
        if plan.delivered is None:
            return


@pytest.mark.parametrize("cancel", [Happening.CANCEL, Happening.CANCEL_UPDATE])
@pytest.mark.parametrize("outcome", [landed(), EXPIRED, reverted()], ids=["lands", "expires", "reverts"])
@pytest.mark.parametrize("made", [market_order, order_that_rests_first])
def test_no_order_is_canceled_and_traded(
    monkeypatch: pytest.MonkeyPatch, cancel: Happening, outcome: SwapOutcome, made: Any
) -> None:
    ends, moments, places = set(), set(), set()
    for plan in every_plan(cancel):
        terms, script = made()
        steps = DyingActivities(Script(outcomes=(outcome,), **script), plan)
        answers: list[CancelAnswer | AmendAnswer] = []
        activities = {step.__name__: step for step in steps.all()}
        result = live(monkeypatch, activities, plan, terms, lambda: False, answers)
        holds(steps.order(terms.order_id), steps.chain, result)
        answered_truly(answers, steps.order(terms.order_id), steps.chain, result)
        sent = steps.chain.sent[terms.order_id]
        if plan.delivered is not None and not sent:
            # Nothing stood in its way.
            assert result.status is Status.CANCELED
        if plan.delivered is not None and plan.died is None and cancel is Happening.CANCEL_UPDATE:
            (answer,) = answers
            assert isinstance(answer, CancelAnswer)
            if not sent:
                assert answer.result is CancelResult.CANCELED
            elif outcome == landed():
                assert answer.result is CancelResult.TOO_LATE
        ends.add(result.status)
        moments.add(plan.delivered)
        places.add(plan.died)
    assert Status.CANCELED in ends
    assert (Status.CONFIRMED in ends) == (outcome == landed())
    assert moments >= {"start", "persist_order", "choose_route", "check_risk", "prepare_swap", "execute_swap"}
    assert _STRIDE > 1 or places >= {"before sending", "after sending", "after prepare_swap", "completion"}
