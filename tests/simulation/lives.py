"""Many lives, and their figures."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.simulation.life import Life
from workflows.domain.lifecycle import Status


@dataclass
class Figures:
    """What many lives came to."""

    lives: int = 0
    landed: int = 0
    statuses: Counter[Status] = field(default_factory=Counter)
    attempts: int = 0
    most_attempts: int = 0
    deaths: int = 0
    places: Counter[str] = field(default_factory=Counter)
    lost_histories: int = 0
    cancellations: int = 0
    forks: int = 0
    virtual_seconds: float = 0.0
    duplicated: int = 0
    stuck: int = 0
    wrong: list[Life] = field(default_factory=list)

    def add(self, life: Life) -> None:
        """Count one more."""
        self.lives += 1
        self.landed += life.landed
        if life.status is not None:
            self.statuses[life.status] += 1
        self.attempts += life.attempts
        self.most_attempts = max(self.most_attempts, life.attempts)
        self.deaths += len(life.deaths)
        self.places.update(life.deaths)
        self.lost_histories += life.lost_histories
        self.cancellations += life.canceled
        self.forks += life.vanished
        self.virtual_seconds += life.seconds
        self.duplicated += life.landed > 1
        self.stuck += life.status is None
        if life.faults:
            self.wrong.append(life)

    def __str__(self) -> str:
        statuses = " ".join(f"{status}={count}" for status, count in sorted(self.statuses.items()))
        return (
            f"lives={self.lives} landed={self.landed} {statuses} attempts={self.attempts}"
            f" most_attempts={self.most_attempts} worker_deaths={self.deaths} crash_points={len(self.places)}"
            f" lost_histories={self.lost_histories} cancellations={self.cancellations} forked_away={self.forks}"
            f" virtual_days={self.virtual_seconds / 86_400:.1f}"
            f" duplicated={self.duplicated} stuck={self.stuck} wrong={len(self.wrong)}"
        )


def counted(lives: Iterable[Life]) -> Figures:
    """The figures of these lives."""
    figures = Figures()
    for life in lives:
        figures.add(life)
    return figures
