"""What befalls one life of an order, drawn from its seed: how the network, the nodes and the machines behave."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class NodeWeather:
    """How one RPC node behaves while the weather lasts; chances per request.

    `lag` is in slots. `forgets` is the chance that it denies a recent signature, `pruned` that it has holes in its
    history: it then searches it in vain, always. `up` holds the share of time that it answers at all.
    """

    lag: int = 0
    refuses: float = 0.0
    hangs: float = 0.0
    forgets: float = 0.0
    pruned: bool = False
    away: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Weather:
    """Chances of one life. After `lasts` seconds everything works, so that whatever can end has to."""

    nodes: tuple[NodeWeather, ...]
    lasts: float
    drops: float
    delays: float
    longest_delay: int
    doubles: float
    reverts: float
    skips: float
    forks: float
    quotes_fail: float
    worker_dies: float
    worker_lingers: float
    history_lost: float
    database_away: tuple[tuple[float, float], ...]
    database_breaks: float
    cancels: float


def draw(chance: Random, nodes: int) -> Weather:
    """A life's weather: calm in most respects, wild in some, so that faults meet each other in every combination."""

    def often(share: float, low: float, high: float) -> float:
        return chance.uniform(low, high) if chance.random() < share else 0.0

    lasts = chance.choice((60.0, 200.0, 600.0))
    # With one node nobody can tell its gaps from the truth; with several at least one has the whole ledger.
    gaps = chance.randrange(nodes) if nodes > 1 and chance.random() < 0.3 else None
    return Weather(
        nodes=tuple(
            NodeWeather(
                lag=chance.choice((0, 0, 0, 1, 3, 10, 40, 200)) if chance.random() < 0.5 else 0,
                refuses=often(0.2, 0.05, 0.7),
                hangs=often(0.15, 0.02, 0.4),
                forgets=often(0.25, 0.05, 0.9),
                pruned=number == gaps,
                away=_windows(chance, lasts, 0.25),
            )
            for number in range(nodes)
        ),
        lasts=lasts,
        drops=chance.choice((0.0, 0.3, 0.8, 1.0, 1.0)),
        delays=often(0.4, 0.1, 1.0),
        longest_delay=chance.choice((3, 20, 160, 400)),
        doubles=often(0.2, 0.1, 1.0),
        reverts=often(0.3, 0.2, 0.9),
        skips=chance.choice((0.0, 0.05, 0.4)),
        forks=often(0.4, 0.05, 0.6),
        quotes_fail=often(0.2, 0.1, 0.8),
        worker_dies=often(0.7, 0.005, 0.06),
        worker_lingers=often(0.3, 0.2, 1.0),
        history_lost=often(0.2, 0.1, 0.8),
        database_away=_windows(chance, lasts, 0.25),
        database_breaks=often(0.2, 0.05, 0.4),
        cancels=often(0.15, 0.02, 0.3),
    )


def _windows(chance: Random, lasts: float, share: float) -> tuple[tuple[float, float], ...]:
    if chance.random() >= share:
        return ()
    starts = [chance.uniform(0, lasts * 0.7) for _ in range(chance.randint(1, 3))]
    return tuple((start, start + chance.uniform(1, 40)) for start in starts)


def within(moment: float, windows: tuple[tuple[float, float], ...]) -> bool:
    """Whether the moment lies in one of the windows."""
    return any(start <= moment < end for start, end in windows)
