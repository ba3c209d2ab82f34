"""`order-engine status`: what runs on this machine."""

import json
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.failure import CommandError
from deploy.cli.halt import trading
from deploy.cli.output import print_table
from deploy.cli.settings import load


def status(
    data_dir: Annotated[Path | None, typer.Option(help="Of the stack.  [default: .order-engine]")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list of name, pid, address and metrics.")
    ] = False,
) -> None:
    """Show what runs, with pids, addresses and metrics, and whether trading is halted."""
    from deploy.local import state
    from deploy.local.settings import StackSettings

    directory = load(StackSettings, data_dir=data_dir).data_dir
    processes = state.running(directory)
    if not processes:
        raise CommandError(f"nothing runs on {directory}")
    if as_json:
        print(
            json.dumps(
                [{"name": p.name, "pid": p.pid, "address": p.address, "metrics": p.metrics or None} for p in processes],
                indent=2,
            )
        )
        return
    print_table([(p.name, str(p.pid), p.address, p.metrics) for p in processes], ("name", "pid", "address", "metrics"))
    stack = state.read(directory)
    if stack is not None and (url := stack.environment.get("ORDER_ENGINE_DATABASE_URL")):
        print(f"trading {trading(url)}")
