"""The kill switch as one worker sees it: whether trading is halted, looked up often enough to be in force at once."""

import asyncio
import logging
from typing import Protocol

from workflows.domain.risk import Halt

log = logging.getLogger(__name__)


class Halts(Protocol):
    """Where a halt is kept; ConnectionError when that is out of reach."""

    async def in_force(self) -> Halt | None:
        """The halt that is in force."""


class TradingGate:
    """Whether this worker may trade, as of the last look. An outage of the database leaves it as it was.

    It is closed for broadcasts until the first look. That a swap is recorded at all is decided by the database.
    """

    def __init__(self, halts: Halts, poll_seconds: float) -> None:
        self._halts = halts
        self._poll_seconds = poll_seconds
        self._known = False
        self._halt: Halt | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def halt(self) -> Halt | None:
        """The halt that is in force, as far as this worker knows."""
        return self._halt

    def may_broadcast(self) -> bool:
        """Whether bytes may leave this worker now."""
        return self._known and self._halt is None

    def open(self) -> None:
        """Start looking."""
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop looking; what is known stays known."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except ConnectionError as error:
                log.warning("whether trading is halted: %s", error)
            except Exception:
                # Every order of the worker depends on it: one surprising answer must not end it.
                log.exception("whether trading is halted")
            await asyncio.sleep(self._poll_seconds)

    async def look(self) -> None:
        """Ask once; raises ConnectionError."""
        halt = await self._halts.in_force()
        if halt != self._halt:
            log.warning("%s", halt if halt is not None else "trading is resumed")
        self._halt, self._known = halt, True
