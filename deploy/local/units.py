"""What a stack is made of: servers it runs, jobs it does once, and servers that somebody else runs."""

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from deploy.local.identity import Identity


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Something that is running or done before what needs it may start.

    `address` is what people see; `needs` names other units of the same stack.
    """

    name: str
    address: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Command(Unit):
    """A child process. After `stop_signal` it has `stop_patience` seconds before it is killed.

    `metrics` is where it serves them, empty where it does not.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    metrics: str = ""
    identity: Identity | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_patience: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Service(Command):
    """A child process that runs until the stack stops.

    `prepare` runs before each start and leaves alone what it did before. `healthy` gets the pid, and raises any
    ordinary exception while the process does not serve.
    """

    healthy: Callable[[int], Awaitable[None]]
    prepare: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, kw_only=True)
class Job(Command):
    """A child process that has to end with exit code 0, once in each start of the stack."""


@dataclass(frozen=True, kw_only=True)
class External(Unit):
    """A server that somebody else runs: its health is checked before anything that needs it starts."""

    healthy: Callable[[], Awaitable[None]]
