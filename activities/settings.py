"""Settings of the worker process."""

from decimal import Decimal
from pathlib import Path

from pydantic import Field, SecretStr

from db.settings import DatabaseSettings


class WorkerSettings(DatabaseSettings):
    """Everything the worker can be told by environment. Temporal's address and namespace come from TEMPORAL_*."""

    redis_url: SecretStr = Field(description="redis://host:port, where order events are relayed to the streams.")
    solana_rpc_url: str = Field(default="http://127.0.0.1:8899", description="JSON-RPC address of a Solana node.")
    wallet_dir: Path = Field(default=Path(".order-engine/localnet/wallets"), description="Key files, <wallet>.json.")
    pool_max_age_ms: int = Field(
        default=200, ge=1, le=10_000, description="Pool states and blockhashes are shared by orders for this long."
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
