"""What breaks when: drawn from a seed, so that a run that found something can be repeated."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Any

from activities.crash_points import CrashPoint

WORKERS = ("worker-1", "worker-2")

# Everything that runs. Valkey keeps nothing, so a killed one comes back empty.
SERVICES = (*WORKERS, "api", "temporal", "postgres", "redis", "localnet")

# Faults of the node, as localnet_setFaults takes them. Slots are 40 ms here: a blockhash lives for six seconds.
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "drop", "probability": 0.5},
    {"kind": "delay", "probability": 0.6, "slots": 30},
    {"kind": "delay", "probability": 0.3, "slots": 120},
    {"kind": "revert", "probability": 0.3},
    {"kind": "unhealthy", "probability": 0.3},
    {"kind": "rate_limit", "probability": 0.4},
    {"kind": "timeout", "probability": 0.05, "seconds": 3.0},
    {"kind": "timeout", "probability": 0.5, "seconds": 12.0, "methods": ["sendTransaction"], "times": 3},
)


class Action(StrEnum):
    """How something is broken."""

    KILL = "kill"
    FREEZE = "freeze"
    FAULTS = "faults"


@dataclass(frozen=True, slots=True)
class Strike:
    """One blow, `after` seconds after the one before; freezes and faults last for `seconds`."""

    after: float
    action: Action
    targets: tuple[str, ...] = ()
    faults: tuple[dict[str, Any], ...] = ()
    seconds: float = 0.0

    def __str__(self) -> str:
        what = "+".join(self.targets or (fault["kind"] for fault in self.faults))
        return f"{self.action} {what}" + (f" for {self.seconds:.1f} s" if self.seconds else "")


@dataclass(frozen=True, slots=True)
class Profile:
    """How hard a run is: orders, how many at a time, crash points that are met, and the blows.

    `blows` at most, None for blows until all orders are posted; `pause` seconds between two, least and most.
    """

    orders: int
    at_a_time: int
    crash_points: int
    pause: tuple[float, float]
    blows: int | None = None


# The seed of the default test run: the same blows each time, so that a red build can be looked into.
SEED = 20_260_304

SHORT = Profile(orders=80, at_a_time=16, crash_points=3, pause=(0.5, 1.5), blows=8)
LONG = Profile(orders=1_000, at_a_time=24, crash_points=len(CrashPoint), pause=(2.0, 6.0))


def strikes(draw: random.Random, profile: Profile) -> Iterator[Strike]:
    """The profile's blows. Every service is hit once before one of them is hit again."""
    waiting: list[str] = []

    def victim() -> str:
        if not waiting:
            waiting.extend(draw.sample(SERVICES, len(SERVICES)))
        return waiting.pop()

    for _ in count() if profile.blows is None else range(profile.blows):
        after = draw.uniform(*profile.pause)
        roll = draw.random()
        if roll < 0.4:
            yield Strike(after, Action.KILL, (victim(),))
        elif roll < 0.55:
            yield Strike(after, Action.KILL, tuple(draw.sample(SERVICES, 2)))
        elif roll < 0.7:
            yield Strike(after, Action.FREEZE, (victim(),), seconds=draw.uniform(0.5, 4.0))
        else:
            faults = tuple(draw.sample(FAULTS, draw.choice((1, 1, 2))))
            yield Strike(after, Action.FAULTS, faults=faults, seconds=draw.uniform(1.0, 4.0))


def crash_points(draw: random.Random, profile: Profile) -> str:
    """The setting for the workers: points of which each kills one of them once, somewhere in the run."""
    points: Sequence[CrashPoint] = draw.sample(list(CrashPoint), profile.crash_points)
    # Not at its first passing, which for all points together would be within the first order's life.
    chance = min(1.0, 6 / profile.orders)
    return ",".join(f"{point}:{chance:g}:1" for point in points)
