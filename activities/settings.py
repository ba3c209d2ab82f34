"""Settings of the worker process, and of whoever else searches for pools."""

from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from db.settings import DatabaseSettings


class PoolSourceName(StrEnum):
    """Where pools are searched for."""

    CHAIN = "chain"
    FILE = "file"
    API = "api"


class LandedAt(StrEnum):
    """How final the block of a swap must be for its order to be reported as confirmed."""

    CONFIRMED = "confirmed"
    FINALIZED = "finalized"


class PoolSettings(DatabaseSettings):
    """Where the registry finds its pools. Whatever names an address, the chain says what it is."""

    solana_rpc_url: str = Field(default="http://127.0.0.1:8899", description="JSON-RPC address of a Solana node.")
    solana_rpc_fallback_urls: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Further nodes of the same cluster, separated by commas; asked when the first does worse.",
    )
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

    @field_validator("solana_rpc_fallback_urls", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value

    @field_validator("solana_rpc_url", "solana_rpc_fallback_urls")
    @classmethod
    def _are_addresses(cls, value: str | tuple[SecretStr, ...]) -> str | tuple[SecretStr, ...]:
        urls = [value] if isinstance(value, str) else [each.get_secret_value() for each in value]
        if not all(urlsplit(url).scheme in ("http", "https") and urlsplit(url).hostname for url in urls):
            # Not repeated: an address may hold a key.
            raise ValueError("needs addresses that begin with http:// or https://")
        return value

    @property
    def further_rpc_urls(self) -> list[str]:
        """The addresses of the further nodes, which may hold keys."""
        return [url.get_secret_value() for url in self.solana_rpc_fallback_urls]

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
    status_poll_ms: int = Field(
        default=200, ge=5, le=10_000, description="Pause between two questions for the outcome of sent transactions."
    )
    solana_ws_url: SecretStr | None = Field(
        default=None,
        description="WebSocket address for notifications; by default next to solana_rpc_url, empty for none.",
    )
    landed_at: LandedAt = Field(
        default=LandedAt.CONFIRMED, description="Report a swap when its block is confirmed, or only when finalized."
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
