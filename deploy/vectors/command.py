"""`order-engine verify-vectors`: check vector files, print every difference and a verdict per file."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from deploy.vectors.adapter import Adapter
from deploy.vectors.adapters import adapter_named, adapter_of
from deploy.vectors.check import check_case, check_instruction_case
from deploy.vectors.files import BadVectorFile, Case, InstructionCase, Scenario, VectorFile, read_file, read_neighbours


@dataclass(slots=True)
class Verdict:
    """The result for one file: cases that count, those of them that were exact, and the rest by reason."""

    counted: int = 0
    exact: int = 0
    differences: list[str] = field(default_factory=list)
    not_counted: Counter[str] = field(default_factory=Counter)

    @property
    def passed(self) -> bool:
        """Whether there was something to check and all that counts is exact."""
        return self.exact == self.counted and self.counted + self.not_counted.total() > 0

    def add(self, case: str, differences: Sequence[str]) -> None:
        """Count a case with what differs in it, each difference brought to one line."""
        self.counted += 1
        self.exact += not differences
        self.differences += [" ".join(f"{case}: {difference}".split()) for difference in differences]


def verify(paths: Sequence[Path], out: TextIO | None = None) -> int:
    """Check the files; 0 when every case that counts is exact, 1 when not, 2 when a file is no vector file.

    Writes to `out` (standard output by default) one line per difference, then per file a line for the
    cases that do not count, by reason, and last `<file>: N of M exact`.
    """
    out = out or sys.stdout
    status = 0
    files: list[VectorFile] = []
    for path in paths:
        try:
            files.append(read_file(path))
        except BadVectorFile as error:
            out.write(f"{error}\n")
            status = 2
    for file in files:
        verdict = verify_file(file, files)
        for difference in verdict.differences:
            out.write(f"{file.path}: {difference}\n")
        if verdict.not_counted:
            reasons = "; ".join(f"{count} {reason}" for reason, count in sorted(verdict.not_counted.items()))
            out.write(f"{file.path}: {verdict.not_counted.total()} not counted ({reasons})\n")
        out.write(f"{file.path}: {verdict.exact} of {verdict.counted} exact\n")
        status = max(status, 0 if verdict.passed else 1)
    return status


def verify_file(file: VectorFile, others: Sequence[VectorFile] = ()) -> Verdict:
    """Check one file; an instruction file finds its scenarios in `others`, then beside itself, then above."""
    verdict = Verdict()
    if file.scenarios:
        _verify_swaps(file, verdict)
    else:
        _verify_instructions(file, others, verdict)
    return verdict


def _verify_swaps(file: VectorFile, verdict: Verdict) -> None:
    adapter = adapter_of(file)
    if adapter is None:
        verdict.counted += sum(len(scenario.cases) for scenario in file.scenarios)
        verdict.differences.append(f"no pool kind for the set {file.set_name}")
        return
    for scenario in file.scenarios:
        for case in scenario.cases:
            if (reason := adapter.not_counted(scenario, case)) is not None:
                verdict.not_counted[reason] += 1
            else:
                verdict.add(f"{scenario.id}: {case}", _guarded(adapter, scenario, case))


def _guarded(adapter: Adapter, scenario: Scenario, case: Case | InstructionCase) -> list[str]:
    """Check one case; an exception that is no refusal is a difference like any other, not the end."""
    try:
        if isinstance(case, InstructionCase):
            return check_instruction_case(adapter, scenario, case)
        return check_case(adapter, scenario, case)
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def _verify_instructions(file: VectorFile, others: Sequence[VectorFile], verdict: Verdict) -> None:
    scenarios: dict[tuple[str, str], Scenario] = {}
    for found in _swap_files(file, others):
        adapter = adapter_of(found)
        if adapter is not None:
            for scenario in found.scenarios:
                scenarios.setdefault((adapter.set_name, scenario.id), scenario)
    for recorded in file.instruction_cases:
        name = f"{recorded.program} {recorded.scenario}: {recorded.case}"
        adapter = adapter_named(recorded.program)
        wanted = scenarios.get((recorded.program, recorded.scenario))
        if adapter is None:
            verdict.add(name, [f"no pool kind for the set {recorded.program}"])
        elif wanted is None:
            verdict.add(name, ["no such scenario in the vector files nearby"])
        else:
            verdict.add(name, _guarded(adapter, wanted, recorded))


def _swap_files(file: VectorFile, others: Sequence[VectorFile]) -> Iterator[VectorFile]:
    """The files that may hold the scenarios of an instruction file, the most specific first."""
    folder = file.path.resolve().parent
    near = [other for other in others if other.path.resolve().parent == folder]
    yield from near
    yield from read_neighbours(file.path)
    yield from others
