"""`order-engine doctor`: every setting, and a check of everything the engine needs, with what to do."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.failure import CommandError
from deploy.cli.output import print_table
from deploy.cli.running import adopt_running_stack
from deploy.cli.settings import load

if TYPE_CHECKING:
    from deploy.doctor.finding import Finding

Rows = Sequence[tuple[str, str, str]]


def doctor(
    only_servers: Annotated[bool, typer.Option("--servers", help="Leave out the list of settings.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print settings and checks as JSON.")] = False,
) -> None:
    """List all settings and check everything the engine needs.

    Each check says ok, warning or failure, and how to mend it. Fails when a check does.
    """
    from deploy.doctor.examination import examine
    from deploy.doctor.finding import Verdict
    from deploy.doctor.settings import settings_classes, settings_rows
    from deploy.local.settings import StackSettings

    # Before the addresses of a running stack are taken over, which would look like servers set by the user.
    own = list(settings_rows(StackSettings))
    runs = adopt_running_stack()
    settings: dict[str, Rows] = {}
    if not only_servers:
        settings = {"up": own, **{name: list(settings_rows(kind)) for name, kind in settings_classes().items()}}
    if not as_json:
        _print_settings(runs, settings)
    findings = asyncio.run(examine(load(StackSettings)))
    if as_json:
        _print_json(runs, settings, findings)
    else:
        print("\nchecks")
        print_table([(each.verdict, each.check, _line(each)) for each in findings])
    failed = dict.fromkeys(each.check for each in findings if each.verdict is Verdict.FAILURE)
    if failed:
        raise CommandError(f"not fit to trade: {', '.join(failed)}")


def _print_settings(runs: bool, settings: Mapping[str, Rows]) -> None:
    print("a stack runs in the data directory" if runs else "no stack runs in the data directory")
    for process, rows in settings.items():
        print(f"\n{process}")
        print_table(rows)


def _print_json(runs: bool, settings: Mapping[str, Rows], findings: Sequence["Finding"]) -> None:
    checks = [
        {"check": each.check, "verdict": each.verdict, "says": each.says, "mend": each.mend or None}
        for each in findings
    ]
    listed = {process: {variable: value for variable, value, _ in rows} for process, rows in settings.items()}
    print(json.dumps({"stackRuns": runs, "settings": listed, "checks": checks}, indent=2))


def _line(finding: "Finding") -> str:
    return f"{finding.says} -> {finding.mend}" if finding.mend else finding.says
