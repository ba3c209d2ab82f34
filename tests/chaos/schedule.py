"""What breaks when: drawn from a seed, so that a run that found something can be repeated."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count

from activities.crash_points import CrashPoint
from activities.settings import LandedAt
from tests.chaos.weather import Weather, draw_weather

WORKERS = ("worker-1", "worker-2")

# Everything that runs. Valkey keeps nothing, so a killed one comes back empty.
SERVICES = (*WORKERS, "api", "temporal", "postgres", "redis", "localnet")


class Action(StrEnum):
    """How something is broken."""

    KILL = "kill"
    FREEZE = "freeze"
    WEATHER = "weather"


@dataclass(frozen=True, slots=True)
class Strike:
    """One blow, `after` seconds after the one before; freezes and weather last for `seconds`."""

    after: float
    action: Action
    targets: tuple[str, ...] = ()
    weather: Weather | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        what = str(self.weather) if self.weather else "+".join(self.targets)
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


def strikes(draw: random.Random, profile: Profile, landed: LandedAt) -> Iterator[Strike]:
    """The profile's blows. Every service is hit once before one of them is hit again."""
    waiting: list[str] = []

    def victim() -> str:
        if not waiting:
            waiting.extend(draw.sample(SERVICES, len(SERVICES)))
        return waiting.pop()

    for _ in count() if profile.blows is None else range(profile.blows):
        after = draw.uniform(*profile.pause)
        roll = draw.random()
        if roll < 0.3:
            yield Strike(after, Action.KILL, (victim(),))
        elif roll < 0.42:
            yield Strike(after, Action.KILL, tuple(draw.sample(SERVICES, 2)))
        elif roll < 0.54:
            yield Strike(after, Action.FREEZE, (victim(),), seconds=draw.uniform(0.5, 4.0))
        else:
            weather = draw_weather(draw, landed)
            yield Strike(after, Action.WEATHER, weather=weather, seconds=draw.uniform(1.0, 4.0))


def crash_points(draw: random.Random, profile: Profile) -> str:
    """The setting for the workers: points of which each kills one of them once, somewhere in the run."""
    points: Sequence[CrashPoint] = draw.sample(list(CrashPoint), profile.crash_points)
    # Not at its first passing, which for all points together would be within the first order's life.
    chance = min(1.0, 6 / profile.orders)
    return ",".join(f"{point}:{chance:g}:1" for point in points)
