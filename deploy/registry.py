"""The registry of an installation: its settings, and filling it the first time."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from activities.finding.sources import pool_source
from activities.registry import Refreshed, Registry
from activities.settings import PoolSettings
from activities.solana.clusters import check_cluster
from activities.solana.rpc import SolanaRpc
from activities.token_list import load_tokens, read_token_list
from db.database import Database
from db.registry import PoolRepository, TokenRepository
from workflows.domain.clusters import CLUSTERS

_LOCALNET_GENESIS = Path(__file__).parent / "localnet" / "genesis.toml"


class RegistrySettings(PoolSettings):
    """Where tokens are listed, where pools are searched for, and how often."""

    token_list: Path = Field(default=_LOCALNET_GENESIS, description="TOML file with [tokens.SYMBOL] mint, decimals.")
    pool_refresh_seconds: int = Field(
        default=300, ge=0, le=86_400, description="Pause between two searches for pools in the background; 0 for none."
    )
    reconcile_seconds: int = Field(
        default=60, ge=0, le=86_400, description="Pause between two reconciliations in the background; 0 for none."
    )


@dataclass(frozen=True, slots=True)
class RegistryClients:
    """The registry with what it works on."""

    rpc: SolanaRpc
    tokens: TokenRepository
    pools: PoolRepository
    registry: Registry


@contextlib.asynccontextmanager
async def open_registry(settings: RegistrySettings) -> AsyncIterator[RegistryClients]:
    """The registry of the installation; its connections are closed afterwards."""
    database, rpc = Database(settings), SolanaRpc(settings.solana_rpc_url, settings.further_rpc_urls)
    tokens, pools = TokenRepository(database), PoolRepository(database)
    try:
        yield RegistryClients(rpc, tokens, pools, Registry(rpc, tokens, pools))
    finally:
        await rpc.close()
        await database.close()


async def fill(settings: RegistrySettings) -> Refreshed:
    """Load the token list, then look at every known pool and at those that the settings' source finds.

    Raises TokenListError, WrongCluster, or ConnectionError when the node or the database cannot be reached.
    """
    async with open_registry(settings) as clients:
        await check_cluster(CLUSTERS[settings.cluster], [clients.rpc])
        await load_tokens(read_token_list(settings.token_list), clients.rpc, clients.tokens)
        return await clients.registry.refresh(pool_source(settings, clients.rpc))
