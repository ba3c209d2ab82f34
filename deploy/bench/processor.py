"""CPU time and memory of the stack's processes, by name."""

import contextlib
from collections import defaultdict
from collections.abc import Mapping

import psutil

from deploy.local.state import StackState


def cpu_seconds(stack: StackState) -> dict[str, float]:
    """CPU seconds that each service has used since its start, its children included."""
    used: defaultdict[str, float] = defaultdict(float)
    for record in stack.processes:
        try:
            process = psutil.Process(record.pid)
            family = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for member in family:
            try:
                times = member.cpu_times()
            except psutil.NoSuchProcess:
                continue
            # A child that has ended still counts for its parent, PostgreSQL's sessions for instance.
            used[record.name] += times.user + times.system + (times.children_user + times.children_system)
    return used


def per_order_ms(before: Mapping[str, float], after: Mapping[str, float], orders: int) -> dict[str, float]:
    """CPU milliseconds per order by service, largest first."""
    spent = {name: (after[name] - before.get(name, 0.0)) * 1_000 / orders for name in after}
    return dict(sorted(spent.items(), key=lambda entry: -entry[1]))


def resident_bytes(stack: StackState) -> dict[str, int]:
    """Memory that each service holds, its children included; what they share is divided among them."""
    held: defaultdict[str, int] = defaultdict(int)
    for record in stack.processes:
        try:
            process = psutil.Process(record.pid)
            family = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                held[record.name] += member.memory_full_info().pss
    return held
