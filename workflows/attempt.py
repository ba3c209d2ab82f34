"""One attempt of an order: quote both venues, choose, prepare, execute, and the proof of what became of it.

The rule that money rests on: only `execute_swap` broadcasts, its input (the signed bytes) is in the history before
it starts, and a new attempt begins only after the outcome `reverted` or `expired` is proven.
"""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError
from temporalio.workflow import ActivityCancellationType

from workflows import checks, names, steps
from workflows.domain.attempt import OutcomeKind, SwapAttempt, SwapOutcome
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderEvent
from workflows.domain.retry import Failure
from workflows.domain.routing import Decision, VenueQuotes, recorded
from workflows.messages import (
    ChooseRoute,
    ExecuteSwap,
    PreparedSwap,
    PrepareSwap,
    QuoteRequest,
    SettleSwap,
    SwapExecuted,
    SwapSettled,
)
from workflows.record import WRITE_RETRY, OrderRecord, failure_of

# A quote is worth two tries within its two seconds; after that the other venue decides.
_QUOTE_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=2)

# Preparing sends nothing, so trying again is free; the attempt ends when the chain or the signer stays away.
_PREPARE_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3)

# A late cancellation is told once the swap is recorded, which may take as long as PostgreSQL is away.
_ONE_TRY = RetryPolicy(maximum_attempts=1)
_BETWEEN_TRIES = timedelta(milliseconds=500)

# The same bytes are sent again until the chain's answer is proven: no limit.
_SEND_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=2))


class OrderAttempt(OrderRecord):
    """The steps that lead from quotes to a proven outcome."""

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
            return checks.judged(failure_of(error, ErrorCode.CHAIN_UNAVAILABLE))
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
        request = QuoteRequest(
            token_in=terms.token_in, token_out=terms.token_out, amount_in=terms.amount_in, amount_out=terms.amount_out
        )
        try:
            quotes: VenueQuotes = await workflow.execute_local_activity(
                step,
                request,
                schedule_to_close_timeout=names.QUOTE_TIMEOUT,
                retry_policy=_QUOTE_RETRY,
                summary=f"{terms.selling} to {terms.token_out.symbol}",
            )
        except FailureError as error:
            failure = failure_of(error, ErrorCode.QUOTE_TIMEOUT)
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
                retry_policy=WRITE_RETRY,
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
            return checks.judged(failure_of(error, ErrorCode.CHAIN_UNAVAILABLE), in_check=True)
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
        before = self._status, self._seq, self._signature, self._broadcast
        event = self._event(Status.SUBMITTED, venue=swap.venue, signature=swap.signature)
        self._apply(event)
        request = ExecuteSwap(terms=self._terms, swap=swap, event=event)
        executed: SwapExecuted = await self._send(steps.execute_swap, request, event)
        if executed.outcome is None:
            self._status, self._seq, self._signature, self._broadcast = before
            if refusal := checks.at_execution(executed):
                return refusal
            self._take_up(executed.event, Status.SUBMITTED)
            return Failure(self._reason or ErrorCode.CHAIN_UNAVAILABLE, "an earlier try of this step stands")
        return executed.outcome

    async def _send(self, step: Any, request: ExecuteSwap | SettleSwap, submitted: OrderEvent) -> Any:
        """Run a step that broadcasts for as long as the proof of its outcome takes; tell who cancels meanwhile."""
        sending = asyncio.create_task(
            workflow.execute_activity(
                step,
                request,
                start_to_close_timeout=names.SEND_TIMEOUT,
                heartbeat_timeout=names.HEARTBEAT_TIMEOUT,
                retry_policy=_SEND_RETRY,
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"attempt {submitted.attempt}: {submitted.signature}",
            )
        )
        await workflow.wait_condition(lambda: sending.done() or self._cancel_requested)
        if not sending.done() and workflow.patched("pending-cancel"):
            await self._tell_too_late(submitted, sending)
        return await sending

    async def _tell_too_late(self, submitted: OrderEvent, sending: "asyncio.Task[Any]") -> None:
        """Record that a cancellation came while the swap is sent, unless the swap turns out not to be recorded."""
        while not sending.done():
            with contextlib.suppress(FailureError):
                await self._publish_too_late(submitted, _ONE_TRY)
                return
            with contextlib.suppress(asyncio.TimeoutError):
                await workflow.wait_condition(sending.done, timeout=_BETWEEN_TRIES)
        if sending.exception() is None and sending.result().outcome is not None:
            await self._publish_too_late(submitted)
