"""Where an order stands, and how it comes to its next event."""

from datetime import timedelta
from typing import Any

from temporalio import exceptions, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

from workflows import checks, names, steps
from workflows.domain import lifecycle
from workflows.domain.amendment import Amendment, amended
from workflows.domain.errors import ErrorCode, error_code
from workflows.domain.lifecycle import Status
from workflows.domain.order import Fill, OrderEvent, OrderTerms
from workflows.domain.retry import Failure
from workflows.domain.routing import Decision, VenueQuotes
from workflows.messages import Carried, OrderAccepted, OrderState, PersistOrder, PreparedSwap, PublishStatus
from workflows.shelf import Shelf
from workflows.story import Attempts, tell

# Keyed writes repeat for ever: an outage of PostgreSQL delays an order and loses nothing.
WRITE_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=2))

# What may still be recorded after a cancellation that came too late.
_AFTER_PENDING_CANCEL = frozenset({Status.PENDING_CANCEL, Status.CONFIRMED, Status.CANCELED, Status.FAILED})

# What only an attempt records.
_OF_AN_ATTEMPT = frozenset({Status.BUILDING, Status.SUBMITTED})


class CancelHonored(Exception):
    """A cancellation was asked for, and the order is where nothing can trade any more."""


class AlreadyEnded(Exception):
    """A try that crashed before its history was written had already recorded the order's end; it stands."""


class OpenedBefore(Exception):
    """A try that crashed before its history was written had opened the order again; this attempt is over."""


class SubmittedBefore(Exception):
    """The log holds a signature that this history does not: a reset, or a lost server, took its history away.

    It may have been broadcast, so that its outcome comes before everything else.
    """

    def __init__(self, event: OrderEvent) -> None:
        super().__init__(event.signature)
        self.event = event


class OrderRecord:
    """The order as its last event left it. Only the workflow's main line records events, one after the other."""

    def __init__(self, terms: OrderTerms, carried: Carried | None = None) -> None:
        self._terms = terms
        self._status = carried.status if carried else None
        self._seq = carried.seq if carried else 0
        self._attempt = carried.attempt if carried else 1
        self._triggered = carried.triggered if carried else False
        # Whether a signature of the order may ever have been sent.
        self._broadcast = carried.broadcast if carried else False
        self._signature = carried.signature if carried else None
        self._updated_at = carried.updated_at if carried else workflow.now()
        # The attempt of the newest swap, which may be one that only the log knows.
        self._swapped: int | None = None
        self._step = "accepted"
        self._venues: tuple[VenueQuotes, ...] = ()
        self._decision: Decision | None = None
        self._prepared: PreparedSwap | None = None
        self._reason: ErrorCode | None = None
        self._fill: Fill | None = None
        self._cancel_requested = False
        self._checks_risk = True
        self._attempts_told = Attempts()
        self._shelf = Shelf()

    def _view(self) -> OrderState:
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

    @property
    def _ended(self) -> bool:
        return self._status is not None and lifecycle.is_terminal(self._status)

    async def _persist(self, *events: OrderEvent) -> Failure | None:
        """Store the order with its first events; why it is refused if it needs no quote to be."""
        self._enter("persist order")
        accepted: OrderAccepted | None = await workflow.execute_local_activity(
            steps.persist_order,
            PersistOrder(terms=self._terms, events=events),
            start_to_close_timeout=names.WRITE_TIMEOUT,
            retry_policy=WRITE_RETRY,
            summary=self._terms.title,
        )
        for event in events:
            self._apply(event)
        # Histories from before there was a check of the risk hold no answer here, and their orders have no such step.
        self._checks_risk = accepted is not None
        return checks.at_acceptance(accepted)

    async def _publish(self, status: Status, terms: OrderTerms | None = None, **facts: Any) -> None:
        """Record an event, with new terms if it changes them.

        An event that a crashed try had already stored under the same seq is taken up first. It counts as the wanted
        one when it says the same status; not where the order is to wait, or to be changed: then the log must have no
        more events than this history knows of.
        """
        own = status is Status.OPEN or terms is not None
        self._enter(f"publish {status}")
        while True:
            event = self._event(status, **facts)
            request = PublishStatus(
                order_id=self._terms.order_id, account=self._terms.account, event=event, terms=terms
            )
            stands = await workflow.execute_local_activity(
                steps.publish_status,
                request,
                start_to_close_timeout=names.WRITE_TIMEOUT,
                retry_policy=WRITE_RETRY,
                summary=str(status),
            )
            if self._take_up(stands, status) and (stands == event or not own):
                return

    async def _publish_too_late(self, submitted: OrderEvent, retry: RetryPolicy = WRITE_RETRY) -> None:
        """Record that a cancellation arrived while the swap of `submitted` may land.

        Raises FailureError when the tries of `retry` are used up: each fails until that swap is recorded.
        """
        event = self._event(Status.PENDING_CANCEL, venue=submitted.venue, signature=submitted.signature)
        stands = await workflow.execute_local_activity(
            steps.record_cancel_request,
            PublishStatus(order_id=self._terms.order_id, account=self._terms.account, event=event),
            start_to_close_timeout=names.WRITE_TIMEOUT,
            retry_policy=retry,
            summary="cancellation came too late",
        )
        # Anything else was there before, and the order comes to it after the swap's outcome.
        if stands.seq == self._seq + 1 and stands.status is Status.PENDING_CANCEL:
            self._apply(stands)

    def _event(self, status: Status, seq: int | None = None, **facts: Any) -> OrderEvent:
        return OrderEvent(seq=seq or self._seq + 1, status=status, at=workflow.now(), attempt=self._attempt, **facts)

    def _take_up(self, stands: OrderEvent, wanted: Status) -> bool:
        """Go on from the event that stands; whether it is the wanted one.

        Raises AlreadyEnded on another's end, SubmittedBefore on another's signature, OpenedBefore on an order that
        waits again, and CancelHonored when the order would go on after a cancellation that only a swap that did not
        trade stood in the way of.
        """
        self._apply(stands)
        if stands.status is Status.SUBMITTED:
            raise SubmittedBefore(stands)
        if stands.status is Status.PENDING_CANCEL:
            self._cancel_requested = True
            if wanted not in _AFTER_PENDING_CANCEL:
                raise CancelHonored
        if stands.status is Status.OPEN and wanted in _OF_AN_ATTEMPT:
            raise OpenedBefore
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
        if change := event.data.get("amended"):
            self._terms = amended(self._terms, Amendment.model_validate(change))
        self._triggered = self._triggered or bool(event.data.get("triggered"))
        if event.status is Status.SUBMITTED:
            self._broadcast, self._swapped = True, event.attempt
        self._updated_at = event.at
        self._attempts_told.hear(event)
        self._shelf.put(event)
        workflow.set_current_details(tell(self._view(), self._attempts_told.lines()))

    def _honor_cancel(self) -> None:
        """Called only where no signature can still land."""
        if self._cancel_requested:
            raise CancelHonored

    def _enter(self, step: str) -> None:
        self._step = step


def failure_of(error: FailureError, on_timeout: ErrorCode) -> Failure:
    """Why an activity failed; `on_timeout` is the reason when it gave none in time.

    A local activity's own failure arrives bare, its timeout and a regular activity's failure inside an ActivityError.
    """
    cause = error.cause if isinstance(error, exceptions.ActivityError) else error
    if isinstance(cause, exceptions.TimeoutError):
        return Failure(on_timeout, "no answer in time")
    if isinstance(cause, exceptions.ApplicationError) and (code := error_code(cause.type)):
        return Failure(code, cause.message)
    return Failure(ErrorCode.INTERNAL_ERROR, str(cause or error))
