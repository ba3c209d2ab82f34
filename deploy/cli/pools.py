"""`order-engine pools`: what the engine may trade on."""

import asyncio
import json
from typing import Annotated

import typer

from deploy.cli.failure import CommandError
from deploy.cli.output import print_table
from deploy.cli.running import adopt_running_stack
from deploy.cli.settings import load

app = typer.Typer(help="See and renew the registry of pools.", no_args_is_help=True)


@app.command("list")
def list_pools(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List every known pool, and why one is not traded on."""
    from db.database import Database
    from db.registry import PoolRepository, TokenRepository
    from db.settings import DatabaseSettings

    adopt_running_stack()
    settings = load(DatabaseSettings)

    async def read() -> list[dict[str, str]]:
        database = Database(settings)
        try:
            symbols = {token.mint: token.symbol for token in await TokenRepository(database).all()}
            return [
                {
                    "address": pool.address,
                    "venue": pool.venue,
                    "kind": pool.kind,
                    "pair": "/".join(symbols.get(mint, mint) for mint in (pool.mint_a, pool.mint_b)),
                    "excluded": " ".join(filter(None, (pool.excluded_reason, pool.excluded_detail))),
                }
                for pool in await PoolRepository(database).all()
            ]
        finally:
            await database.close()

    try:
        pools = asyncio.run(read())
    except ConnectionError as error:
        raise CommandError(str(error)) from error
    if as_json:
        print(json.dumps(pools, indent=2))
    else:
        print_table([tuple(pool.values()) for pool in pools], ("address", "venue", "kind", "pair", "excluded"))


@app.command("refresh")
def refresh() -> None:
    """Load the token list and find the pools of its pairs on the chain, as `setup` does."""
    from activities.registry import TokenListError
    from deploy.registry import RegistrySettings, fill

    adopt_running_stack()
    try:
        found = asyncio.run(fill(load(RegistrySettings)))
    except (TokenListError, ConnectionError) as error:
        raise CommandError(str(error)) from error
    tradable = sum(pool.excluded_reason is None for pool in found)
    print(f"{tradable} of {len(found)} pools are tradable")
