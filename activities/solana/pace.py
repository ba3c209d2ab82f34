"""When the next question is due: at a steady pace, earlier when somebody heard that there is news."""

import asyncio
import contextlib
from collections.abc import Callable
from random import Random

from solders.signature import Signature

from activities.solana.health import Backoff

# With notifications the steady pace only makes up for lost ones.
_HINTED_SECONDS = 0.2

# A slot's transactions are confirmed together: their notifications are gathered for so long.
_GATHERING_SECONDS = 0.003

# While nobody answers; the nodes' own pauses come on top.
_FAILING = Backoff(first=0.05, longest=0.25)


class Pace:
    """The clock of the tracker; seconds here decide when it asks, never what it believes."""

    def __init__(self, poll_seconds: float, is_hinted: Callable[[], bool], random: Random) -> None:
        self._poll_seconds = poll_seconds
        self._is_hinted = is_hinted
        self._random = random
        self._news: set[Signature] = set()
        self._news_due = float("inf")
        self._woken = asyncio.Event()
        self._polled_at = 0.0
        self._failures = 0

    def hint(self, signature: Signature) -> None:
        """There is news of the signature."""
        if not self._news:
            self._news_due = asyncio.get_running_loop().time() + _GATHERING_SECONDS
            self._woken.set()
        self._news.add(signature)

    def wake(self) -> None:
        """There is somebody new to ask for: an idle pace ends."""
        self._woken.set()

    def succeeded(self) -> None:
        """The last questions were answered."""
        self._failures = 0

    def failed(self) -> None:
        """They were not: the next ones wait longer."""
        self._failures += 1

    async def next(self, is_idle: Callable[[], bool]) -> frozenset[Signature] | None:
        """Wait; then the signatures to ask for, or None for all. While `is_idle`, the steady pace is slow."""
        loop = asyncio.get_running_loop()
        while True:
            due = self._polled_at + self._pause(is_idle())
            wait = min(due, self._news_due if not self._failures else due) - loop.time()
            if wait <= 0:
                break
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken.wait()
        # Also with nothing to wait for, others have their turn.
        await asyncio.sleep(0)
        now = loop.time()
        news, self._news, self._news_due = frozenset(self._news), set(), float("inf")
        if now < due:
            return news
        self._polled_at = now
        return None

    def _pause(self, is_idle: bool) -> float:
        pause = max(self._poll_seconds, _HINTED_SECONDS) if self._is_hinted() else self._poll_seconds
        if is_idle:
            pause = max(pause, 1.0)
        if self._failures:
            pause = max(pause, _FAILING.pause(self._failures, self._random))
        return pause
