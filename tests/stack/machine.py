"""`order-engine` as a user runs it: a process of its own, with a data directory and ports of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.servers import free_ports

PORTS = ("api", "temporal", "temporal_ui", "postgres", "redis", "localnet")


class Machine:
    """One data directory and one set of ports, and the commands that a user runs on them."""

    def __init__(self, data_dir: Path, wrap: Callable[[Sequence[str]], Sequence[str]] = lambda command: command):
        self.data_dir = data_dir
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("ORDER_ENGINE_", "TEMPORAL_"))
        }
        self.environment |= {f"ORDER_ENGINE_{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        self.environment |= {"ORDER_ENGINE_DATA_DIR": str(data_dir), "ORDER_ENGINE_LOCALNET_SLOT_MS": "50"}
        self._wrap = wrap

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return list(self._wrap([sys.executable, "-m", "deploy.cli.main", *arguments]))

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self._command(arguments),
            capture_output=True,
            text=True,
            cwd=self.data_dir.parent,
            env=self.environment | environment,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """What a command prints with --json; it has to succeed."""
        result = self.run(*arguments, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    @contextlib.contextmanager
    def up(self, *arguments: str) -> Iterator["Up"]:
        """`order-engine up` once it is ready; killed at the end unless it was stopped."""
        process = subprocess.Popen(
            self._command(["up", *arguments]),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.data_dir.parent,
            env=self.environment,
        )
        with process:
            running = Up(process)
            try:
                running.wait_for("  Solana RPC")
                yield running
            finally:
                process.kill()


class Up:
    """A running `order-engine up` and what it has printed."""

    def __init__(self, process: subprocess.Popen[str]):
        self.process = process
        self.lines: list[str] = []

    def wait_for(self, text: str) -> str:
        """Read lines until one holds the text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return line
        assert self.process.stderr is not None
        raise AssertionError(f"up ended before it said {text!r}: {self.process.stderr.read()}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code after this signal."""
        self.process.send_signal(number)
        return self.process.wait()

    def family(self) -> list[psutil.Process]:
        """Every process below it at this moment."""
        return psutil.Process(self.process.pid).children(recursive=True)


def survivors(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those still running after a while; what only waits to be reaped by the machine's init is gone."""

    def runs(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    for process in processes:
        with contextlib.suppress(psutil.TimeoutExpired):
            if runs(process):
                process.wait(timeout=10)
    return [process for process in processes if runs(process)]


def pids(status: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Pid by name, from what `status --json` prints."""
    return {each["name"]: each["pid"] for each in status}
