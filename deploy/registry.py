"""Fill the registry of an installation: tokens from the list, pools from the chain."""

from pathlib import Path

from pydantic import Field

from activities.registry import Registry, read_token_list
from activities.solana.rpc import SolanaRpc
from db.database import Database
from db.registry import PoolRepository, TokenRepository
from db.settings import DatabaseSettings
from workflows.domain.pools import RegisteredPool

_LOCALNET_GENESIS = Path(__file__).parent / "localnet" / "genesis.toml"


class RegistrySettings(DatabaseSettings):
    """Where tokens are listed and pools are found."""

    solana_rpc_url: str = Field(default="http://127.0.0.1:8899", description="JSON-RPC address of a Solana node.")
    token_list: Path = Field(default=_LOCALNET_GENESIS, description="TOML file with [tokens.SYMBOL] mint, decimals.")


async def fill(settings: RegistrySettings) -> list[RegisteredPool]:
    """Load the token list and find the pools of its pairs; returns the pools found.

    Raises TokenListError, or ConnectionError when the node or the database cannot be reached.
    """
    database, rpc = Database(settings), SolanaRpc(settings.solana_rpc_url)
    try:
        registry = Registry(rpc, TokenRepository(database), PoolRepository(database))
        await registry.load_tokens(read_token_list(settings.token_list))
        return await registry.refresh_pools()
    finally:
        await rpc.close()
        await database.close()
