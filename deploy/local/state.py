"""The state file of a running stack: which processes belong to it, and how to reach them.

Written by `up` at every change, read by `status`, by the next `up` (to end what a killed one left behind) and by
commands that talk to the running stack. It holds passwords, hence mode 0600.
"""

import os
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

FILE_NAME = "state.json"


class ProcessRecord(BaseModel):
    """A process and what tells it from a later one with the same pid."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    address: str
    metrics: str = ""
    stop_signal: int
    born: str

    def alive(self) -> bool:
        return birth(self.pid) == self.born


class StackState(BaseModel):
    """Everything known about a stack. `environment` is what a command needs in order to work with it."""

    model_config = ConfigDict(frozen=True)

    supervisor: ProcessRecord
    ready: bool
    environment: Mapping[str, str]
    processes: tuple[ProcessRecord, ...]


def birth(pid: int) -> str | None:
    """An identity of the running process `pid` that no other process of this machine will ever have, None if dead.

    On Linux the boot and the start time in clock ticks since that boot: unlike wall time it never moves when the
    clock is set. A zombie counts as dead.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if not psutil.LINUX:
            return f"{process.create_time():.2f}"
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # proc(5): the command name is in parentheses and may itself hold some; field 22 is the start time.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (psutil.Error, OSError):
        return None
    return f"{boot}/{fields[19]}"


def write(data_dir: Path, state: StackState) -> None:
    """Replace the state file in one step, so that no reader ever sees half of it."""
    handle, temporary = tempfile.mkstemp(prefix=f".{FILE_NAME}.", dir=data_dir)
    with os.fdopen(handle, "w") as file:
        file.write(state.model_dump_json(indent=2))
    Path(temporary).replace(data_dir / FILE_NAME)


def read(data_dir: Path) -> StackState | None:
    """The last written state, or None when there is none or it cannot be read as one."""
    try:
        return StackState.model_validate_json((data_dir / FILE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None


def remove(data_dir: Path) -> None:
    """Forget the stack of the data directory; nothing happens where none is recorded."""
    (data_dir / FILE_NAME).unlink(missing_ok=True)
    for leftover in data_dir.glob(f".{FILE_NAME}.*"):
        leftover.unlink(missing_ok=True)


def running(data_dir: Path) -> list[ProcessRecord]:
    """The live processes of the stack in this directory, in the order they were started; empty when none runs."""
    state = read(data_dir)
    return [] if state is None else [process for process in state.processes if process.alive()]


def end_leftovers(data_dir: Path, patience: float = 10.0) -> list[str]:
    """End what a killed `up` left running in this directory; the caller holds the directory's lock.

    Each process gets its stop signal and, after `patience` seconds, SIGKILL, its process group with it.
    Returns the names of the services that were still there.
    """
    leftovers = running(data_dir)
    processes = []
    for leftover in leftovers:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(leftover.pid)
            process.send_signal(leftover.stop_signal)
            processes.append(process)
    psutil.wait_procs(processes, timeout=patience)
    for leftover in leftovers:
        kill_group(leftover.pid)
    psutil.wait_procs(processes, timeout=patience)
    remove(data_dir)
    return [leftover.name for leftover in leftovers]


def kill_group(pid: int) -> None:
    """Kill a child of the stack and all it started: every child leads a process group of its own."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
