"""Durable execution in a few lines: what Temporal promises a workflow, so that thousands of crashes can be tried.

A workflow's calls are numbered in the order it makes them. Results become durable together, when the workflow task
that made them ends: when a regular activity or a timer has to be waited for, or a cancellation arrives. A worker that
dies before loses them, and the next one runs the workflow's code again: what is durable answers from history, the
rest is done again. Replayed calls must be those of the first run, argument for argument.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import SimpleNamespace
from typing import Any, Protocol

from temporalio import exceptions
from temporalio.common import SearchAttributePair, SearchAttributeUpdate, TypedSearchAttributes

from tests.samples import BEGINNING
from workflows.domain.amendment import Amendment
from workflows.domain.order import OrderTerms
from workflows.messages import AmendAnswer, AmendOrder, CancelAnswer, CancelOrder, OrderResult
from workflows.names import IN_PROGRESS, ORDER_STATUS
from workflows.order import OrderWorkflow

Activities = Mapping[str, Callable[[Any], Awaitable[Any]]]

# Loop turns after which a cancellation has reached the workflow's main task, whatever that task waits for.
_TURNS = 8

# More answers than any order waits for at a time.
_MOST_TURNS = 50


class Happening(StrEnum):
    """What comes to an order from outside."""

    # The request of Temporal's own, as from the Web UI.
    CANCEL = "cancel"
    # The updates that the API sends, and the watcher's hint.
    CANCEL_UPDATE = "cancel update"
    AMEND = "amend"
    HINT = "hint"


class Died(Exception):
    """The worker process ended here."""


class NotDeterministic(AssertionError):
    """The workflow's code did something else when it ran again."""


class Fate(Protocol):
    """Decides what befalls the worker and the order."""

    def dies(self, where: str) -> bool:
        """Whether the worker ends now; answers yes only so many times."""

    def delivers(self, where: str) -> Happening | None:
        """What befalls the order now; at most so many times."""


@dataclass
class _Call:
    name: str
    argument: Any
    # How often it is tried; 0 for ever.
    tries: int = 0
    delivered: Happening | None = None
    done: bool = False
    result: Any = None
    error: BaseException | None = None
    answered_at: datetime = BEGINNING


@dataclass
class History:
    """What is durable, by number of the call, and the cluster's clock."""

    calls: dict[int, _Call] = field(default_factory=dict)
    started: datetime = BEGINNING
    clock: datetime = BEGINNING
    begun: bool = False
    at_start: Happening | None = None

    def lost(self) -> "History":
        """What is left when the server has lost it: time has passed."""
        later = self.tick()
        return History(started=later, clock=later)

    def tick(self, passed: timedelta = timedelta(seconds=1)) -> datetime:
        """A later time."""
        self.clock += passed
        return self.clock


class Runtime:
    """Stands in for the module `temporalio.workflow` in one run of the workflow's code by one worker."""

    def __init__(self, history: History, activities: Activities, fate: Fate) -> None:
        self._history = history
        self._activities = activities
        self._fate = fate
        self._made: dict[int, _Call] = {}
        self._answered: set[int] = set()
        self._now = history.started
        self._primary: asyncio.Task[Any] | None = None
        self._order: OrderWorkflow | None = None
        self._handlers: list[asyncio.Task[Any]] = []
        self._dead = False
        # What cancellations and amendments were answered with.
        self.answers: list[CancelAnswer] = []
        self.amended: list[AmendAnswer] = []

    async def run(self, terms: OrderTerms) -> OrderResult:
        """Run the workflow's code to its end; raises Died."""
        self._primary = asyncio.current_task()
        self._order = OrderWorkflow(terms)
        if not self._history.begun:
            self._history.begun, self._history.at_start = True, self._fate.delivers("start")
        if self._history.at_start is not None:
            # Handlers of what comes with the first task run before the order itself.
            self._deliver(self._history.at_start)
        result = await self._order.run(terms)
        self._die_perhaps("completion")
        return result

    def now(self) -> datetime:
        """The time of the newest answer."""
        return self._now

    def set_current_details(self, details: str) -> None:
        """The live panel can be built at any moment."""
        assert details

    def patched(self, patch: str) -> bool:
        """The code is today's."""
        return True

    def memo_value(self, key: str, default: Any, **options: Any) -> Any:
        """The first run of the order has none."""
        return default

    def info(self) -> Any:
        """The history is never too long; the order is found by its status."""
        found = TypedSearchAttributes([SearchAttributePair(ORDER_STATUS, IN_PROGRESS)])
        return SimpleNamespace(is_continue_as_new_suggested=lambda: False, typed_search_attributes=found)

    def upsert_search_attributes(self, updates: Sequence[SearchAttributeUpdate[str]]) -> None:
        """The order is moved for a reason."""
        assert updates

    def all_handlers_finished(self) -> bool:
        """Whether every update is answered."""
        return all(handler.done() for handler in self._handlers)

    async def execute_local_activity(self, step: Callable[..., Any], argument: Any, **options: Any) -> Any:
        """Run the step in this worker; its result is not durable yet."""
        call = await self._call(step.__name__, argument, waits=False, tries=options["retry_policy"].maximum_attempts)
        return _answer(call)

    async def execute_activity(self, step: Callable[..., Any], argument: Any, **options: Any) -> Any:
        """End the workflow task, run the step in whatever worker lives until it answers."""
        call = await self._call(step.__name__, argument, waits=True)
        return _answer(call)

    async def wait_condition(self, condition: Callable[[], bool], **options: Any) -> None:
        """Wait for what the order's own code brings about; with a time limit, for what comes from outside."""
        if options.get("timeout") is not None:
            await self._call("timer", options["timeout"], waits=True)
            if not condition():
                raise TimeoutError
        while not condition():
            self._live_on()
            await asyncio.sleep(0)

    async def _call(self, name: str, argument: Any, waits: bool, tries: int = 0) -> _Call:
        number = len(self._made)
        known = self._history.calls.get(number)
        if known is not None and (known.name, known.argument) != (name, argument):
            raise NotDeterministic(f"call {number} was {known.name}({known.argument}), is {name}({argument})")
        call = self._made[number] = replace(known) if known is not None else _Call(name, argument, tries)
        if not call.done:
            if waits:
                self._commit(number)
            if call.delivered is None and (happening := self._fate.delivers(name)):
                call.delivered = happening
                # It arrives with a workflow task of its own, after everything before it.
                self._commit(number)
        if call.delivered is not None:
            self._deliver(call.delivered)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        if call.done:
            await self._its_turn(call)
        else:
            self._die_perhaps(f"before {name}")
            await self._work(call)
            self._die_perhaps(f"after {name}")
            if waits:
                self._commit(number)
        self._answered.add(number)
        self._now = call.answered_at
        return call

    async def _its_turn(self, call: _Call) -> None:
        """A replay gives the answers in the order in which they came, and the code time to act on each."""
        for _ in range(_MOST_TURNS):
            earlier = (
                number
                for number, other in self._history.calls.items()
                if other.done and other.answered_at < call.answered_at and number not in self._answered
            )
            if next(earlier, None) is None:
                break
            for _ in range(_TURNS):
                await asyncio.sleep(0)
        else:
            raise NotDeterministic(f"what was answered before {call.name}({call.argument}) is not asked for any more")

    async def _work(self, call: _Call) -> None:
        passed = timedelta(seconds=1)
        try:
            if call.name != "timer":
                call.result = await self._try_until_it_fits(call)
            elif call.delivered is None:
                passed = call.argument
        except exceptions.FailureError as error:
            call.error = error
        call.done, call.answered_at = True, self._history.tick(passed)

    async def _try_until_it_fits(self, call: _Call) -> Any:
        while True:
            try:
                return await self._activities[call.name](call.argument)
            except exceptions.ApplicationError as error:
                if error.type is not None or call.name != "record_cancel_request" or call.tries == 1:
                    raise
            # It is tried again by whatever worker lives.
            self._live_on()
            await asyncio.sleep(0)

    def _deliver(self, happening: Happening) -> None:
        order = self._order
        assert order is not None
        assert self._primary is not None
        if happening is Happening.CANCEL:
            self._primary.cancel()
        elif happening is Happening.HINT:
            order.price_reached()
        elif happening is Happening.CANCEL_UPDATE:
            self._update(order._check_cancel, self._cancel, CancelOrder())
        else:
            request = AmendOrder(amendment=Amendment(slippage_bps=77))
            self._update(order._check_amend, self._amend, request)

    def _update(self, check: Callable[[Any], None], handle: Callable[[Any], Any], request: Any) -> None:
        with contextlib.suppress(exceptions.ApplicationError):
            check(request)
            self._handlers.append(asyncio.create_task(_accepted(handle(request))))

    async def _cancel(self, request: CancelOrder) -> None:
        assert self._order is not None
        self.answers.append(await self._order.cancel(request))

    async def _amend(self, request: AmendOrder) -> None:
        assert self._order is not None
        self.amended.append(await self._order.amend(request))

    def _live_on(self) -> None:
        if self._dead:
            raise Died("with its worker")

    def _die_perhaps(self, where: str) -> None:
        if self._fate.dies(where):
            self._dead = True
            raise Died(where)

    def _commit(self, newest: int) -> None:
        for number, call in self._made.items():
            if call.done or number == newest:
                self._history.calls[number] = replace(call)


async def _accepted(handler: Awaitable[Any]) -> None:
    # An update may still be refused after its acceptance; that is an answer. Without its worker it has none yet.
    with contextlib.suppress(exceptions.ApplicationError, Died):
        await handler


def _answer(call: _Call) -> Any:
    if call.error is not None:
        raise call.error
    return call.result
