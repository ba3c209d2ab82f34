"""`order-engine localnet-faults`: what goes wrong on a running localnet."""

import json
from typing import Annotated, Any

import typer

from deploy.cli.failure import CommandError

_DEFAULT_URL = "http://127.0.0.1:8899"
_TIMEOUT = 15.0

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Set, list and clear the faults of a running localnet, and make forks and price moves.",
)
Url = Annotated[
    str,
    typer.Option("--url", help="Address of the node; add /node/NAME for another node."),
]


@app.command("set")
def set_faults(
    fault: Annotated[list[str], typer.Argument(help="Faults, each as kind=drop,probability=0.1,…")],
    url: Url = _DEFAULT_URL,
    seed: Annotated[int | None, typer.Option(help="Start the draws again from this seed.")] = None,
) -> None:
    """Replace the faults of a node.

    Kinds: drop, delay, revert, expire, fork, price_jump (of sent transactions); unhealthy, lag, lie, pruned,
    no_history (of answers); rate_limit, server_error, timeout, hang, disconnect, malformed (of requests).
    Fields: probability, times, methods (joined by +), slots, again, custom_error, bps, pool, seconds,
    retry_after, status, after.
    """
    from deploy.localnet.fault_file import FaultError, parse_fault

    given = []
    try:
        for text in fault:
            name, parsed = parse_fault(text, "")
            if name:
                raise FaultError(f"fault {text!r}: name the node in --url, as …/node/{name}")
            given.append(parsed.model_dump(mode="json", exclude_unset=True))
    except FaultError as error:
        raise CommandError(str(error)) from error
    _call(url, "localnet_setFaults", given, seed)


@app.command("clear")
def clear(url: Url = _DEFAULT_URL) -> None:
    """Let nothing go wrong any more on a node."""
    _call(url, "localnet_setFaults", [])


@app.command("list")
def list_faults(url: Url = _DEFAULT_URL) -> None:
    """Print the faults of a node as JSON, with how many calls each was drawn for and how many it hit."""
    print(json.dumps(_call(url, "localnet_faults"), indent=2))


@app.command("fork")
def fork(
    slots: Annotated[int, typer.Argument(help="How many of the newest slots vanish.")],
    url: Url = _DEFAULT_URL,
    again: Annotated[int | None, typer.Option(help="Slots until the transactions land again by themselves.")] = None,
) -> None:
    """Undo the newest slots, and print the signatures that vanished."""
    for signature in _call(url, "localnet_fork", slots, again)["signatures"]:
        print(signature)


@app.command("move-price", context_settings={"ignore_unknown_options": True})
def move_price(
    pool: Annotated[str, typer.Argument(help="Address of the pool.")],
    bps: Annotated[int, typer.Argument(help="Change of its price in hundredths of a percent; may be negative.")],
    url: Url = _DEFAULT_URL,
) -> None:
    """Let an outsider trade until a pool's price has changed, and print the signatures of the swaps."""
    for signature in _call(url, "localnet_movePrice", pool, bps):
        print(signature)


def _call(url: str, method: str, *params: Any) -> Any:
    import httpx

    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    try:
        answer = httpx.post(url, json=body, timeout=_TIMEOUT).json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CommandError(f"localnet at {url} does not answer: {error}") from error
    except ValueError as error:
        raise CommandError(f"{url} answers without JSON: is it localnet?") from error
    if "error" in answer:
        raise CommandError(f"{url}: {answer['error']['message']}")
    return answer["result"]
