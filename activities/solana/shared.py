"""Answers that many orders can share: one request in flight, its answer good for a short while."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


# Some keys are never asked for again; what has aged is forgotten once there are more than this.
MOST_KEPT = 1_000


class Shared(Generic[Key, Answer]):
    """Runs `fetch` once for all who ask for the same key at the same time, and again when the answer is old.

    `max_age` in seconds counts from the start of the fetch, so an answer is never older than it says. A failed
    fetch fails everyone who waits for it and is not kept.
    """

    def __init__(self, fetch: Callable[[Key], Awaitable[Answer]], max_age: float) -> None:
        self._fetch = fetch
        self._max_age = max_age
        self._running: dict[Key, tuple[float, asyncio.Task[Answer]]] = {}

    async def get(self, key: Key) -> Answer:
        """The shared answer for the key."""
        started, task = self._running.get(key, (0.0, None))
        if task is None or time.monotonic() - started > self._max_age or (task.done() and task.exception()):
            if len(self._running) >= MOST_KEPT:
                self._forget_aged()
            task = asyncio.ensure_future(self._fetch(key))
            self._running[key] = time.monotonic(), task
        # Shielded: one caller that gives up must not take the answer from the others.
        return await asyncio.shield(task)

    def forget(self, key: Key) -> None:
        """Fetch anew at the next question."""
        self._running.pop(key, None)

    def _forget_aged(self) -> None:
        oldest = time.monotonic() - self._max_age
        self._running = {
            key: (started, task)
            for key, (started, task) in self._running.items()
            if started >= oldest or not task.done()
        }
