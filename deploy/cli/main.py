"""The console command `order-engine`. Each command group is a file of its own.

Exit codes: 0 success, 1 failure with one line on standard error, 2 wrong usage.
"""

import sys

import typer

from deploy.cli import (
    audit,
    bench,
    described,
    doctor,
    halt,
    healthcheck,
    keys,
    localnet_faults,
    order,
    pools,
    processes,
    status,
    up,
    vectors,
)
from deploy.cli.failure import CommandError

app = typer.Typer(
    name="order-engine",
    help="Order execution engine for Solana DEXes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain text: an error is one line, in a terminal as in a log.
    rich_markup_mode=None,
)
app.command("up")(up.up)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("halt")(halt.halt)
app.command("resume")(halt.resume)
app.add_typer(order.app, name="order")
app.add_typer(pools.app, name="pools")
app.add_typer(keys.app, name="keys")
app.add_typer(bench.app, name="bench")
app.command("audit")(audit.audit)
app.command("openapi")(described.openapi)
app.command("postman")(described.postman)
app.command("api")(processes.api)
app.command("worker")(processes.worker)
app.command("localnet")(processes.localnet)
app.add_typer(localnet_faults.app, name="localnet-faults")
app.command("migrate")(processes.migrate)
app.command("setup")(processes.setup)
app.command("healthcheck")(healthcheck.healthcheck)
app.command("verify-vectors")(vectors.verify_vectors)


def main() -> None:
    """Run the command line of this process and exit."""
    try:
        app(prog_name="order-engine")
    except CommandError as error:
        # A driver's message may have several lines; whoever reads a log wants one.
        print("order-engine:", *str(error).split(), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
