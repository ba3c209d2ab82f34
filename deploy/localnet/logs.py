"""Program logs: taken apart by instruction, and written for instructions that were emulated."""

import re
from collections.abc import Sequence
from functools import partial

from solders.pubkey import Pubkey

_INVOKE = re.compile(r"^(Program \S+ invoke \[)(\d+)\]$")
_CONSUMED = re.compile(r"^(Program \S+ consumed )(\d+)( of )(\d+)( compute units)$")


def by_instruction(logs: Sequence[str], silent: Sequence[bool]) -> list[list[str]]:
    """The log lines of each instruction that ran; `silent` marks instructions that log nothing."""
    groups: list[list[str]] = []
    for line in logs:
        if line.endswith(" invoke [1]") and _INVOKE.match(line):
            while len(groups) < len(silent) and silent[len(groups)]:
                groups.append([])
            groups.append([])
        if groups:
            groups[-1].append(line)
    return groups


def units_of(group: Sequence[str]) -> int | None:
    """The compute units that an instruction's own log reports, None where it reports none."""
    # The instruction's own line is the last of its kind: those of nested calls come before.
    for line in reversed(group):
        if " consumed " in line and (match := _CONSUMED.match(line)) is not None:
            return int(match[2])
    return None


def nested(group: Sequence[str]) -> list[str]:
    """The same log one call deeper."""
    return [_INVOKE.sub(_deeper, line) if " invoke [" in line else line for line in group]


def _deeper(match: re.Match[str]) -> str:
    return f"{match[1]}{int(match[2]) + 1}]"


def with_less_left(group: Sequence[str], units: int) -> list[str]:
    """The same log with `units` fewer compute units left."""
    if not units:
        return list(group)
    return [_CONSUMED.sub(partial(_less_left, units), line) if " consumed " in line else line for line in group]


def _less_left(units: int, match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{match[3]}{int(match[4]) - units}{match[5]}"


def invocation(program: Pubkey, inner: Sequence[str], used: int, left: int, failure: str | None) -> list[str]:
    """The log of a top-level call of `program` around the lines `inner`."""
    return [
        f"Program {program} invoke [1]",
        *inner,
        f"Program {program} consumed {used} of {left} compute units",
        f"Program {program} success" if failure is None else f"Program {program} failed: {failure}",
    ]
