"""Settings of the worker process, and of whoever else searches for pools."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import NoDecode
from solders.pubkey import Pubkey

from activities.risk_settings import RiskSettings
from db.settings import DatabaseSettings
from workflows.domain.clusters import CLUSTERS, ClusterName, mainnet_refusal

_LOCALNET_RPC_URL = "http://127.0.0.1:8899"
_LOCALNET_WALLETS = Path(".order-engine/localnet/wallets")


def _is_address(text: str) -> str:
    try:
        Pubkey.from_string(text)
    except ValueError as error:
        raise ValueError("no base58 address of 32 bytes") from error
    return text


Address = Annotated[str, AfterValidator(_is_address)]


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

    cluster: ClusterName = Field(
        default=ClusterName.LOCALNET, description="localnet, devnet or mainnet: what every node must be on."
    )
    allow_mainnet: bool = Field(
        default=False, validate_default=True, description="yes: trade with real money. Mainnet needs it."
    )
    solana_rpc_url: str = Field(
        default="",
        validate_default=True,
        description=f"JSON-RPC address of a Solana node. On localnet {_LOCALNET_RPC_URL} by default.",
    )
    solana_rpc_fallback_urls: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Further nodes of the same cluster, separated by commas; asked when the first does worse.",
    )
    pool_source: PoolSourceName = Field(
        default=PoolSourceName.CHAIN,
        description="Where pools are searched for: chain (the RPC node), file, or api (the venues'; so on mainnet).",
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

    @field_validator("allow_mainnet")
    @classmethod
    def _is_allowed(cls, allowed: bool, info: ValidationInfo) -> bool:
        refused = mainnet_refusal(info.data.get("cluster"), allowed)
        if refused is not None:
            raise ValueError(refused)
        return allowed

    @field_validator("solana_rpc_url")
    @classmethod
    def _is_given(cls, url: str, info: ValidationInfo) -> str:
        if not url and not _is_local(info.data):
            raise ValueError("has no default on a public cluster")
        return url or _LOCALNET_RPC_URL

    @model_validator(mode="after")
    def _searches_where_it_can(self) -> Self:
        # Public nodes of mainnet refuse the searches of whole programs that the source chain needs.
        if self.cluster is ClusterName.MAINNET and "pool_source" not in self.model_fields_set:
            self.pool_source = PoolSourceName.API
        return self

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


class WorkerSettings(PoolSettings, RiskSettings):
    """Everything the worker can be told by environment. Temporal's address and namespace come from TEMPORAL_*."""

    redis_url: SecretStr = Field(description="redis://host:port, where order events are relayed to the streams.")
    wallets_file: Path | None = Field(
        default=None, description="TOML file that says where the key of each wallet is; instead of the directory."
    )
    wallet_dir: Path | None = Field(
        default=None,
        validate_default=True,
        description=f"Key files, <wallet>.json. On localnet {_LOCALNET_WALLETS} by default.",
    )
    pool_max_age_ms: int = Field(
        default=200, ge=1, le=10_000, description="Pool states and blockhashes are shared by orders for this long."
    )
    watch_interval_ms: int = Field(
        default=400, ge=10, le=10_000, description="Pause between two looks at a pair that open orders wait for."
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
        default=1_000, ge=0, le=10_000_000_000, description="Least priority fee, micro-lamports per compute unit."
    )
    compute_unit_price_cap: int = Field(
        default=2_000_000, ge=0, le=10_000_000_000, description="Highest priority fee, micro-lamports per compute unit."
    )
    priority_fee_cap: int = Field(
        default=1_000_000, ge=0, le=10_000_000_000, description="Highest priority fee of a transaction, in lamports."
    )
    priority_fee_percentile: int = Field(
        default=75, ge=0, le=100, description="Which of the recent slots' fees a first attempt bids, 50 for the median."
    )
    priority_fee_bump_percent: int = Field(
        default=50, ge=0, le=1_000, description="How much more each further attempt bids than the one before."
    )
    priority_fee_max_age_ms: int = Field(
        default=2_000, ge=1, le=60_000, description="Recent fees are shared by orders for this long."
    )
    tip_account: Address | None = Field(
        default=None, description="Account that each swap tips, in its own transaction; none by default."
    )
    tip_lamports: int = Field(default=0, ge=0, le=10_000_000_000, description="Lamports of the tip.")
    compute_unit_margin_percent: int = Field(
        default=15, ge=0, le=200, description="Compute units asked for above what the simulation used."
    )
    max_concurrent_orders: int = Field(
        default=500, ge=1, le=10_000, description="Swaps that one worker sends and follows at the same time."
    )
    reconcile_quiet_seconds: int = Field(
        default=10,
        ge=1,
        le=3_600,
        description="An order without an event for this long is looked at by reconciliation.",
    )
    reconcile_stuck_seconds: int = Field(
        default=300, ge=1, le=86_400, description="An order without an event for this long is raised as stuck."
    )
    split_orders: bool = Field(default=True, description="Fill an order from two pools where that pays more.")
    split_least_gain_bps: Decimal = Field(
        default=Decimal(1), ge=0, le=10_000, description="Least gain of a split over the best pool, after its cost."
    )

    @field_validator("wallet_dir")
    @classmethod
    def _has_keys(cls, directory: Path | None, info: ValidationInfo) -> Path | None:
        if directory is not None or info.data.get("wallets_file") is not None:
            return directory
        if not _is_local(info.data):
            raise ValueError("needed on a public cluster, or ORDER_ENGINE_WALLETS_FILE")
        return _LOCALNET_WALLETS

    @model_validator(mode="after")
    def _prices_fit(self) -> Self:
        if self.compute_unit_price > self.compute_unit_price_cap:
            raise ValueError("compute_unit_price is above compute_unit_price_cap")
        if (self.tip_account is None) != (self.tip_lamports == 0):
            raise ValueError("tip_account and tip_lamports are set together or not at all")
        return self


def _is_local(data: Mapping[str, Any]) -> bool:
    # A profile that cannot be read is reported by itself.
    return CLUSTERS[data.get("cluster", ClusterName.LOCALNET)].is_local
