"""Settings of the simulated cluster, from arguments or from `ORDER_ENGINE_LOCALNET_*` variables."""

from pathlib import Path

from pydantic import DirectoryPath, Field, FilePath
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_GENESIS = Path(__file__).with_name("genesis.toml")


class LocalnetSettings(BaseSettings):
    """How one simulated cluster runs; every field has a default that works."""

    model_config = SettingsConfigDict(env_prefix="ORDER_ENGINE_LOCALNET_", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(
        8899, ge=0, le=65_534, description="JSON-RPC port; 0 takes a free one. Subscriptions use the next."
    )
    data_dir: Path = Field(
        Path(".order-engine/localnet"),
        description="Where the ledger (ledger.sqlite) and the wallet keys (wallets/<name>.json) live.",
    )
    genesis: FilePath = Field(DEFAULT_GENESIS, description="TOML file of tokens, wallets and pools.")
    accounts: tuple[FilePath, ...] = Field(
        (),
        description="Account dumps in the form of `solana account --output json`, loaded over the genesis.",
    )
    programs: DirectoryPath | None = Field(
        None,
        description="Directory of real program binaries named <program id>.so; those are not emulated.",
    )
    slot_ms: int = Field(400, ge=5, le=60_000, description="Length of a slot in milliseconds.")
    confirmed_lag: int = Field(1, ge=0, le=1_000, description="Slots until a slot counts as confirmed.")
    finalized_lag: int = Field(32, ge=0, le=1_000, description="Slots until a slot counts as finalized.")
    seed: int = Field(0, description="Seed of the random draws of injected faults; that of a faults file is stronger.")
    faults: FilePath | None = Field(None, description="TOML file of faults that are in force from the start on.")
    fault: tuple[str, ...] = Field(
        (), description="More such faults, each in the form kind=drop,probability=0.1 (node=NAME for another node)."
    )
