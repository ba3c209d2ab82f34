"""Settings of the worker process, and of whoever else searches for pools."""

from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from db.settings import DatabaseSettings


class PoolSourceName(StrEnum):
    """Where pools are searched for."""

    CHAIN = "chain"
    FILE = "file"
    API = "api"


class PoolSettings(DatabaseSettings):
    """Where the registry finds its pools. Whatever names an address, the chain says what it is."""

    solana_rpc_url: str = Field(default="http://127.0.0.1:8899", description="JSON-RPC address of a Solana node.")
    pool_source: PoolSourceName = Field(
        default=PoolSourceName.CHAIN,
        description="Where pools are searched for: chain (the RPC node), file, or api (mainnet: the venues' own).",
    )
    pool_file: Path | None = Field(
        default=None, validate_default=True, description="For the source file: pool addresses, TOML or lines."
    )
    raydium_api_url: str = Field(default="https://api-v3.raydium.io", description="Raydium API v3; empty for none.")
    meteora_dlmm_api_url: str = Field(
        default="https://dlmm.datapi.meteora.ag", description="Meteora DLMM API; empty for none."
    )
    meteora_damm_v2_api_url: str = Field(
        default="https://damm-v2.datapi.meteora.ag", description="Meteora DAMM v2 API; empty for none."
    )
    meteora_damm_v1_api_url: str = Field(
        default="https://damm-api.meteora.ag", description="Meteora DAMM v1 API; empty for none."
    )

    @field_validator("pool_file")
    @classmethod
    def _is_named(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is None and info.data.get("pool_source") is PoolSourceName.FILE:
            raise ValueError("needed when the pools come from a file")
        return path


class WorkerSettings(PoolSettings):
    """Everything the worker can be told by environment. Temporal's address and namespace come from TEMPORAL_*."""

    redis_url: SecretStr = Field(description="redis://host:port, where order events are relayed to the streams.")
    wallet_dir: Path = Field(default=Path(".order-engine/localnet/wallets"), description="Key files, <wallet>.json.")
    pool_max_age_ms: int = Field(
        default=200, ge=1, le=10_000, description="Pool states and blockhashes are shared by orders for this long."
    )
    watch_interval_ms: int = Field(
        default=400, ge=10, le=10_000, description="Pause between two looks at a pair that open orders wait for."
    )
    status_poll_ms: int = Field(
        default=200, ge=5, le=10_000, description="Pause between two questions for the outcome of sent transactions."
    )
    compute_unit_price: int = Field(
        default=1_000, ge=0, le=10_000_000_000, description="Priority fee, micro-lamports per compute unit."
    )
    compute_unit_margin_percent: int = Field(
        default=15, ge=0, le=200, description="Compute units asked for above what the simulation used."
    )
    max_concurrent_orders: int = Field(
        default=500, ge=1, le=10_000, description="Swaps that one worker sends and follows at the same time."
    )
    split_orders: bool = Field(default=True, description="Fill an order from two pools where that pays more.")
    split_least_gain_bps: Decimal = Field(
        default=Decimal(1), ge=0, le=10_000, description="Least gain of a split over the best pool, after its cost."
    )
