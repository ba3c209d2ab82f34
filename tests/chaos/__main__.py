"""`python -m tests.chaos --seeds 1 2 3`: long runs, a stack of their own for each seed, and a table at the end."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.chaos.outages import OUTAGES, outage
from tests.chaos.recovery import measure
from tests.chaos.run import Report, run, start
from tests.chaos.schedule import LONG, SHORT, WORKERS, Profile
from tests.chaos.traffic import Clients
from tests.e2e.stack import Stack

_PARTS = ("outages", "recovery", "seeds")

# How long PostgreSQL stays away.
_OUTAGE_SECONDS = 10.0

# Between two measurements: the workers are back and poll.
_STEADY_SECONDS = 8.0


def main() -> int:
    """Run every seed; 1 when a promise was not kept in any of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--orders", type=int, help="How many orders for each seed.")
    parser.add_argument("--short", action="store_true", help="The short runs of the tests, without the outages.")
    parser.add_argument("--only", choices=_PARTS, action="append", help="Of these parts only; may be repeated.")
    parser.add_argument("--keep", type=Path, help="Keep data and logs of the stacks in this directory.")
    given = parser.parse_args()
    parts = given.only or (_PARTS[-1:] if given.short else _PARTS)
    profile = SHORT if given.short else LONG
    profile = replace(profile, orders=given.orders or profile.orders)
    reports = []
    with tempfile.TemporaryDirectory(prefix="order-engine-chaos-") as temporary:
        # The embedded PostgreSQL may run as another user, who has to pass through.
        Path(temporary).chmod(0o755)
        folder = (given.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        if "outages" in parts:
            reports += _outages(folder / "outages")
        if "recovery" in parts:
            _recovery(folder / "recovery")
        if "seeds" in parts:
            reports += [_seed(folder / f"seed-{seed}", seed, profile) for seed in given.seeds]
    _table(reports)
    failed = [report.name for report in reports if not report.passed]
    if failed:
        _say(f"\nNOT KEPT: {', '.join(failed)}. The same seed and number of orders draw the same blows again.")
    return 1 if failed else 0


def _seed(data_dir: Path, seed: int, profile: Profile) -> Report:
    stack = start(data_dir, seed, profile)
    return _reported(stack, lambda clients, say: run(stack, clients, seed, profile, say), f"seed {seed}")


def _outages(data_dir: Path) -> list[Report]:
    """Each outage on a stack of its own, so that one report tells of one outage."""
    reports = []
    for number, name in enumerate(OUTAGES):
        stack = Stack.start(data_dir.with_name(f"{data_dir.name}-{number}"), "--workers", "2")
        reports.append(_reported(stack, partial(_outage, stack, name), name))
    return reports


def _recovery(data_dir: Path) -> None:
    """The figures of a killed worker among two, and of all workers killed at once."""
    stack = Stack.start(data_dir, "--workers", "2")
    try:
        for killed in (WORKERS[:1], WORKERS):
            _say(f"{' and '.join(killed)}: {asyncio.run(measure(stack, Clients(stack), killed))}")
            # A worker that comes back steadily is restarted without back-off.
            time.sleep(_STEADY_SECONDS)
    finally:
        stack.stop()


async def _outage(stack: Stack, name: str, clients: Clients, _: Callable[[str], None]) -> Report:
    return await outage(stack, clients, name, _OUTAGE_SECONDS)


def _reported(
    stack: Stack, work: Callable[[Clients, Callable[[str], None]], Coroutine[None, None, Report]], name: str
) -> Report:
    begun = time.monotonic()

    def say(line: str) -> None:
        _say(f"  {name}  {time.monotonic() - begun:6.1f} s  {line}")

    try:
        report = asyncio.run(work(Clients(stack), say))
    finally:
        stack.stop()
    _say(str(report))
    if report.stories:
        _say(report.stories)
    return report


def _table(reports: Sequence[Report]) -> None:
    _say(f"\n{'':<24}  orders  terminal  landed  duplicated  missing  drift  crash points  blows  seconds")
    for report in reports:
        figures = report.figures
        _say(
            f"{report.name:<24}  {figures.orders:>6}  {figures.terminal:>8}  {figures.landed:>6}  "
            f"{figures.duplicated:>10}  {figures.missing:>7}  {figures.drift:>5}  {report.crashes:>12}  "
            f"{report.strikes.total():>5}  {report.seconds:>7.0f}" + ("" if report.passed else "  NOT KEPT")
        )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
