"""`python -m tests.chaos --seeds 1 2 3`: long runs, a stack of their own for each seed, and a table at the end."""

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.chaos.run import Report, run, start
from tests.chaos.schedule import LONG
from tests.chaos.traffic import Clients


def main() -> int:
    """Run every seed; 1 when a promise was not kept in any of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--orders", type=int, default=LONG.orders)
    parser.add_argument("--keep", type=Path, help="Keep data and logs of the stacks in this directory.")
    given = parser.parse_args()
    reports = []
    for seed in given.seeds:
        with tempfile.TemporaryDirectory(prefix="order-engine-chaos-") as temporary:
            # The embedded PostgreSQL may run as another user, who has to pass through.
            Path(temporary).chmod(0o755)
            folder = (given.keep or Path(temporary)).absolute()
            reports.append(_one(folder / f"seed-{seed}", seed, given.orders))
    _say("\nseed     orders  terminal  landed  duplicated  missing  drift  crashes  strikes  seconds")
    for report in reports:
        figures = report.figures
        _say(
            f"{report.seed:<8} {figures.orders:>6}  {figures.terminal:>8}  {figures.landed:>6}  "
            f"{figures.duplicated:>10}  {figures.missing:>7}  {figures.drift:>5}  {report.crashes:>7}  "
            f"{report.strikes.total():>7}  {report.seconds:>7.0f}" + ("" if report.passed else "  FAILED")
        )
    failed = [str(report.seed) for report in reports if not report.passed]
    if failed:
        _say(f'\nrepeat with: make chaos SEEDS="{" ".join(failed)}"')
    return 1 if failed else 0


def _one(data_dir: Path, seed: int, orders: int) -> Report:
    profile = replace(LONG, orders=orders)
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    stack = start(data_dir, seed, profile)
    begun = time.monotonic()

    def say(line: str) -> None:
        _say(f"  seed {seed}  {time.monotonic() - begun:6.1f} s  {line}")

    try:
        report = asyncio.run(run(stack, Clients(stack), seed, profile, say))
    finally:
        stack.stop()
    _say(str(report))
    if report.stories:
        _say(report.stories)
    return report


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
