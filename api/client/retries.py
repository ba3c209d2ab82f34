"""Asking again: after how long, and until when. What is asked again must be safe to be done twice."""

import random
import time
from collections.abc import Callable

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0


class Patience:
    """Pauses that grow, with chance in them so that many clients do not come back all at once."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = clock() + seconds
        self._pause = _FIRST_PAUSE_SECONDS

    def pause(self, least_seconds: int | None = None) -> float | None:
        """Seconds to wait before the next try, or None when the patience would be over by then."""
        pause = max(self._pause * random.uniform(0.5, 1), least_seconds or 0)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
        return pause if self._clock() + pause < self._ends else None
