"""`order-engine bench`: measure the running stack."""

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.failure import CommandError
from deploy.cli.output import print_table
from deploy.cli.running import adopt_running_stack
from deploy.cli.settings import load

if TYPE_CHECKING:
    from deploy.bench.orders import Addresses
    from deploy.local.state import StackState

app = typer.Typer(help="Measure; figures are ratios of one run, the machine is never quiet.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure; figures are ratios of one run, the machine is never quiet."""


@app.command("orders")
def orders(
    count: Annotated[int, typer.Option(min=10, help="Orders of the throughput run.")] = 400,
    in_flight: Annotated[int, typer.Option(min=1, help="Orders at a time.")] = 50,
    rate: Annotated[float, typer.Option(min=0.1, help="Orders per second of the latency run.")] = 5,
) -> None:
    """Throughput of whole orders against empty workflows, latency, engine overhead, CPU by process."""
    from deploy.bench.orders import report, run

    stack, addresses = _running_stack()
    try:
        result = asyncio.run(run(stack, addresses, count, in_flight, rate))
    except ConnectionError as error:
        raise CommandError(str(error)) from error
    for line in report(result, in_flight, rate):
        print(line)


@app.command("streams")
def streams(
    clients: Annotated[int, typer.Option(min=1, help="WebSocket clients.")] = 2_000,
    count: Annotated[int, typer.Option(min=1, help="Orders of each of the two runs.")] = 10,
    rate: Annotated[float, typer.Option(min=0.05, help="Orders per second.")] = 0.5,
) -> None:
    """Delivery to many clients on one API process; kills Redis and the API meanwhile and counts what is missed."""
    from deploy.bench.streams import report, run

    stack, addresses = _running_stack()
    streamed = asyncio.run(run(stack, addresses, clients, count, rate))
    for line in report(streamed):
        print(line)
    if streamed.missing or streamed.doubled or streamed.disordered:
        raise CommandError("streams were not complete")


@app.command("waiting")
def waiting(
    count: Annotated[int, typer.Option(min=1, help="Open orders far from the price.")] = 10_000,
    crossing: Annotated[int, typer.Option(min=2, help="Orders whose price is reached at once.")] = 100,
) -> None:
    """Idle CPU and memory of open limit orders, and the time from a crossing to `routing`."""
    from deploy.bench.waiting import Result, report, run

    def tell(result: Result) -> None:
        for line in report(result):
            print(line, flush=True)

    stack, addresses = _running_stack()
    try:
        asyncio.run(run(stack, addresses, count, crossing, tell))
    except ConnectionError as error:
        raise CommandError(str(error)) from error


def _running_stack() -> "tuple[StackState, Addresses]":
    from deploy.bench.orders import Addresses
    from deploy.local import state
    from deploy.local.settings import StackSettings

    stack = state.read(load(StackSettings).data_dir)
    if not adopt_running_stack() or stack is None:
        raise CommandError("no stack runs here: start one with `order-engine up`")
    addresses = Addresses(
        api=os.environ["ORDER_ENGINE_API_URL"],
        redis=os.environ["ORDER_ENGINE_REDIS_URL"],
        rpc=os.environ["ORDER_ENGINE_SOLANA_RPC_URL"],
    )
    return stack, addresses


@app.command("quotes")
def quotes() -> None:
    """Microseconds per quote by pool kind and crossings; needs no running stack."""
    from deploy.bench.quotes import run

    rows = [
        (
            timing.kind,
            str(timing.crossings),
            f"{timing.decode_and_quote:.1f}",
            f"{timing.quote:.1f}",
            "" if timing.curve is None else f"{timing.curve:.2f}",
        )
        for timing in run()
    ]
    print_table(rows, ("kind", "crossings", "decode + quote (µs)", "quote (µs)", "on a curve (µs)"))


@app.command("page")
def page(
    count: Annotated[int, typer.Option(min=100, max=4_000, help="Orders in the table.")] = 2_000,
    rate: Annotated[int, typer.Option(min=20, help="Events per second.")] = 50,
    seconds: Annotated[int, typer.Option(min=12, help="How long to look.")] = 60,
    minutes: Annotated[int | None, typer.Option(min=1, help="How long to look, in place of seconds.")] = None,
) -> None:
    """Frames and memory of the web page over a busy table, in a headless Chromium; needs no running stack."""
    try:
        from deploy.bench.page import NoBrowser, progress, report, run
    except ImportError as error:
        raise CommandError(f"needs the packages of development: {error}") from error
    try:
        seconds = minutes * 60 if minutes is not None else seconds
        seen = asyncio.run(run(count, rate, seconds, lambda stretch: print(progress(stretch), flush=True)))
    except NoBrowser as error:
        raise CommandError(str(error)) from error
    for line in report(seen, seconds):
        print(line)
