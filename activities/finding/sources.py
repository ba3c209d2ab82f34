"""The source of pools that the settings name."""

from activities.finding.apis import ApiSource
from activities.finding.chain import ChainSource
from activities.finding.file import FileSource
from activities.finding.listing import PairListing
from activities.finding.meteora_apis import MeteoraDammV1Api, MeteoraGroupApi
from activities.finding.raydium_api import RaydiumApi
from activities.finding.source import PoolSource
from activities.settings import PoolSettings, PoolSourceName
from activities.solana.rpc import SolanaRpc


def pool_source(settings: PoolSettings, rpc: SolanaRpc) -> PoolSource:
    """The source to search; an API without an address is left out."""
    if settings.pool_source is PoolSourceName.CHAIN:
        return ChainSource(rpc)
    if settings.pool_file is not None and settings.pool_source is PoolSourceName.FILE:
        return FileSource(settings.pool_file)
    listings: list[PairListing] = [
        RaydiumApi("raydium api", settings.raydium_api_url),
        MeteoraGroupApi("meteora dlmm api", settings.meteora_dlmm_api_url),
        MeteoraGroupApi("meteora damm v2 api", settings.meteora_damm_v2_api_url),
        MeteoraDammV1Api("meteora damm v1 api", settings.meteora_damm_v1_api_url),
    ]
    return ApiSource([listing for listing in listings if listing.base])
