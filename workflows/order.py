"""The life of one order: persist, wait for its price, quote both venues, choose, prepare, execute, publish.

Deterministic. Its steps are in `attempt`, its waiting in `rest`, its events in `record`.
"""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms, OrderType
from workflows.domain.retry import Failure, may_rest_after, next_attempt_after
from workflows.messages import (
    AmendAnswer,
    AmendOrder,
    CancelAnswer,
    CancelOrder,
    CancelResult,
    Carried,
    OrderResult,
    OrderState,
)
from workflows.names import AMEND, CANCEL, PRICE_REACHED
from workflows.record import AlreadyEnded, CancelHonored, OpenedBefore, SubmittedBefore
from workflows.rest import BeginAnew, Change, OrderRest

# Where an order looks for its chance.
_WAITING = frozenset({Status.PENDING, Status.OPEN})

# The memo of a run that goes on from an earlier one. Not an argument: orders of before then would not decode.
_CARRIED = "carried"


@workflow.defn
class OrderWorkflow(OrderRest):
    """One order, from acceptance to its terminal status."""

    @workflow.init
    def __init__(self, terms: OrderTerms) -> None:
        carried = workflow.memo_value(_CARRIED, None, type_hint=Carried)
        super().__init__(terms, carried)
        self._begun = carried is not None
        # The first attempt since the order was last open: its attempts are counted from there.
        self._first_attempt = self._attempt

    @workflow.query(description="Where the order stands: step, attempt, quotes, decision, signature, fill")
    def state(self) -> OrderState:
        """The live view of the order."""
        return self._view()

    @workflow.signal(name=PRICE_REACHED, description="The pair's watcher saw the price that the order waits for")
    def price_reached(self) -> None:
        """Look whether it is so."""
        self._hinted = True

    @workflow.update(name=CANCEL, description="Cancel the order where nothing of it can trade any more")
    async def cancel(self, request: CancelOrder) -> CancelAnswer:
        """Answer once it is definite: canceled, or too late with the signature that may land."""
        self._cancel_requested = True
        await workflow.wait_condition(lambda: self._ended or self._status is Status.PENDING_CANCEL)
        assert self._status is not None
        if self._status is Status.CANCELED:
            result = CancelResult.CANCELED
        elif self._status in (Status.PENDING_CANCEL, Status.CONFIRMED):
            result = CancelResult.TOO_LATE
        else:
            result = CancelResult.ALREADY_TERMINAL
        return CancelAnswer(result=result, status=self._status, signature=self._signature)

    @cancel.validator
    def _check_cancel(self, request: CancelOrder) -> None:
        if self._ended:
            raise _refused(EngineError(ErrorCode.ORDER_ENDED, f"the order is {self._status}"))

    @workflow.update(
        name=AMEND, description="Change prices, expiry, slippage or deadline while the order is pending or open"
    )
    async def amend(self, request: AmendOrder) -> AmendAnswer:
        """Answer once the change is recorded."""
        change = Change(request)
        self._changes.append(change)
        await workflow.wait_condition(lambda: change.answer is not None or change.error is not None)
        if change.error is not None:
            raise _refused(change.error)
        assert change.answer is not None
        return change.answer

    @amend.validator
    def _check_amend(self, request: AmendOrder) -> None:
        try:
            self._checked(request)
        except EngineError as error:
            raise _refused(error) from None

    @workflow.run
    async def run(self, terms: OrderTerms) -> OrderResult:
        """Execute the order; returns how it ended and never fails for a reason of the market or the chain."""
        life = asyncio.create_task(self._live())
        while not life.done():
            try:
                await asyncio.shield(life)
            except asyncio.CancelledError:
                # A wish, not a command: honoured where nothing can trade, else the chain decides.
                self._cancel_requested = True
            except BeginAnew:
                workflow.continue_as_new(self._terms, memo={_CARRIED: self._carried()})
        await life
        assert self._status is not None
        return OrderResult(
            order_id=terms.order_id,
            status=self._status,
            reason=self._reason,
            signature=self._signature,
            fill=self._fill,
        )

    async def _live(self) -> None:
        failure = None if self._begun else await self._accept()
        with contextlib.suppress(AlreadyEnded):
            while True:
                try:
                    await self._trade_or_cancel(failure)
                    break
                except SubmittedBefore as before:
                    self._refuse_changes()
                    failure = await self._settle(before.event)
                    if failure is None:
                        break
        self._refuse_changes()
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _trade_or_cancel(self, failure: Failure | None) -> None:
        try:
            await self._trade(failure)
        except CancelHonored:
            self._refuse_changes()
            await self._publish(Status.CANCELED)

    async def _accept(self) -> Failure | None:
        """Store the order; why it is refused if it is. One that waits for nothing is on its way at once."""
        self._admit_early_change()
        pending = self._event(Status.PENDING, seq=1)
        if self._terms.type is OrderType.MARKET:
            return await self._persist(pending, self._event(Status.ROUTING, seq=2))
        return await self._persist(pending)

    async def _trade(self, failure: Failure | None) -> None:
        """Try until the order has traded or may not be tried again; after `failure` when one try is over."""
        if failure is None and self._status is Status.ROUTING:
            # The last moment to change an order that waits for nothing.
            await self._make_changes()
            self._amendable = False
        while True:
            if failure is None:
                if self._status in _WAITING:
                    if not await self._wait_for_chance():
                        return
                    await self._publish(Status.ROUTING, data=self._trigger_news())
                    await self._give_way()
                if await self._end_in_time():
                    return
                try:
                    failure = await self._try_once()
                except OpenedBefore:
                    await self._publish(Status.OPEN)
                    continue
                if failure is None:
                    return
            self._honor_cancel()
            if not await self._go_on_after(failure):
                return
            failure = None

    async def _go_on_after(self, failure: Failure) -> bool:
        """Begin the next attempt, or open the order again; False when it has ended instead."""
        facts: dict[str, Any] = {"reason": failure.reason, "data": {"detail": failure.detail}}
        made = self._attempt - self._first_attempt + 1
        pause = next_attempt_after(made, self._terms.max_attempts, failure.reason)
        if pause is not None:
            if pause:
                await self._wait(pause, failure)
            self._attempt += 1
            await self._publish(Status.ROUTING, **facts)
            return True
        if self._terms.may_rest and may_rest_after(self._attempt, failure.reason):
            await self._return_to_rest(facts)
            self._first_attempt = self._attempt
            return True
        if failure.reason is ErrorCode.LIMIT_NOT_REACHED:
            await self._end(**facts)
        else:
            await self._publish(Status.REJECTED if failure.refused else Status.FAILED, **facts)
        return False

    async def _wait(self, pause: timedelta, failure: Failure) -> None:
        self._enter(f"waiting before attempt {self._attempt + 1}")
        summary = f"before attempt {self._attempt + 1}: {failure.reason}"
        with contextlib.suppress(asyncio.TimeoutError):
            await workflow.wait_condition(lambda: self._cancel_requested, timeout=pause, timeout_summary=summary)
        self._honor_cancel()


def _refused(error: EngineError) -> ApplicationError:
    """What an update fails with; the workflow goes on."""
    return ApplicationError(error.detail, type=error.code, non_retryable=True, category=ApplicationErrorCategory.BENIGN)
