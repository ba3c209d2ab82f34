"""One child process: how it is started, what it logged last, how it is stopped."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from deploy.local.errors import StackError
from deploy.local.identity import Identity
from deploy.local.state import ProcessRecord, birth, kill_group
from deploy.local.units import Command

_LAUNCHER = str(Path(__file__).with_name("launch.py"))
# A log of an earlier run that is larger than this is set aside when its service starts.
_LOG_LIMIT = 16 * 1024 * 1024
# How much of a log is searched for the reason of an end.
_LAST_WORDS = 64 * 1024
_ERROR_LINE = re.compile(r"FATAL|PANIC|[Ee]rror|ERROR")


def command_as(
    command: Sequence[str], identity: Identity | None, death_signal: signal.Signals = signal.SIGKILL
) -> list[str]:
    """The command line that runs `command` as `identity` and never longer than this process lives.

    `death_signal` is what the program receives when this process ends without stopping it.
    """
    spec: dict[str, int] = {"parent": os.getpid(), "death_signal": death_signal}
    if identity is not None:
        spec |= {"uid": identity.uid, "gid": identity.gid}
        if identity.capability is not None:
            spec["capability"] = identity.capability
    return [sys.executable, "-I", "-S", _LAUNCHER, json.dumps(spec), *command]


class Child:
    """A running process of the stack, in a session and process group of its own, writing to its log file.

    A terminal's Ctrl-C therefore reaches only the supervisor, which stops its children in order.
    """

    def __init__(self, unit: Command, process: asyncio.subprocess.Process, log: Path, log_start: int):
        self.log = log
        self._unit = unit
        self._process = process
        self._log_start = log_start
        self._born = birth(process.pid)

    @classmethod
    async def start(cls, unit: Command, log: Path) -> "Child":
        """Raises StackError when the program or the log file cannot be opened."""
        try:
            with _open_log(log) as output:
                start = output.tell()
                process = await asyncio.create_subprocess_exec(
                    *command_as(unit.command, unit.identity, unit.stop_signal),
                    # Another user may be unable to stay in this directory.
                    cwd=None if unit.identity is None else "/",
                    env=unit.environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
                return cls(unit, process, log, start)
        except OSError as error:
            raise StackError(f"{unit.name} cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.returncode

    async def wait(self) -> int:
        return await self._process.wait()

    def record(self) -> ProcessRecord:
        return ProcessRecord(
            name=self._unit.name,
            pid=self.pid,
            address=self._unit.address,
            metrics=self._unit.metrics,
            stop_signal=self._unit.stop_signal,
            born=self._born or "never seen alive",
        )

    async def stop(self) -> None:
        """End the process and everything it started, by force when its patience is over."""
        if self.exit_code is None:
            self._process.send_signal(self._unit.stop_signal)
            try:
                await asyncio.wait_for(self._process.wait(), self._unit.stop_patience)
            except TimeoutError:
                kill_group(self.pid)
                await self._process.wait()
        kill_group(self.pid)

    def kill(self) -> None:
        kill_group(self.pid)

    def ending(self) -> str:
        """How it ended and what it said last, in one line."""
        code = self.exit_code
        how = f"exited with code {code}" if code is None or code >= 0 else f"killed by {signal.Signals(-code).name}"
        line = self._last_line()
        return f"{how}: {line} (log: {self.log})" if line else f"{how} (log: {self.log})"

    def _last_line(self) -> str:
        """The last line that reads like an error, or else the last one, of what was logged since the start."""
        with self.log.open("rb") as file:
            file.seek(max(self._log_start, file.seek(0, os.SEEK_END) - _LAST_WORDS))
            text = file.read().decode(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if _ERROR_LINE.search(line)]
        return (errors or lines or [""])[-1][:300]


def _open_log(path: Path) -> BinaryIO:
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    path.touch(mode=0o600)
    return path.open("ab")
