"""The supervisor starts units in the order of their needs, keeps services alive, and leaves nothing behind."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.local.errors import StackError
from deploy.local.supervisor import Supervisor, backoff_after
from deploy.local.units import External, Job, Service, Unit

# Runs the code of the test, then tells that it serves, and goes on until it is stopped.
_PROGRAM = """
import os, pathlib, signal, sys, time
{code}
pathlib.Path({marker!r}).write_text(str(os.getpid()))
time.sleep(600)
"""


class Stack:
    """The units of a test and what their supervisor says about them."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.lines: list[str] = []
        self.units: list[Unit] = []
        self.start_timeout = 10.0
        self._news = asyncio.Event()

    def service(self, name: str, *needs: str, code: str = "", stop_patience: float = 5.0) -> Service:
        """Add a service that is healthy once it has run `code`."""
        marker = self.directory / f"{name}.ready"

        async def healthy(pid: int) -> None:
            assert marker.read_text() == str(pid)

        unit = Service(
            name=name,
            needs=needs,
            command=(sys.executable, "-c", _PROGRAM.format(code=code, marker=str(marker))),
            environment=os.environ,
            healthy=healthy,
            stop_patience=stop_patience,
        )
        self.units.append(unit)
        return unit

    def job(self, name: str, *needs: str, code: str) -> None:
        command = (sys.executable, "-c", code)
        self.units.append(Job(name=name, needs=needs, command=command, environment=os.environ))

    def supervisor(self) -> Supervisor:
        return Supervisor(
            self.units,
            logs=self.directory,
            start_timeout=self.start_timeout,
            announce=self._announce,
            changed=lambda: None,
        )

    def _announce(self, line: str) -> None:
        self.lines.append(line)
        self._news.set()

    async def said(self, text: str, times: int = 1) -> None:
        """Wait until the text stands in that many lines."""
        while sum(text in line for line in self.lines) < times:
            self._news.clear()
            await self._news.wait()

    def order(self) -> list[str]:
        return [line.split()[0] for line in self.lines]


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


def pids(supervisor: Supervisor) -> dict[str, int]:
    return {process.name: process.pid for process in supervisor.processes()}


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_unit_starts_after_those_it_needs(stack: Stack) -> None:
    record = f"open({str(stack.directory / 'ran')!r}, 'a').write('x')"
    stack.service("api", "setup")
    stack.job("setup", "database", "relay", code=record)
    stack.service("relay")
    stack.service("database", code="time.sleep(0.2)")
    supervisor = stack.supervisor()
    try:
        await supervisor.start()
        assert stack.order() == ["relay", "database", "setup", "api"]
        assert (stack.directory / "ran").read_text() == "x"
        assert set(pids(supervisor)) == {"api", "relay", "database"}
    finally:
        await supervisor.stop()


async def test_stop_ends_the_processes_in_reverse_order(stack: Stack) -> None:
    ended = stack.directory / "ended"
    for name, needs in (("first", ()), ("second", ("first",)), ("third", ("second",))):
        code = f"signal.signal(signal.SIGTERM, lambda *_: (open({str(ended)!r}, 'a').write('{name} '), sys.exit()))"
        stack.service(name, *needs, code=code)
    supervisor = stack.supervisor()
    await supervisor.start()
    started = pids(supervisor)
    await supervisor.stop()
    assert ended.read_text() == "third second first "
    assert supervisor.processes() == []
    assert not any(alive(pid) for pid in started.values())


async def test_a_process_that_ignores_the_signal_is_killed_with_its_children(stack: Stack) -> None:
    code = "signal.signal(signal.SIGTERM, signal.SIG_IGN); pid = os.fork(); pid or time.sleep(600)"
    stack.service("stubborn", code=code, stop_patience=0.1)
    supervisor = stack.supervisor()
    await supervisor.start()
    (child,) = (psutil.Process(pid).children()[0] for pid in pids(supervisor).values())
    await supervisor.stop()
    assert psutil.wait_procs([child], timeout=5)[1] == []


async def test_a_job_that_fails_ends_the_start_with_its_last_words(stack: Stack) -> None:
    stack.service("database")
    stack.job("migrate", "database", code="raise SystemExit('no such revision')")
    stack.service("api", "migrate")
    supervisor = stack.supervisor()
    with pytest.raises(StackError, match=r"^migrate exited with code 1: no such revision \(log: .*migrate.log\)$"):
        await supervisor.start()
    assert not (stack.directory / "api.ready").exists()
    await supervisor.stop()
    assert supervisor.processes() == []


async def test_a_service_that_dies_at_its_start_ends_the_start(stack: Stack) -> None:
    stack.service("redis", code="print('warm up'); print('FATAL: bad configuration'); print('bye'); sys.exit(3)")
    supervisor = stack.supervisor()
    with pytest.raises(StackError, match=r"^redis exited with code 3: FATAL: bad configuration "):
        await supervisor.start()
    await supervisor.stop()


async def test_a_service_that_never_serves_ends_the_start(stack: Stack) -> None:
    stack.service("redis", code="time.sleep(600)")
    stack.start_timeout = 0.2
    supervisor = stack.supervisor()
    with pytest.raises(StackError, match=r"^redis is not healthy after 0.2 s: FileNotFoundError: "):
        await supervisor.start()
    await supervisor.stop()


async def test_a_program_that_is_missing_ends_the_start(stack: Stack) -> None:
    stack.units = [replace(stack.service("redis"), command=("/nonexistent/valkey",))]
    supervisor = stack.supervisor()
    with pytest.raises(StackError, match=r"^redis exited with code 1: FileNotFoundError: .*"):
        await supervisor.start()
    await supervisor.stop()


async def test_an_external_server_is_checked_and_not_started(stack: Stack) -> None:
    asked: list[None] = []

    async def answers_at_the_second_time() -> None:
        asked.append(None)
        if len(asked) == 1:
            raise ConnectionError("refused")

    stack.units.append(External(name="database", address="external", healthy=answers_at_the_second_time))
    stack.service("api", "database")
    supervisor = stack.supervisor()
    try:
        await supervisor.start()
        assert len(asked) == 2
        assert set(pids(supervisor)) == {"api"}
    finally:
        await supervisor.stop()


async def test_an_external_server_out_of_reach_ends_the_start(stack: Stack) -> None:
    async def refuses() -> None:
        raise ConnectionError("refused")

    stack.units.append(External(name="database", address="external", healthy=refuses))
    stack.start_timeout = 0.1
    with pytest.raises(StackError, match=r"^database is not healthy after 0.1 s: ConnectionError: refused$"):
        await stack.supervisor().start()


class TestRestart:
    async def test_a_killed_service_is_started_again_and_the_others_stay(self, stack: Stack) -> None:
        stack.service("database")
        stack.service("api", "database")
        async with running(stack) as supervisor:
            before = pids(supervisor)
            os.kill(before["database"], signal.SIGKILL)
            await stack.said("database killed by SIGKILL")
            await stack.said("is back")
            after = pids(supervisor)
            assert after["database"] != before["database"]
            assert after["api"] == before["api"]

    async def test_it_waits_for_what_it_needs(self, stack: Stack) -> None:
        """Both die; the database needs a while, and the API starts only after it."""
        stack.service("database", code="time.sleep(0.3)")
        stack.service("api", "database")
        async with running(stack) as supervisor:
            for pid in pids(supervisor).values():
                os.kill(pid, signal.SIGKILL)
            await stack.said("is back", times=2)
            assert [line.split()[0] for line in stack.lines if "is back" in line] == ["database", "api"]

    async def test_one_that_keeps_dying_is_given_more_and_more_time(self, stack: Stack) -> None:
        first = stack.directory / "first"
        fail = f"pathlib.Path({str(first)!r}).exists() and sys.exit('broken'); pathlib.Path({str(first)!r}).touch()"
        stack.service("worker", code=fail)
        async with running(stack) as supervisor:
            os.kill(pids(supervisor)["worker"], signal.SIGKILL)
            await stack.said("worker exited with code 1: broken")
            await stack.said("starting it again in 0.8 s")
            first.unlink()
            await stack.said("is back")
        waits = [line.rpartition(" in ")[2] for line in stack.lines if "starting it again" in line]
        assert waits == ["0.2 s", "0.4 s", "0.8 s"]


def test_the_pause_between_starts_grows_to_a_limit() -> None:
    pauses = [backoff_after(failures) for failures in (0, 1, 2, 5, 6, 100_000)]
    assert pauses == [0.2, 0.4, 0.8, 6.4, 10, 10]


async def test_a_service_that_cannot_be_prepared_ends_the_start(stack: Stack) -> None:
    async def prepare() -> None:
        raise PermissionError(13, "Permission denied", "/data/valkey")

    stack.units = [replace(stack.service("redis"), prepare=prepare)]
    with pytest.raises(StackError, match=r"^redis cannot be prepared: .*Permission denied: '/data/valkey'$"):
        await stack.supervisor().start()


def running(stack: Stack) -> "Running":
    return Running(stack.supervisor())


class Running:
    """A started supervisor that restarts what ends, until the block is left."""

    def __init__(self, supervisor: Supervisor):
        self._supervisor = supervisor

    async def __aenter__(self) -> Supervisor:
        await self._supervisor.start()
        self._keeping = asyncio.create_task(self._supervisor.keep())
        return self._supervisor

    async def __aexit__(self, *_: Any) -> None:
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        await self._supervisor.stop()
