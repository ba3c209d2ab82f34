"""What holds for every order, whatever the venues and the chain answer, whenever workers die or traders cancel."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import event, given, note
from hypothesis import strategies as st
from temporalio import exceptions
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, RetryState, TimeoutType

from activities.publish import PublishActivities
from tests.memory_store import MemoryRelay, MemoryStore
from tests.samples import BEGINNING, order_terms, swap_attempt
from tests.workflows.durable import Died, Happening
from tests.workflows.lives import answered_truly, holds, live
from tests.workflows.scripted import EXPIRED, HALT, Chain, landed, pool_quote, reverted
from workflows.domain.attempt import SwapOutcome
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderEvent, OrderTerms, OrderType
from workflows.domain.routing import PoolRefusal, VenueQuotes, choose, told
from workflows.domain.time_in_force import TimeInForce
from workflows.messages import (
    AmendAnswer,
    CancelAnswer,
    CheckRisk,
    ChooseRoute,
    ExecuteSwap,
    OrderAccepted,
    PersistOrder,
    PreparedSwap,
    PrepareSwap,
    PublishStatus,
    QuoteRequest,
    RiskChecked,
    SettleSwap,
    SwapExecuted,
    SwapSettled,
    WatchedPair,
)

# Enough to lose a task, its repetition, and the repetition of another; each further one only repeats that.
_DEATHS = 5

_OUTCOMES = (
    landed(),
    reverted(),
    reverted(ErrorCode.INSUFFICIENT_FUNDS),
    reverted(ErrorCode.POOL_UNAVAILABLE),
    EXPIRED,
)
_NO_SWAP = (
    ErrorCode.SLIPPAGE_EXCEEDED,
    ErrorCode.LIMIT_NOT_REACHED,
    ErrorCode.CHAIN_UNAVAILABLE,
    ErrorCode.INSUFFICIENT_FUNDS,
    ErrorCode.TRANSACTION_TOO_LARGE,
)
_REFUSED = (ErrorCode.INSUFFICIENT_FUNDS, ErrorCode.PRICE_IMPACT_EXCEEDED, ErrorCode.CHAIN_UNAVAILABLE)


# One SOL, so that a price in USDC is an output in millionths.
_WHOLE = 1_000_000_000


@st.composite
def drawn_terms(draw: Callable[[st.SearchStrategy[Any]], Any]) -> OrderTerms:
    """Any order whose time ends: venues pay 1 to 10 millionths, so that prices are reached now and then."""
    kind = draw(st.sampled_from(OrderType))
    price = st.integers(1, 11).map(lambda millionths: Decimal(millionths).scaleb(-6))
    stops = kind in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT)
    limits = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    time_in_force = draw(st.sampled_from((TimeInForce.IOC, TimeInForce.GTD)))
    ends = st.integers(5, 600).map(lambda seconds: BEGINNING + timedelta(seconds=seconds))
    return order_terms(
        type=kind,
        amount_in=_WHOLE,
        stop_price=draw(price) if stops else None,
        limit_price=draw(price) if limits else None,
        time_in_force=time_in_force,
        expire_at=draw(ends) if time_in_force is TimeInForce.GTD else None,
        deadline=draw(st.none() | ends),
        max_attempts=draw(st.integers(1, 4)),
    )


class DrawnFate:
    """Deaths, cancellations, amendments and hints wherever hypothesis wants them."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw
        self._deaths = draw(st.integers(0, _DEATHS))
        self._happenings = draw(st.lists(st.sampled_from(Happening), max_size=4))

    def dies(self, where: str) -> bool:
        if self._deaths and self._draw(st.integers(0, 3)) == 3:
            self._deaths -= 1
            note(f"dies {where}")
            return True
        return False

    def delivers(self, where: str) -> Happening | None:
        if self._happenings and self._draw(st.integers(0, 5)) == 5:
            happening = self._happenings.pop()
            note(f"{happening} at {where}")
            return happening
        return None


class DrawnSteps:
    """Activities whose answers hypothesis draws; the store and the chain outlive every worker."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any], fate: DrawnFate) -> None:
        self._draw = draw
        self._fate = fate
        self._signed = 0
        # The answer of a worker of the version before.
        self._before_checks = draw(st.integers(0, 7)) == 7
        self.store = MemoryStore()
        self.chain = Chain()

    async def persist_order(self, request: PersistOrder) -> OrderAccepted | None:
        await self.store.create_order(request.terms, request.events)
        self._switch_perhaps()
        if self._before_checks:
            return None
        if self.store.halt is not None:
            return OrderAccepted(reason=ErrorCode.TRADING_HALTED, detail=str(self.store.halt))
        return OrderAccepted()

    def _switch_perhaps(self) -> None:
        """Trading may be halted or resumed at any moment."""
        if self._draw(st.integers(0, 15)) == 15:
            self.store.halt = None if self.store.halt else HALT
            note(f"halt: {self.store.halt}")

    async def fetch_raydium_quote(self, request: QuoteRequest) -> VenueQuotes:
        return self._quotes("raydium")

    async def fetch_meteora_quote(self, request: QuoteRequest) -> VenueQuotes:
        return self._quotes("meteora")

    def _quotes(self, venue: str) -> VenueQuotes:
        kind = self._draw(
            st.sampled_from(
                ("pays", "pays", "pays", "pays", "pays", "unreadable", "empty", "refuses", "late", "broken")
            )
        )
        note(f"{venue} {kind}")
        if kind == "late":
            raise _timed_out()
        if kind == "broken":
            raise ApplicationError("nobody foresaw this", type="KeyError")
        if kind == "pays":
            return VenueQuotes(venue=venue, slot=7, quotes=(pool_quote(venue, self._draw(st.integers(1, 10)), _WHOLE),))
        if kind == "unreadable":
            return VenueQuotes(venue=venue, reason=ErrorCode.CHAIN_UNAVAILABLE, detail="the node is away")
        refused = PoolRefusal(venue=venue, kind="cpmm", pool="pool", reason="ZeroOutput")
        return VenueQuotes(venue=venue, slot=7, refusals=(refused,) if kind == "refuses" else ())

    async def choose_route(self, request: ChooseRoute) -> OrderEvent:
        terms = request.terms
        try:
            decision = choose(request.venues, terms.token_in, terms.token_out, terms.exact_out)
        except EngineError as error:
            raise ApplicationError(error.detail, type=error.code) from None
        event = request.event.model_copy(
            update={"venue": decision.route.venue, "data": told(decision, terms.token_out)}
        )
        return await self.store.append_event(terms.order_id, event)

    async def check_risk(self, request: CheckRisk) -> RiskChecked:
        self._switch_perhaps()
        answer = self._draw(st.sampled_from((*[None] * 8, *_REFUSED, "late", "broken")))
        note(f"check {answer or 'passes'}")
        if self.store.halt is not None:
            answer = ErrorCode.TRADING_HALTED
        if answer == "late":
            raise _timed_out()
        if answer is not None:
            raise ApplicationError("refused", type=answer if isinstance(answer, ErrorCode) else "KeyError")
        return RiskChecked(
            price_impact_bps=Decimal(0), price_deviation_bps=None, notional=None, lamports=1, tokens=0, slot=8
        )

    async def prepare_swap(self, request: PrepareSwap) -> PreparedSwap:
        answer = self._draw(st.sampled_from((*[None] * 8, *_NO_SWAP, "late", "broken")))
        note(f"prepare {answer or 'signs'}")
        if answer == "late":
            raise _timed_out()
        if answer is not None:
            raise ApplicationError("no swap", type=answer if isinstance(answer, ErrorCode) else "KeyError")
        self._signed += 1
        swap = swap_attempt(request.terms.order_id, request.attempt, signature=f"signature {self._signed}")
        return PreparedSwap(swap=swap, compute_unit_limit=1, compute_unit_price=1, slot=7)

    async def execute_swap(self, request: ExecuteSwap) -> SwapExecuted:
        swap = request.swap
        self._switch_perhaps()
        try:
            stands = await self.store.record_attempt(swap, request.event)
        except EngineError as error:
            return SwapExecuted(event=request.event, outcome=None, halted=error.detail)
        self._die_perhaps("after recording the swap")
        if stands.status is not Status.SUBMITTED or stands.signature != swap.signature:
            return SwapExecuted(event=stands, outcome=None)
        self.chain.send(swap.order_id, swap.signature)
        self._die_perhaps("after sending")
        outcome = self._outcome(swap.signature)
        outcome = await self.store.settle_attempt(swap, outcome)
        return SwapExecuted(event=stands, outcome=outcome)

    async def settle_swap(self, request: SettleSwap) -> SwapSettled:
        signature = request.event.signature
        assert signature is not None
        swap, outcome = await self.store.recorded_swap(request.terms.order_id, signature)
        if outcome is None:
            self.chain.send(swap.order_id, signature)
            self._die_perhaps("after sending")
            outcome = self._outcome(signature)
            outcome = await self.store.settle_attempt(swap, outcome)
        return SwapSettled(swap=swap, outcome=outcome)

    def _outcome(self, signature: str) -> SwapOutcome:
        known = self.chain.outcomes.get(signature)
        if known is not None:
            return known
        outcome = self._draw(st.sampled_from((landed(), *_OUTCOMES)))
        note(f"{signature} {outcome.kind}")
        return self.chain.settle(signature, outcome)

    async def publish_status(self, request: PublishStatus) -> OrderEvent:
        return await self.store.append_event(request.order_id, request.event, request.terms)

    async def record_cancel_request(self, request: PublishStatus) -> OrderEvent:
        return await PublishActivities(self.store, MemoryRelay()).record_cancel_request(request)

    async def ensure_watched(self, pair: WatchedPair) -> None:
        stored = self.store.orders.values()
        assert any(order.log[-1].status is Status.OPEN for order in stored), "nothing to watch yet"

    def _die_perhaps(self, where: str) -> None:
        if self._fate.dies(where):
            raise Died(where)

    def all(self) -> dict[str, Callable[[Any], Any]]:
        """The steps by name."""
        return {
            step.__name__: step
            for step in (
                self.persist_order,
                self.fetch_raydium_quote,
                self.fetch_meteora_quote,
                self.choose_route,
                self.check_risk,
                self.prepare_swap,
                self.execute_swap,
                self.settle_swap,
                self.publish_status,
                self.record_cancel_request,
                self.ensure_watched,
            )
        }


def _timed_out() -> FailureError:
    error = ActivityError(
        "Activity task timed out",
        scheduled_event_id=1,
        started_event_id=2,
        identity="",
        activity_type="",
        activity_id="",
        retry_state=RetryState.TIMEOUT,
    )
    error.__cause__ = exceptions.TimeoutError("late", type=TimeoutType.SCHEDULE_TO_CLOSE, last_heartbeat_details=[])
    return error


def _lives(data: st.DataObject, loses: Callable[[], bool]) -> None:
    fate = DrawnFate(data.draw)
    steps = DrawnSteps(data.draw, fate)
    terms, answers = data.draw(drawn_terms()), list[CancelAnswer | AmendAnswer]()
    with pytest.MonkeyPatch.context() as monkeypatch:
        result = live(monkeypatch, steps.all(), fate, terms, loses, answers)
    event(result.status)
    event(f"{terms.type} {terms.time_in_force} {result.status}")
    for answer in answers:
        event(f"cancel answered {answer.result}" if isinstance(answer, CancelAnswer) else "amended")
    order = steps.store.orders[terms.order_id]
    holds(order, steps.chain, result)
    answered_truly(answers, order, steps.chain, result)


@given(st.data())
def test_every_order_ends_once_and_trades_at_most_once(data: st.DataObject) -> None:
    _lives(data, loses=lambda: False)


@given(st.data())
def test_not_even_an_order_whose_history_is_lost_trades_twice(data: st.DataObject) -> None:
    _lives(data, loses=lambda: data.draw(st.booleans()))
