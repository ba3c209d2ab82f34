"""`order-engine pools`: which pools the engine knows, which of them it quotes, and why not the others."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from deploy.cli.failure import CommandError
from deploy.cli.output import print_table
from deploy.cli.running import adopt_running_stack
from deploy.cli.settings import load

if TYPE_CHECKING:
    from solders.pubkey import Pubkey

    from activities.finding.examine import Problem
    from activities.registry import Refreshed
    from deploy.registry import RegistryClients, RegistrySettings
    from workflows.domain.money import Token
    from workflows.domain.pools import RegisteredPool

Answer = TypeVar("Answer")

app = typer.Typer(help="See and change which pools are traded on.", no_args_is_help=True)

Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="Addresses of pools.", show_default=False)]


@app.command("list")
def list_pools(
    pair: Annotated[str | None, typer.Option(help="Only these pools: two symbols or mints, as SOL/USDC.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are not quoted, with the reason.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the pools that are quoted."""

    async def work(clients: "RegistryClients", _: "RegistrySettings") -> tuple[list["Token"], list["RegisteredPool"]]:
        return await clients.tokens.all(), await clients.pools.all()

    tokens, pools = _run(work)
    if pair is not None:
        wanted = _mints(pair, tokens)
        pools = [pool for pool in pools if {pool.mint_a, pool.mint_b} == wanted]
    shown = [pool for pool in pools if everything or pool.excluded_reason is None]
    symbols = {token.mint: token.symbol for token in tokens}
    if as_json:
        print(json.dumps([_record(pool, symbols) for pool in shown], indent=2))
        return
    if shown:
        print_table([_row(pool, symbols) for pool in shown], ("address", "venue", "kind", "pair", "state", "table"))
    if not pools:
        print("no pools are known: order-engine pools refresh searches for them", file=sys.stderr)
    elif len(shown) < len(pools):
        print(f"{len(pools) - len(shown)} more are not quoted: --all shows them and why", file=sys.stderr)


@app.command("add")
def add(
    addresses: Addresses,
    lookup_table: Annotated[
        str | None, typer.Option(help="Address lookup table that holds the accounts of these pools.")
    ] = None,
) -> None:
    """Add pools by address, removed ones too. What kind of pool each is follows from the chain."""
    from activities.solana.lookup_tables import LookupTables

    keys = [_pubkey(address) for address in addresses]
    table = None if lookup_table is None else _pubkey(lookup_table)

    async def work(clients: "RegistryClients", settings: "RegistrySettings") -> None:
        if table is not None and not await LookupTables(clients.rpc, 0).of([table]):
            raise CommandError(f"{table} is no active address lookup table on this cluster")
        examined = await clients.registry.add(dict.fromkeys(keys, table))
        for pool in examined.pools:
            print(f"{pool.address} {pool.venue} {pool.kind}: {_state(pool)}")
        if examined.problems:
            raise CommandError("; ".join(_advised(problem, settings.token_list) for problem in examined.problems))

    _run(work)


@app.command("remove")
def remove(addresses: Addresses) -> None:
    """Stop quoting pools; no search brings them back, only `pools add` does."""

    async def work(clients: "RegistryClients", _: "RegistrySettings") -> list[str]:
        return await clients.pools.remove(addresses)

    removed = _run(work)
    for address in removed:
        print(f"{address} removed")
    unknown = [address for address in addresses if address not in removed]
    if unknown:
        raise CommandError(f"not in the registry: {', '.join(unknown)}; order-engine pools list --all shows what is")


@app.command("refresh")
def refresh(
    source: Annotated[
        Literal["chain", "file", "api"] | None,
        typer.Option(help="The RPC node, a file, or the HTTP APIs of the venues (mainnet).  [default: chain]"),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="Addresses of pools for --source file, TOML or one per line.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Search for pools and look at every known one again. The same happens in the background all the time."""
    from activities.finding.sources import pool_source

    async def work(clients: "RegistryClients", settings: "RegistrySettings") -> "Refreshed":
        return await clients.registry.refresh(pool_source(settings, clients.rpc))

    report(_run(work, pool_source=source, pool_file=file))


def report(refreshed: "Refreshed") -> None:
    """Print what a search for pools came to: counts per kind, then what went wrong."""
    from activities.refresh import summary

    counts = summary(refreshed)
    rows = []
    for kind in sorted({*counts.quoted, *counts.excluded}):
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.excluded.get(kind, {}).items()))
        rows.append((kind, str(counts.quoted.get(kind, 0)), reasons))
    print_table(rows, ("kind", "quoted", "not quoted"))
    print(f"{sum(counts.quoted.values())} of {len(refreshed.pools)} pools are quoted, {refreshed.new} are new")
    for problem in counts.problems:
        print(f"warning: {problem}", file=sys.stderr)
    if counts.more_problems:
        print(f"warning: and {counts.more_problems} more", file=sys.stderr)


def _run(work: "Callable[[RegistryClients, RegistrySettings], Awaitable[Answer]]", **options: Any) -> Answer:
    from deploy.registry import RegistrySettings, open_registry

    adopt_running_stack()
    settings = load(RegistrySettings, **options)

    async def opened() -> Answer:
        async with open_registry(settings) as clients:
            return await work(clients, settings)

    try:
        return asyncio.run(opened())
    except ConnectionError as error:
        raise CommandError(str(error)) from error


def _pubkey(text: str) -> "Pubkey":
    from solders.pubkey import Pubkey

    try:
        return Pubkey.from_string(text)
    except ValueError:
        raise CommandError(f"{text!r} is not an address") from None


def _mints(pair: str, tokens: "Sequence[Token]") -> set[str]:
    """The mints of a pair as a person writes it."""
    names = pair.split("/")
    if len(names) != 2:
        raise CommandError(f"{pair!r} is no pair: write two tokens, as SOL/USDC")
    by_name = {token.symbol.upper(): token.mint for token in tokens} | {token.mint: token.mint for token in tokens}
    mints = set()
    for name in names:
        mint = by_name.get(name) or by_name.get(name.upper())
        if mint is None:
            known = ", ".join(token.symbol for token in tokens) or "none; order-engine setup loads the token list"
            raise CommandError(f"unknown token {name!r}; known are {known}")
        mints.add(mint)
    return mints


def _state(pool: "RegisteredPool") -> str:
    if pool.excluded_reason is None:
        return "quoted"
    return f"{pool.excluded_reason} ({pool.excluded_detail})" if pool.excluded_detail else pool.excluded_reason


def _named(pool: "RegisteredPool", symbols: Mapping[str, str]) -> str:
    return "/".join(sorted(symbols.get(mint, mint) for mint in (pool.mint_a, pool.mint_b)))


def _row(pool: "RegisteredPool", symbols: Mapping[str, str]) -> tuple[str, ...]:
    return pool.address, pool.venue, pool.kind, _named(pool, symbols), _state(pool), pool.lookup_table or "-"


def _record(pool: "RegisteredPool", symbols: Mapping[str, str]) -> dict[str, str | None]:
    return {
        "address": pool.address,
        "venue": pool.venue,
        "kind": pool.kind,
        "pair": _named(pool, symbols),
        "mintA": pool.mint_a,
        "mintB": pool.mint_b,
        "excludedReason": pool.excluded_reason,
        "excludedDetail": pool.excluded_detail,
        "lookupTable": pool.lookup_table,
    }


def _advised(problem: "Problem", token_list: Path) -> str:
    if problem.unknown_mint is None:
        return str(problem)
    return f"{problem}: add a [tokens.SYMBOL] table with its mint and decimals to {token_list}, run order-engine setup"
