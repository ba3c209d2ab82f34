"""The processes of a running stack as victims: killed, frozen and thawed by name."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

import psutil

from deploy.local import state
from deploy.local.state import ProcessRecord
from tests.e2e.stack import Stack


def record(stack: Stack, name: str) -> ProcessRecord | None:
    """The live process of this name; None while it is being started again."""
    return next((each for each in state.running(stack.data_dir) if each.name == name), None)


def kill(stack: Stack, name: str) -> bool:
    """End the process without a farewell; whether it was there."""
    found = record(stack, name)
    if found is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(found.pid, signal.SIGKILL)
    return True


async def freeze(stack: Stack, name: str, seconds: float) -> bool:
    """Stop the process and all below it for a while, its connections open; whether it was there."""
    found = record(stack, name)
    if found is None:
        return False
    frozen = list(_family(found.pid))
    _signal(frozen, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        _signal(frozen, signal.SIGCONT)
    return True


def _family(pid: int) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        yield from (process, *process.children(recursive=True))


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
