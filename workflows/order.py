"""The life of one order: persist, quote both venues, choose, prepare, execute, publish.

Deterministic. The rule that money rests on: only `execute_swap` broadcasts, its input (the signed bytes) is in
the history before it starts, and a new attempt begins only after the outcome `reverted` or `expired` is proven.
"""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

from temporalio import exceptions, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError
from temporalio.workflow import ActivityCancellationType

from workflows import checks, names, steps
from workflows.domain import lifecycle
from workflows.domain.attempt import OutcomeKind, SwapAttempt, SwapOutcome
from workflows.domain.errors import ErrorCode, error_code
from workflows.domain.lifecycle import Status
from workflows.domain.order import Fill, OrderEvent, OrderTerms
from workflows.domain.retry import Failure, next_attempt_after
from workflows.domain.routing import Decision, VenueQuotes, recorded
from workflows.messages import (
    ChooseRoute,
    ExecuteSwap,
    OrderAccepted,
    OrderResult,
    OrderState,
    PersistOrder,
    PreparedSwap,
    PrepareSwap,
    PublishStatus,
    QuoteRequest,
    SettleSwap,
    SwapExecuted,
    SwapSettled,
)
from workflows.story import tell

# Keyed writes repeat for ever: an outage of PostgreSQL delays an order and loses nothing.
_WRITE_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=2))

# A quote is worth two tries within its two seconds; after that the other venue decides.
_QUOTE_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=2)

# Preparing sends nothing, so trying again is free; the attempt ends when the chain or the signer stays away.
_PREPARE_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3)

# The same bytes are sent again until the chain's answer is proven: no limit.
_SEND_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=2))


class CancelHonored(Exception):
    """A cancellation was asked for, and the order is where nothing can trade any more."""


class AlreadyEnded(Exception):
    """A try that crashed before its history was written had already recorded the order's end; it stands."""


class SubmittedBefore(Exception):
    """The log holds a signature that this history does not: a reset, or a lost server, took its history away.

    It may have been broadcast, so that its outcome comes before everything else.
    """

    def __init__(self, event: OrderEvent) -> None:
        super().__init__(event.signature)
        self.event = event


@workflow.defn
class OrderWorkflow:
    """One order, from acceptance to its terminal status."""

    @workflow.init
    def __init__(self, terms: OrderTerms) -> None:
        self._terms = terms
        self._status: Status | None = None
        self._seq = 0
        self._attempt = 1
        self._step = "accepted"
        self._venues: tuple[VenueQuotes, ...] = ()
        self._decision: Decision | None = None
        self._prepared: PreparedSwap | None = None
        self._reason: ErrorCode | None = None
        self._signature: str | None = None
        self._fill: Fill | None = None
        self._updated_at = workflow.now()
        self._cancel_requested = False
        self._checks_risk = True

    @workflow.query(description="Where the order stands: step, attempt, quotes, decision, signature, fill")
    def state(self) -> OrderState:
        """The live view of the order."""
        status = self._status or Status.PENDING
        return OrderState(
            terms=self._terms,
            status=status,
            phase=lifecycle.phase(status),
            seq=self._seq,
            step=self._step,
            attempt=self._attempt,
            venues=self._venues,
            decision=self._decision,
            prepared=self._prepared,
            reason=self._reason,
            fill=self._fill,
            updated_at=self._updated_at,
        )

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
        failure = await self._accept()
        with contextlib.suppress(AlreadyEnded):
            while True:
                try:
                    await self._trade_or_cancel(failure)
                    return
                except SubmittedBefore as before:
                    failure = await self._settle(before.event)
                    if failure is None:
                        return

    async def _trade_or_cancel(self, failure: Failure | None) -> None:
        try:
            await self._trade(failure)
        except CancelHonored:
            await self._publish(Status.CANCELED)

    async def _accept(self) -> Failure | None:
        self._enter("persist order")
        pending = self._event(Status.PENDING, seq=1)
        routing = self._event(Status.ROUTING, seq=2)
        accepted: OrderAccepted | None = await workflow.execute_local_activity(
            steps.persist_order,
            PersistOrder(terms=self._terms, events=(pending, routing)),
            start_to_close_timeout=names.WRITE_TIMEOUT,
            retry_policy=_WRITE_RETRY,
            summary=self._terms.title,
        )
        self._apply(pending)
        self._apply(routing)
        # Histories from before there was a check of the risk hold no answer here, and their orders have no such step.
        self._checks_risk = accepted is not None
        return checks.at_acceptance(accepted)

    async def _trade(self, failure: Failure | None) -> None:
        """Try until the order has traded or may not be tried again; after `failure` when one try is over."""
        while True:
            failure = failure or await self._try_once()
            if failure is None:
                return
            self._honor_cancel()
            facts: dict[str, Any] = {"reason": failure.reason, "data": {"detail": failure.detail}}
            pause = next_attempt_after(self._attempt, self._terms.max_attempts, failure.reason)
            if pause is None:
                await self._publish(Status.REJECTED if failure.refused else Status.FAILED, **facts)
                return
            if pause:
                await self._wait(pause, failure)
            self._attempt += 1
            await self._publish(Status.ROUTING, **facts)
            failure = None

    async def _wait(self, pause: timedelta, failure: Failure) -> None:
        self._enter(f"waiting before attempt {self._attempt + 1}")
        summary = f"before attempt {self._attempt + 1}: {failure.reason}"
        with contextlib.suppress(asyncio.TimeoutError):
            await workflow.wait_condition(lambda: self._cancel_requested, timeout=pause, timeout_summary=summary)
        self._honor_cancel()

    def _honor_cancel(self) -> None:
        """Called only where no signature can still land."""
        if self._cancel_requested:
            raise CancelHonored

    async def _try_once(self) -> Failure | None:
        """One attempt; None when it traded, else why it did not, proven."""
        self._venues = await self._quote()
        self._honor_cancel()
        try:
            decision = await self._choose()
            self._honor_cancel()
            if self._checks_risk and (refusal := await self._check(decision)):
                return refusal
            self._honor_cancel()
            prepared = await self._prepare(decision)
        except FailureError as error:
            return checks.judged(_failure(error, ErrorCode.CHAIN_UNAVAILABLE))
        self._honor_cancel()
        outcome = await self._execute(prepared)
        if not isinstance(outcome, SwapOutcome):
            return outcome
        return await self._conclude(prepared.swap, outcome)

    async def _settle(self, submitted: OrderEvent) -> Failure | None:
        """Find out what became of the signature of an event; None when it traded, else why it did not, proven."""
        self._enter("settle earlier swap")
        request = SettleSwap(terms=self._terms, event=submitted)
        settled: SwapSettled = await self._send(steps.settle_swap, request, submitted)
        return await self._conclude(settled.swap, settled.outcome)

    async def _conclude(self, swap: SwapAttempt, outcome: SwapOutcome) -> Failure | None:
        if outcome.kind is not OutcomeKind.LANDED:
            return Failure(outcome.reason or ErrorCode.SWAP_REVERTED, outcome.detail)
        await self._publish(
            Status.CONFIRMED,
            venue=swap.venue,
            signature=swap.signature,
            fill=outcome.fill,
            data={"kind": swap.kind, "pool": swap.pool, "quotedOut": self._terms.token_out.format(swap.quoted_out)},
        )
        return None

    async def _quote(self) -> tuple[VenueQuotes, ...]:
        self._enter("fetch quotes")
        raydium, meteora = await asyncio.gather(
            self._quote_venue("raydium", steps.fetch_raydium_quote),
            self._quote_venue("meteora", steps.fetch_meteora_quote),
        )
        return raydium, meteora

    async def _quote_venue(self, venue: str, step: Any) -> VenueQuotes:
        terms = self._terms
        request = QuoteRequest(token_in=terms.token_in, token_out=terms.token_out, amount_in=terms.amount_in)
        try:
            quotes: VenueQuotes = await workflow.execute_local_activity(
                step,
                request,
                schedule_to_close_timeout=names.QUOTE_TIMEOUT,
                retry_policy=_QUOTE_RETRY,
                summary=f"{terms.selling} to {terms.token_out.symbol}",
            )
        except FailureError as error:
            failure = _failure(error, ErrorCode.QUOTE_TIMEOUT)
            return VenueQuotes(venue=venue, reason=failure.reason, detail=failure.detail)
        return quotes

    async def _choose(self) -> Decision:
        self._enter("choose route")
        while True:
            event = self._event(Status.BUILDING)
            stands = await workflow.execute_local_activity(
                steps.choose_route,
                ChooseRoute(terms=self._terms, venues=self._venues, event=event),
                start_to_close_timeout=names.WRITE_TIMEOUT,
                retry_policy=_WRITE_RETRY,
                summary="best of the quotes",
            )
            if self._take_up(stands, Status.BUILDING):
                # Read back from the event: where a crashed try had recorded a decision, that one stands.
                self._decision = recorded(stands.data)
                return self._decision

    async def _check(self, decision: Decision) -> Failure | None:
        self._enter("check risk")
        try:
            await checks.check_risk(self._terms, self._attempt, decision)
        except FailureError as error:
            return checks.judged(_failure(error, ErrorCode.CHAIN_UNAVAILABLE), in_check=True)
        return None

    async def _prepare(self, decision: Decision) -> PreparedSwap:
        self._enter("prepare swap")
        route = decision.route
        self._prepared = await workflow.execute_local_activity(
            steps.prepare_swap,
            PrepareSwap(terms=self._terms, attempt=self._attempt, route=route),
            start_to_close_timeout=names.PREPARE_TIMEOUT,
            retry_policy=_PREPARE_RETRY,
            summary=f"attempt {self._attempt}: {route.venue} {route.kind}",
        )
        return self._prepared

    async def _execute(self, prepared: PreparedSwap) -> SwapOutcome | Failure:
        """The point of no return: from here to the outcome only the chain decides.

        A failure when trading is halted, or an event of an earlier, crashed try stands in the way: nothing was sent.
        """
        self._enter("execute swap")
        swap = prepared.swap
        before = self._status, self._seq, self._signature
        event = self._event(Status.SUBMITTED, venue=swap.venue, signature=swap.signature)
        self._apply(event)
        request = ExecuteSwap(terms=self._terms, swap=swap, event=event)
        executed: SwapExecuted = await self._send(steps.execute_swap, request, event)
        if executed.outcome is None:
            self._status, self._seq, self._signature = before
            if refusal := checks.at_execution(executed):
                return refusal
            self._take_up(executed.event, Status.SUBMITTED)
            return Failure(self._reason or ErrorCode.CHAIN_UNAVAILABLE, "an earlier try of this step stands")
        return executed.outcome

    async def _send(self, step: Any, request: ExecuteSwap | SettleSwap, submitted: OrderEvent) -> Any:
        """Run a step that broadcasts for as long as the proof of its outcome takes."""
        return await workflow.execute_activity(
            step,
            request,
            start_to_close_timeout=names.SEND_TIMEOUT,
            heartbeat_timeout=names.HEARTBEAT_TIMEOUT,
            retry_policy=_SEND_RETRY,
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=f"attempt {submitted.attempt}: {submitted.signature}",
        )

    async def _publish(self, status: Status, **facts: Any) -> None:
        """Record an event. An event that a crashed try had already stored under the same seq is taken up first."""
        self._enter(f"publish {status}")
        while True:
            event = self._event(status, **facts)
            stands = await workflow.execute_local_activity(
                steps.publish_status,
                PublishStatus(order_id=self._terms.order_id, account=self._terms.account, event=event),
                start_to_close_timeout=names.WRITE_TIMEOUT,
                retry_policy=_WRITE_RETRY,
                summary=str(status),
            )
            if self._take_up(stands, status):
                return

    def _event(self, status: Status, seq: int | None = None, **facts: Any) -> OrderEvent:
        return OrderEvent(seq=seq or self._seq + 1, status=status, at=workflow.now(), attempt=self._attempt, **facts)

    def _take_up(self, stands: OrderEvent, wanted: Status) -> bool:
        """Go on from the event that stands; whether it is the wanted one.

        Raises AlreadyEnded on another's end and SubmittedBefore on another's signature.
        """
        self._apply(stands)
        if stands.status is Status.SUBMITTED:
            raise SubmittedBefore(stands)
        if stands.status is wanted:
            return True
        if lifecycle.is_terminal(stands.status):
            raise AlreadyEnded
        return False

    def _apply(self, event: OrderEvent) -> None:
        lifecycle.check(self._status, event.status)
        self._status, self._seq, self._reason = event.status, event.seq, event.reason
        # An attempt's number names its swap: one that the log has used is never used again.
        self._attempt = max(self._attempt, event.attempt)
        self._signature, self._fill = event.signature or self._signature, event.fill or self._fill
        self._updated_at = event.at
        workflow.set_current_details(tell(self.state()))

    def _enter(self, step: str) -> None:
        self._step = step


def _failure(error: FailureError, on_timeout: ErrorCode) -> Failure:
    """Why an activity failed; `on_timeout` is the reason when it gave none in time.

    A local activity's own failure arrives bare, its timeout and a regular activity's failure inside an ActivityError.
    """
    cause = error.cause if isinstance(error, exceptions.ActivityError) else error
    if isinstance(cause, exceptions.TimeoutError):
        return Failure(on_timeout, "no answer in time")
    if isinstance(cause, exceptions.ApplicationError) and (code := error_code(cause.type)):
        return Failure(code, cause.message)
    return Failure(ErrorCode.INTERNAL_ERROR, str(cause or error))
