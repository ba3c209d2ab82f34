"""One life of an order, from acceptance to its end, with as many workers as it takes, and what the chain counts."""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import aiohttp
import pytest
from solana.rpc import async_http_provider
from temporalio import exceptions, workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, RetryState, TimeoutType

from activities.solana.confirmation import Confirmations
from activities.swap import SwapActivities
from tests.memory_store import MemoryStore
from tests.samples import order_terms
from tests.simulation import clock
from tests.simulation.chain import SimulatedChain
from tests.simulation.oracle import faults
from tests.simulation.weather import draw
from tests.simulation.wire import Node, Session
from tests.simulation.worker import (
    Deaths,
    Gate,
    GatedNode,
    MakeTracker,
    SimulatedWorker,
)
from tests.workflows.durable import Died, Happening, History, Runtime
from workflows.domain.ids import new_order_id
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms
from workflows.messages import OrderResult

# An order that has not ended an hour after the weather has cleared never will.
_STUCK_AFTER = 3_600.0

# Time for whatever is still under way to land, were it possible.
_AFTERMATH = 300.0

# A killed worker is noticed after its heartbeat timeout.
_NOTICED_AFTER = 4.0

_SEVERAL_NODES = 3

# How many lives know one node only, as a small installation does.
_ONE_NODE = 0.2


@dataclass
class Life:
    """How one life went."""

    number: int
    status: Status | None
    landed: int
    attempts: int
    deaths: list[str]
    lost_histories: int
    canceled: bool
    vanished: int
    seconds: float
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Engine:
    """The parts under test; a mutant replaces one of them."""

    make_tracker: MakeTracker = Confirmations
    make_swap: Callable[..., SwapActivities] = SwapActivities


# How often, in virtual time, the workflow's code is asked whether it has what it waits for.
_LOOK_SECONDS = 0.05
_LOOKS_AT_ONCE = 100


class LiveRuntime(Runtime):
    """Temporal's side of a worker: retries and time-outs in virtual time, nothing after the worker is dead."""

    def __init__(self, history: History, worker: SimulatedWorker, gate: Gate, fate: "Fate") -> None:
        super().__init__(history, worker.steps, fate)
        self._gate = gate
        self._options: dict[str, dict[str, Any]] = {}

    async def execute_local_activity(self, step: Callable[..., Any], argument: Any, **options: Any) -> Any:
        """Run the step with its retries."""
        self._options[step.__name__] = options
        return await super().execute_local_activity(step, argument, **options)

    async def execute_activity(self, step: Callable[..., Any], argument: Any, **options: Any) -> Any:
        """Run the step with its retries."""
        self._options[step.__name__] = options
        return await super().execute_activity(step, argument, **options)

    async def wait_condition(self, condition: Callable[[], bool], **options: Any) -> None:
        """Wait for what the order's own code, or a timer, brings about."""
        if options.get("timeout") is not None:
            await super().wait_condition(condition, **options)
        looks = 0
        while not condition():
            self._live_on()
            looks += 1
            # What a replay brings comes at once, and in its order; virtual time stands still while anything is ready.
            await asyncio.sleep(0 if looks < _LOOKS_AT_ONCE else _LOOK_SECONDS)

    def _commit(self, newest: int) -> None:
        # The server takes nothing from a worker that it has given up.
        self._stop_if_fenced()
        super()._commit(newest)

    def _stop_if_fenced(self) -> None:
        if self._gate.fenced:
            raise Died("fenced off")

    async def _work(self, call: Any) -> None:
        if call.name == "timer":
            await asyncio.sleep(call.argument.total_seconds())
        else:
            call.result, call.error = await self._tried(call)
        # The workflow's code belongs to the next worker by now.
        self._stop_if_fenced()
        call.done, call.answered_at = True, self._history.tick()

    async def _tried(self, call: Any) -> tuple[Any, BaseException | None]:
        options = self._options[call.name]
        policy = options["retry_policy"]
        limit = _seconds(options.get("schedule_to_close_timeout"))
        each = _seconds(options.get("start_to_close_timeout"))
        pause, tries = policy.initial_interval.total_seconds(), 0
        longest = (policy.maximum_interval or 100 * policy.initial_interval).total_seconds()
        started = asyncio.get_running_loop().time()
        while True:
            self._stop_if_fenced()
            tries += 1
            left = None if limit is None else limit - (asyncio.get_running_loop().time() - started)
            allowed = min((seconds for seconds in (left, each) if seconds is not None), default=None)
            error: FailureError
            try:
                async with asyncio.timeout(allowed):
                    return await self._activities[call.name](call.argument), None
            except TimeoutError:
                error = _timed_out()
            except FailureError as failure:
                if getattr(failure, "non_retryable", False):
                    return None, failure
                error = failure
            except Exception as failure:
                error = ApplicationError(str(failure), type=type(failure).__name__)
            over = limit is not None and asyncio.get_running_loop().time() + pause - started >= limit
            if tries == policy.maximum_attempts or over:
                return None, error
            await asyncio.sleep(pause)
            pause = min(pause * policy.backoff_coefficient, longest)


class Fate:
    """What befalls the order at the workflow's own steps."""

    def __init__(self, gate: Gate, chance: Random, cancels: float) -> None:
        self._gate = gate
        self._chance = chance
        self._cancels = cancels
        self.canceled = False

    def dies(self, where: str) -> bool:
        """Whether the worker ends here."""
        return self._gate.dies(where)

    def delivers(self, where: str) -> Happening | None:
        """The trader's cancellation, once at most, by either of its ways."""
        if self.canceled or self._chance.random() >= self._cancels:
            return None
        self.canceled = True
        return self._chance.choice((Happening.CANCEL, Happening.CANCEL_UPDATE))


def live(seed: int, number: int, engine: Engine | None = None) -> Life:
    """Live life `number` of the seed: the same one each time, whatever ran before."""
    with _stand_ins():
        return clock.run(_live(Random(f"{seed}:{number}"), number, engine or Engine()))


async def _live(chance: Random, number: int, engine: Engine) -> Life:
    loop = asyncio.get_running_loop()
    nodes = 1 if chance.random() < _ONE_NODE else _SEVERAL_NODES
    weather = draw(chance, nodes)
    chain = SimulatedChain(loop.time, chance, weather)
    addresses = [f"http://node-{n}.test" for n in range(nodes)]
    real = {
        address: Node(chain, each, chance, loop.time) for address, each in zip(addresses, weather.nodes, strict=True)
    }
    store = MemoryStore()
    terms = order_terms(
        order_id=new_order_id(number, chance.randbytes(10)), max_attempts=chance.choice((1, 2, 3, 3, 3, 6))
    )
    deaths, history, lost, canceled = Deaths(chance.choice((0, 1, 3, 8, 20))), History(), 0, False
    result: OrderResult | None = None
    gates: list[Gate] = []
    async with _deadline(weather.lasts + _STUCK_AFTER) as deadline:
        while result is None:
            gate = Gate(chance, weather, deaths)
            gates.append(gate)
            # Every worker has its own connections.
            Session.nodes = {address: GatedNode(node, gate) for address, node in real.items()}
            worker = SimulatedWorker(store, addresses, gate, chance, weather, engine.make_tracker, engine.make_swap)
            fate = Fate(gate, chance, 0.0 if canceled else weather.cancels)
            result = await _until_death(LiveRuntime(history, worker, gate, fate), gate, terms)
            canceled = canceled or fate.canceled
            if result is None and chance.random() < weather.history_lost:
                # Temporal's state is gone: the order is started anew with nothing but the log.
                history, lost = History(), lost + 1
    seconds = loop.time()
    await asyncio.sleep(_AFTERMATH)
    for gate in gates:
        gate.end()
    chain.slot()
    life = Life(
        number=number,
        status=result.status if result else None,
        landed=len(chain.landed()),
        attempts=len(chain.sent),
        deaths=deaths.where,
        lost_histories=lost,
        canceled=canceled,
        vanished=chain.vanished,
        seconds=seconds,
    )
    life.faults = ["stuck"] if result is None or deadline.expired() else list(faults(terms, store, chain, result))
    return life


class _deadline:  # noqa: N801 (reads as the function that it stands for)
    """`asyncio.timeout` that ends the block and not the life."""

    def __init__(self, seconds: float) -> None:
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> asyncio.Timeout:
        return await self._timeout.__aenter__()

    async def __aexit__(self, *failure: Any) -> bool:
        with suppress(TimeoutError):
            return bool(await self._timeout.__aexit__(*failure))
        return True


async def _until_death(runtime: LiveRuntime, gate: Gate, terms: OrderTerms) -> OrderResult | None:
    """What the order came to, or None when the worker died first."""
    with _as_workflow(runtime):
        work = asyncio.ensure_future(runtime.run(terms))
        # Nobody asks the dead how they ended.
        work.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        await asyncio.wait({work, gate.died}, return_when=asyncio.FIRST_COMPLETED)
    if work.done() and not gate.fenced:
        try:
            return work.result()
        except Died:
            gate.kill()
    await asyncio.sleep(_NOTICED_AFTER)
    return None


@contextmanager
def _as_workflow(runtime: LiveRuntime) -> Iterator[None]:
    """The runtime in the place of `temporalio.workflow`, in every module of the workflow's code."""
    with pytest.MonkeyPatch.context() as patch:
        # Copied in one step: a thread of another test may import meanwhile.
        for name, module in sys.modules.copy().items():
            if name.startswith("workflows.") and getattr(module, "workflow", None) is workflow:
                patch.setattr(module, "workflow", runtime)
        yield


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Connections that lead into the simulation, and no log: ten thousand lives have much to complain about."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aiohttp, "ClientSession", Session)
        patch.setattr(aiohttp, "TCPConnector", lambda **_: None)
        # Replaced by the engine at once; to make it reads every root certificate of the machine.
        patch.setattr(async_http_provider, "AsyncHTTPProvider", lambda *_, **__: None)
        try:
            yield
        finally:
            logging.disable(disabled)


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _timed_out() -> ActivityError:
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
