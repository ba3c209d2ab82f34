"""Durable execution in a few lines: what Temporal promises a workflow, so that thousands of crashes can be tried.

A workflow's calls are numbered in the order it makes them. Results become durable together, when the workflow task
that made them ends: when a regular activity or a timer has to be waited for, or a cancellation arrives. A worker that
dies before loses them, and the next one runs the workflow's code again: what is durable answers from history, the
rest is done again. Replayed calls must be those of the first run, argument for argument.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from temporalio import exceptions

from tests.samples import BEGINNING
from workflows.domain.order import OrderTerms
from workflows.messages import OrderResult
from workflows.order import OrderWorkflow

Activities = Mapping[str, Callable[[Any], Awaitable[Any]]]

# Loop turns after which a cancellation has reached the workflow's main task, whatever that task waits for.
_TURNS = 4


class Died(Exception):
    """The worker process ended here."""


class NotDeterministic(AssertionError):
    """The workflow's code did something else when it ran again."""


class Fate(Protocol):
    """Decides what befalls the worker and the order."""

    def dies(self, where: str) -> bool:
        """Whether the worker ends now; answers yes only so many times."""

    def cancels(self, where: str) -> bool:
        """Whether the trader cancels now; answers yes at most once."""


@dataclass
class _Call:
    name: str
    argument: Any
    canceled: bool = False
    done: bool = False
    result: Any = None
    error: BaseException | None = None
    answered_at: datetime = BEGINNING


@dataclass
class History:
    """What is durable, by number of the call, and the cluster's clock."""

    calls: dict[int, _Call] = field(default_factory=dict)
    ticks: int = 0

    def tick(self) -> datetime:
        """A later time."""
        self.ticks += 1
        return BEGINNING + timedelta(seconds=self.ticks)


class Runtime:
    """Stands in for the module `temporalio.workflow` in one run of the workflow's code by one worker."""

    def __init__(self, history: History, activities: Activities, fate: Fate) -> None:
        self._history = history
        self._activities = activities
        self._fate = fate
        self._made: dict[int, _Call] = {}
        self._now = BEGINNING
        self._primary: asyncio.Task[Any] | None = None

    async def run(self, terms: OrderTerms) -> OrderResult:
        """Run the workflow's code to its end; raises Died."""
        self._primary = asyncio.current_task()
        result = await OrderWorkflow(terms).run(terms)
        self._die_perhaps("completion")
        return result

    def now(self) -> datetime:
        """The time of the newest answer."""
        return self._now

    def set_current_details(self, details: str) -> None:
        """The live panel can be built at any moment."""
        assert details

    async def execute_local_activity(self, step: Callable[..., Any], argument: Any, **options: Any) -> Any:
        """Run the step in this worker; its result is not durable yet."""
        call = await self._call(step.__name__, argument, waits=False)
        return _answer(call)

    async def execute_activity(self, step: Callable[..., Any], argument: Any, **options: Any) -> Any:
        """End the workflow task, run the step in whatever worker lives until it answers."""
        call = await self._call(step.__name__, argument, waits=True)
        return _answer(call)

    async def wait_condition(self, condition: Callable[[], bool], **options: Any) -> None:
        """End the workflow task and wait; only a cancellation cuts the time short."""
        await self._call("timer", options["timeout"], waits=True)
        if not condition():
            raise TimeoutError

    async def _call(self, name: str, argument: Any, waits: bool) -> _Call:
        number = len(self._made)
        known = self._history.calls.get(number)
        if known is not None and (known.name, known.argument) != (name, argument):
            raise NotDeterministic(f"call {number} was {known.name}({known.argument}), is {name}({argument})")
        call = self._made[number] = replace(known) if known is not None else _Call(name, argument)
        if not call.done:
            if waits:
                self._commit(number)
            if not call.canceled and self._fate.cancels(name):
                call.canceled = True
                # It arrives with a workflow task of its own, after everything before it.
                self._commit(number)
        if call.canceled:
            assert self._primary is not None
            self._primary.cancel()
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        if not call.done:
            self._die_perhaps(f"before {name}")
            await self._work(call)
            self._die_perhaps(f"after {name}")
            if waits:
                self._commit(number)
        self._now = call.answered_at
        return call

    async def _work(self, call: _Call) -> None:
        try:
            if call.name != "timer":
                call.result = await self._activities[call.name](call.argument)
        except exceptions.FailureError as error:
            call.error = error
        call.done, call.answered_at = True, self._history.tick()

    def _die_perhaps(self, where: str) -> None:
        if self._fate.dies(where):
            raise Died(where)

    def _commit(self, newest: int) -> None:
        for number, call in self._made.items():
            if call.done or number == newest:
                self._history.calls[number] = replace(call)


def _answer(call: _Call) -> Any:
    if call.error is not None:
        raise call.error
    return call.result
