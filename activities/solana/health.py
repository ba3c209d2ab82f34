"""How well an endpoint does: a score to choose by, and a circuit breaker. Pure: time and chance come from outside.

All times are seconds of one monotonic clock, which the caller reads.
"""

from dataclasses import dataclass
from random import Random

from activities.solana.observer import Circuit

# Failures in a row that open the circuit.
TRIP_AFTER = 3

# Weight of a new latency in the running mean.
_LATENCY_WEIGHT = 0.2

# What an endpoint that has not answered yet is taken for: those that did come first.
_UNKNOWN_LATENCY = 0.5

# After so long a failure or a lag counts half: nobody is judged by what was long ago.
_HALF_LIFE = 10.0

# What one recent failure, and one slot behind the best, cost beside a second of latency.
_COST_OF_FAILURE = 1.0
_COST_OF_SLOT = 0.1

# A slot more or less is the time between two questions, no lag.
_TOLERATED_SLOTS = 2

# The longest rest that a Retry-After is granted; a wrong date must not silence an endpoint for a day.
_LONGEST_REST = 60.0

# Before half of its pause is over no endpoint is asked again, so that a pause stays one.
_LEAST_JITTER = 0.5


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double from `first` to `longest` seconds, each shortened by chance to between half and all of it."""

    first: float
    longest: float

    def pause(self, failures: int, random: Random) -> float:
        """The pause after so many failures in a row, at least one."""
        # Beyond 2**32 the longest has been reached whatever the first is, and a float overflows at last.
        whole = min(self.longest, self.first * 2.0 ** min(failures - 1, 32))
        return whole * random.uniform(_LEAST_JITTER, 1.0)


# Short, because a node that comes back is needed at once; a probe costs one small request.
PAUSES = Backoff(first=0.1, longest=2.0)


class Health:
    """One endpoint's record. Every call that was begun is reported once: succeeded, failed or rested."""

    def __init__(self, random: Random, pauses: Backoff = PAUSES) -> None:
        self._random = random
        self._pauses = pauses
        self._latency = 0.0
        self._failures = 0.0
        self._failures_at = 0.0
        self._lag = 0
        self._lag_at = 0.0
        self._in_a_row = 0
        self._open_until: float | None = None
        self._rests_until = 0.0
        self._rests_in_a_row = 0
        self._probing = False
        self.heard_at: float | None = None

    def circuit(self, now: float) -> Circuit:
        """Whether the endpoint may be asked now."""
        if now < self._rests_until:
            return Circuit.RESTING
        if self._open_until is None:
            return Circuit.CLOSED
        return Circuit.OPEN if now < self._open_until else Circuit.HALF_OPEN

    def usable(self, now: float) -> bool:
        """Whether it is to be asked like any other."""
        return self.circuit(now) is Circuit.CLOSED

    def rests_until(self) -> float:
        """When the rest that it asked for ends; in the past when there is none."""
        return self._rests_until

    def take_probe(self, now: float, silence: float | None = None) -> bool:
        """Whether the caller may send the one probe of a half-open circuit; it then reports how that went.

        With `silence`, also an endpoint that has not been heard of for so many seconds.
        """
        circuit = self.circuit(now)
        silent = silence is not None and (self.heard_at is None or now - self.heard_at > silence)
        if self._probing or not (circuit is Circuit.HALF_OPEN or (circuit is Circuit.CLOSED and silent)):
            return False
        self._probing = True
        return True

    def succeeded(self, now: float, seconds: float) -> None:
        """It answered within so many seconds."""
        first = self.heard_at is None
        self._latency += (seconds - self._latency) * (1.0 if first else _LATENCY_WEIGHT)
        self.heard_at = now
        self._in_a_row = 0
        self._rests_in_a_row = 0
        self._open_until = None
        self._probing = False

    def failed(self, now: float) -> None:
        """It did not answer, or not usably."""
        self._failures = self._failures_now(now) + 1
        self._failures_at = now
        self._probing = False
        # What was under way when the circuit opened is no news.
        if self.circuit(now) is Circuit.OPEN:
            return
        self._in_a_row += 1
        if self._in_a_row >= TRIP_AFTER:
            self._open_until = now + self._pauses.pause(self._in_a_row - TRIP_AFTER + 1, self._random)

    def rested(self, now: float, retry_after: float | None) -> None:
        """It asked to be left alone, for so many seconds if it said how long."""
        # Requests that were refused together are one refusal.
        if self.circuit(now) is not Circuit.RESTING:
            self._rests_in_a_row += 1
        pause = self._pauses.pause(self._rests_in_a_row, self._random)
        if retry_after is not None:
            pause = min(max(retry_after, pause), _LONGEST_REST)
        self._rests_until = max(self._rests_until, now + pause)
        self._probing = False

    def behind(self, now: float, slots: int) -> None:
        """It is so many slots behind the best that was seen."""
        self._lag, self._lag_at = max(0, slots), now

    def latency(self) -> float | None:
        """The running mean of its answers' times, None before the first one."""
        return None if self.heard_at is None else self._latency

    def slots_behind(self, now: float) -> int:
        """How many slots behind it was, which counts for less the longer ago that was."""
        return int(self._lag * _decay(now - self._lag_at))

    def cost(self, now: float) -> float:
        """What asking it costs, in seconds, latency with penalties; the cheapest is asked first."""
        lag = max(0, self.slots_behind(now) - _TOLERATED_SLOTS)
        latency = _UNKNOWN_LATENCY if self.heard_at is None else self._latency
        return latency + _COST_OF_FAILURE * self._failures_now(now) + _COST_OF_SLOT * lag

    def _failures_now(self, now: float) -> float:
        return self._failures * _decay(now - self._failures_at)


def _decay(age: float) -> float:
    return float(0.5 ** (max(0.0, age) / _HALF_LIFE))
