"""Start units in the order of their needs, keep the services alive, stop them the other way round."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.process import Child
from deploy.local.state import ProcessRecord
from deploy.local.units import Command, External, Job, Service, Unit

# Between two looks at a starting server; each look is one short request.
_HEALTH_INTERVAL = 0.05
# A server may accept a connection and never answer.
_HEALTH_TIMEOUT = 5.0
_FIRST_BACKOFF = 0.2
_LONGEST_BACKOFF = 10.0
# A service that served this long starts again with the first back-off.
_STEADY = 30.0


class Supervisor:
    """Runs the units of one stack.

    `announce` gets each line for people; `changed` is called whenever the set of processes has changed.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        *,
        logs: Path,
        start_timeout: float,
        announce: Callable[[str], None],
        changed: Callable[[], None],
    ):
        self._units = units
        self._logs = logs
        self._start_timeout = start_timeout
        self._announce = announce
        self._changed = changed
        self._up = {unit.name: asyncio.Event() for unit in units}
        self._children: dict[str, Child] = {}

    def processes(self) -> list[ProcessRecord]:
        """The services that run at this moment, in the order of the units."""
        return [
            self._children[unit.name].record()
            for unit in self._units
            if isinstance(unit, Service) and unit.name in self._children
        ]

    async def start(self) -> None:
        """Return once every unit is up; each starts as soon as those it needs are.

        Raises StackError for the first unit that fails. What runs then is left to `stop`.
        """
        await _together([self._start(unit) for unit in self._units])

    async def keep(self) -> None:
        """Restart every service that ends, until cancelled. To be called after `start`."""
        await _together([self._keep(unit) for unit in self._units if isinstance(unit, Service)])

    async def stop(self) -> None:
        """End every child, each after all that need it. `start` and `keep` must have ended."""
        gone = {unit.name: asyncio.Event() for unit in self._units}

        async def stop(unit: Unit) -> None:
            for other in self._units:
                if unit.name in other.needs:
                    await gone[other.name].wait()
            await self._remove(unit)
            gone[unit.name].set()

        await _together([stop(unit) for unit in self._units])

    def kill(self) -> None:
        """Make a running `stop` short: end every child by force."""
        for child in self._children.values():
            child.kill()

    async def _start(self, unit: Unit) -> None:
        await self._needs_up(unit)
        begin = time.monotonic()
        match unit:
            case Service():
                await self._start_service(unit)
            case Job():
                await self._run_job(unit)
            case External():
                await self._wait_healthy(unit, unit.healthy)
        self._up[unit.name].set()
        self._announce(f"{unit.name:<10} {unit.address or 'done':<28} {time.monotonic() - begin:5.1f} s")

    async def _needs_up(self, unit: Unit) -> None:
        for need in unit.needs:
            await self._up[need].wait()

    async def _run_job(self, job: Job) -> None:
        child = await self._spawn(job)
        if await child.wait() != 0:
            raise StackError(f"{job.name} {child.ending()}")
        await self._remove(job)

    async def _start_service(self, service: Service) -> None:
        if service.prepare is not None:
            try:
                await service.prepare()
            except OSError as error:
                raise StackError(f"{service.name} cannot be prepared: {error}") from error
        child = await self._spawn(service)
        await self._wait_healthy(service, lambda: service.healthy(child.pid), child)

    async def _spawn(self, unit: Command) -> Child:
        child = await Child.start(unit, self._logs / f"{unit.name}.log")
        self._children[unit.name] = child
        self._changed()
        return child

    async def _remove(self, unit: Unit) -> None:
        """End the unit's child if it still runs, and whatever it left behind."""
        child = self._children.get(unit.name)
        if child is not None:
            await child.stop()
            del self._children[unit.name]
            self._changed()

    async def _wait_healthy(
        self, unit: Unit, healthy: Callable[[], Awaitable[None]], child: Child | None = None
    ) -> None:
        """Raises StackError when the child ends, or the start timeout passes, first."""
        deadline = time.monotonic() + self._start_timeout
        while True:
            failure = await _failure(healthy)
            if child is not None and child.exit_code is not None:
                raise StackError(f"{unit.name} {child.ending()}")
            if failure is None:
                return
            if time.monotonic() > deadline:
                log = "" if child is None else f" (log: {child.log})"
                raise StackError(f"{unit.name} is not healthy after {self._start_timeout:g} s: {failure}{log}")
            await asyncio.sleep(_HEALTH_INTERVAL)

    async def _keep(self, service: Service) -> None:
        failures = 0
        while True:
            since = time.monotonic()
            child = self._children[service.name]
            await child.wait()
            self._up[service.name].clear()
            if time.monotonic() - since > _STEADY:
                failures = 0
            problem: str | None = f"{service.name} {child.ending()}"
            while problem is not None:
                backoff = backoff_after(failures)
                self._announce(f"{problem}; starting it again in {backoff:g} s")
                await self._remove(service)
                await asyncio.sleep(backoff)
                await self._needs_up(service)
                problem = await self._try_again(service)
                failures += 1
            self._up[service.name].set()
            self._announce(f"{service.name:<10} {service.address:<28} is back")

    async def _try_again(self, service: Service) -> str | None:
        """Why the service did not start, None when it did."""
        try:
            await self._start_service(service)
        except StackError as error:
            return str(error)
        return None


def backoff_after(failures: int) -> float:
    """Seconds to wait before the next start of a service that failed this many times before: more and more."""
    # Beyond ten doublings the limit holds anyhow, and a service may fail for days.
    return min(_FIRST_BACKOFF * 2.0 ** min(failures, 10), _LONGEST_BACKOFF)


async def _failure(healthy: Callable[[], Awaitable[None]]) -> str | None:
    """What a health check says against a server, None when nothing. Any exception is an answer."""
    try:
        async with asyncio.timeout(_HEALTH_TIMEOUT):
            await healthy()
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None


async def _together(coroutines: Sequence[Coroutine[None, None, None]]) -> None:
    """Run all; the first failure ends the others and is raised by itself."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in coroutines:
                group.create_task(coroutine)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
