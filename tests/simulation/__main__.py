"""Simulated lives of an order: `python -m tests.simulation --lives 10000 --seed 1`."""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.life import Life, live
from tests.simulation.lives import counted

# Findings shown in full; one is enough to begin with.
_SHOWN = 10


def main() -> int:
    """Run the lives and print their figures; 1 when one of them went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--lives", type=int, default=10_000, help="how many (default 10000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same lives (default 1)")
    parser.add_argument("--life", type=int, help="only this one of the seed")
    parser.add_argument("--processes", type=int, default=1, help="side by side (default 1)")
    given = parser.parse_args()
    started = time.perf_counter()
    numbers = range(given.lives) if given.life is None else range(given.life, given.life + 1)
    figures = counted(_lives(given.seed, numbers, given.processes))
    sys.stdout.write(f"seed={given.seed} {figures} seconds={time.perf_counter() - started:.0f}\n")
    for life in figures.wrong[:_SHOWN]:
        sys.stderr.write(f"life {life.number}: {'; '.join(life.faults)}\n")
    return 1 if figures.wrong else 0


def _lives(seed: int, numbers: range, processes: int) -> Iterator[Life]:
    if processes == 1:
        yield from map(partial(live, seed), numbers)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(partial(live, seed), numbers, chunksize=50)


if __name__ == "__main__":
    sys.exit(main())
