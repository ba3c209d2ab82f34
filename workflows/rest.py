"""Waiting for a price costs nothing: a timer for the end, and a signal when the pair's watcher sees the price.

The signal is a hint. The order asks for quotes itself, so that a lost, late or repeated one does no harm.
"""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Any

from temporalio import workflow

from workflows import names, steps
from workflows.attempt import OrderAttempt
from workflows.domain.amendment import amended
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms
from workflows.domain.retry import pause_between_rounds
from workflows.domain.routing import VenueQuotes
from workflows.domain.trigger import best_price, conditions
from workflows.messages import AmendAnswer, AmendOrder, Carried, WatchedPair
from workflows.record import WRITE_RETRY

# A timer needs some length.
_SHORTEST_PAUSE = timedelta(milliseconds=1)


class BeginAnew(Exception):
    """The history of a waiting order has grown long; it goes on in a new one."""


@dataclass
class Change:
    """An accepted amendment; `answer` once its event is recorded, or `error` says why there is none."""

    request: AmendOrder
    answer: AmendAnswer | None = None
    error: EngineError | None = None


class OrderRest(OrderAttempt):
    """What an order does while it is `pending` or `open`."""

    def __init__(self, terms: OrderTerms, carried: Carried | None = None) -> None:
        super().__init__(terms, carried)
        self._hinted = False
        self._watched = False
        # A stop was triggered, and no event says so yet.
        self._trigger_untold = False
        # No chance is taken before, after attempts that failed `rounds` times in a row.
        self._not_before = carried.not_before if carried else None
        self._rounds = carried.rounds if carried else 0
        # Whether a change would still be made before the order trades.
        self._amendable = True
        self._changes: deque[Change] = deque()

    def _carried(self) -> Carried:
        assert self._status is not None
        return Carried(
            status=self._status,
            seq=self._seq,
            attempt=self._attempt,
            triggered=self._triggered,
            broadcast=self._broadcast,
            signature=self._signature,
            updated_at=self._updated_at,
            not_before=self._not_before,
            rounds=self._rounds,
        )

    async def _wait_for_chance(self) -> bool:
        """Return once the order should trade now; False when it has ended instead."""
        while True:
            await self._make_changes()
            self._honor_cancel()
            if await self._end_in_time():
                return False
            self._hinted = False
            if self._not_before is None:
                chance = await self._has_chance()
                if self._cancel_requested or self._changes:
                    continue
                if chance:
                    self._amendable = False
                    return True
                if not self._terms.may_rest:
                    await self._end(ErrorCode.LIMIT_NOT_REACHED)
                    return False
            await self._rest()

    async def _give_way(self) -> None:
        """A crossing wakes many orders at once: each is under way before any of them takes the time to trade."""
        self._enter("on its way")
        with contextlib.suppress(asyncio.TimeoutError):
            await workflow.wait_condition(lambda: self._cancel_requested, timeout=_SHORTEST_PAUSE)
        self._honor_cancel()

    async def _has_chance(self) -> bool:
        """Whether the price that the order waits for is there, by quotes for its whole size."""
        if conditions(self._terms, self._triggered).awaited() is None:
            return True
        self._venues = await self._quote()
        price = best_price(self._terms, self._venues)
        if price is None:
            # An attempt finds the reason; an order that may rest waits for it to pass.
            return not self._terms.may_rest or (self._status is Status.PENDING and _no_pool(self._venues))
        if not self._triggered and self._terms.stop_price is not None:
            self._triggered = self._trigger_untold = self._accepts(price)
            if not self._triggered:
                return self._passes()
        return self._accepts(price) or self._passes()

    def _accepts(self, price: Fraction) -> bool:
        trigger = conditions(self._terms, self._triggered).awaited()
        return trigger is None or trigger.holds(price)

    def _passes(self) -> bool:
        self._rounds = 0
        return False

    def _trigger_news(self) -> dict[str, Any]:
        """What the next event tells: a stop that was triggered stays so, whatever becomes of this history."""
        told, self._trigger_untold = self._trigger_untold, False
        return {"triggered": True} if told else {}

    async def _rest(self) -> None:
        """Wait for a hint, a change, a cancellation or the end of time."""
        if self._status is not Status.OPEN or self._trigger_untold:
            await self._publish(Status.OPEN, data=self._trigger_news())
        self._amendable = True
        await self._ensure_watched()
        self._enter("waiting for its price" if self._not_before is None else "waiting before the next attempts")
        ends = [at for at in (self._terms.expire_at, self._terms.deadline, self._not_before) if at is not None]
        pause = max(min(ends) - workflow.now(), _SHORTEST_PAUSE) if ends else None
        with contextlib.suppress(asyncio.TimeoutError):
            await workflow.wait_condition(self._is_woken, timeout=pause, timeout_summary=self._step)
        if self._not_before is not None and workflow.now() >= self._not_before:
            self._not_before = None
        if workflow.info().is_continue_as_new_suggested():
            await workflow.wait_condition(lambda: self._is_wanted() or workflow.all_handlers_finished())
            if not self._is_wanted():
                raise BeginAnew

    def _is_wanted(self) -> bool:
        return self._cancel_requested or bool(self._changes)

    def _is_woken(self) -> bool:
        return self._is_wanted() or (self._hinted and self._not_before is None)

    async def _ensure_watched(self) -> None:
        """After the row says `open`: the watcher then either sees it there, or is started to see it."""
        if self._watched or conditions(self._terms, self._triggered).awaited() is None:
            return
        await workflow.execute_local_activity(
            steps.ensure_watched,
            WatchedPair.of(self._terms.token_in.mint, self._terms.token_out.mint),
            start_to_close_timeout=names.WRITE_TIMEOUT,
            retry_policy=WRITE_RETRY,
            summary=f"{self._terms.token_in.symbol}/{self._terms.token_out.symbol}",
        )
        self._watched = True

    async def _return_to_rest(self, facts: dict[str, Any]) -> None:
        """Open again after attempts that failed for a reason that may pass."""
        prepared = self._prepared.swap.attempt if self._prepared is not None else None
        if self._attempt in (prepared, self._swapped):
            self._attempt += 1
        self._watched = False
        self._not_before = workflow.now() + pause_between_rounds(self._rounds)
        self._rounds += 1
        await self._publish(Status.OPEN, **facts)
        self._amendable = True

    async def _end_in_time(self) -> bool:
        """End the order if its time is over; whether it was. Called only where nothing can trade."""
        if self._terms.deadline is not None and workflow.now() >= self._terms.deadline:
            await self._end(ErrorCode.DEADLINE_EXCEEDED)
        elif self._terms.expire_at is not None and workflow.now() >= self._terms.expire_at:
            await self._end(ErrorCode.TIME_IN_FORCE_ENDED)
        return self._ended

    async def _end(self, reason: ErrorCode, **facts: Any) -> None:
        self._refuse_changes()
        expires = reason is not ErrorCode.DEADLINE_EXCEEDED and not self._broadcast
        await self._publish(Status.EXPIRED if expires else Status.FAILED, reason=reason, **facts)

    def _admit_early_change(self) -> None:
        """A change that came before the order is stored was meant for an order without events."""
        if self._changes and self._changes[0].request.version == self._seq:
            first = self._changes[0]
            first.request = first.request.model_copy(update={"version": None})

    async def _make_changes(self) -> None:
        """Record the changes in the order of their coming, each as an event, and answer them."""
        while self._changes:
            change = self._changes[0]
            terms = self._changed(change)
            if terms is not None:
                # A market order is on its way from the first.
                status = Status.ROUTING if self._status is Status.ROUTING else Status.OPEN
                data = {"amended": change.request.amendment.told()} | self._trigger_news()
                await self._publish(status, terms=terms, data=data)
                change.answer = self._amend_answer()
            self._changes.popleft()

    def _refuse_changes(self) -> None:
        """From here on nothing is changed any more."""
        self._amendable = False
        while self._changes:
            detail = f"the order is {self._status}"
            self._changes.popleft().error = EngineError(ErrorCode.ORDER_NOT_AMENDABLE, detail)

    def _changed(self, change: Change) -> OrderTerms | None:
        """The new terms, or None with the change's error."""
        try:
            return self._checked(change.request)
        except EngineError as error:
            change.error = error
            return None

    def _checked(self, request: AmendOrder) -> OrderTerms:
        """The new terms; raises EngineError when the change cannot be made now."""
        if self._ended:
            raise EngineError(ErrorCode.ORDER_ENDED, f"the order is {self._status}")
        if not self._amendable:
            raise EngineError(ErrorCode.ORDER_NOT_AMENDABLE, f"the order is {self._status}")
        if request.version is not None and request.version != self._seq:
            detail = f"the order is at version {self._seq}, not {request.version}"
            raise EngineError(ErrorCode.VERSION_MISMATCH, detail)
        return amended(self._terms, request.amendment)

    def _amend_answer(self) -> AmendAnswer:
        assert self._status is not None
        return AmendAnswer(
            terms=self._terms, status=self._status, seq=self._seq, attempt=self._attempt, updated_at=self._updated_at
        )


def _no_pool(venues: tuple[VenueQuotes, ...]) -> bool:
    return not any(venue.quotes or venue.refusals or venue.reason for venue in venues)
