"""Settings of the local stack: ports, the data directory, and servers that are already there."""

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, PositiveInt, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from workflows.domain.clusters import CLUSTERS, ClusterName, mainnet_refusal

Port = Annotated[int, Field(ge=1, le=65535)]


class StackSettings(BaseSettings):
    """What `order-engine up` runs and where. Each field is also an environment variable with prefix ORDER_ENGINE_.

    The four addresses of external servers are unset by default; one that is set is used, and the embedded server
    of that kind is not started. The default ports lie below 32768, so that no outgoing connection of this machine
    takes one of them by chance, and PostgreSQL and Valkey keep clear of their own standard ports.
    """

    model_config = SettingsConfigDict(
        env_prefix="ORDER_ENGINE_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    data_dir: Path = Field(Path(".order-engine"), description="Where all state is kept; survives a stop")
    api_host: str = Field("127.0.0.1", description="Address the API listens on")
    api_port: Port = Field(8080, description="Port of the API")
    temporal_port: Port = Field(7233, description="Port of the embedded Temporal server")
    temporal_ui_port: Port = Field(8233, description="Port of the Temporal Web UI")
    postgres_port: Port = Field(15432, description="Port of the embedded PostgreSQL")
    redis_port: Port = Field(16379, description="Port of the embedded Valkey")
    localnet_port: Port = Field(8899, description="Port of the simulated Solana cluster")
    metrics_port: int = Field(
        9464, ge=0, le=65_000, description="First of the ports for /metrics, one per process; 0 for none"
    )
    workers: PositiveInt = Field(1, description="Number of worker processes")
    localnet_slot_ms: int = Field(400, ge=5, le=60_000, description="Length of a localnet slot in milliseconds")
    localnet_genesis: Path | None = Field(None, description="Genesis of localnet (TOML)")
    start_timeout: PositiveInt = Field(60, description="Seconds that a service has to become healthy")

    database_url: SecretStr | None = Field(None, description="External PostgreSQL (postgresql+psycopg://…)")
    redis_url: SecretStr | None = Field(None, description="External Redis or Valkey (redis://…)")
    cluster: ClusterName = Field(ClusterName.LOCALNET, description="localnet, devnet or mainnet")
    allow_mainnet: bool = Field(False, validate_default=True, description="yes: trade with real money")
    solana_rpc_url: SecretStr | None = Field(
        None, validate_default=True, description="External Solana RPC node; needed on a public cluster"
    )
    wallets_file: Path | None = Field(None, description="TOML file that says where the key of each wallet is")
    temporal_address: str | None = Field(
        None,
        validation_alias=AliasChoices("temporal_address", "TEMPORAL_ADDRESS"),
        description="External Temporal server (host:port)",
    )
    temporal_ui_url: str | None = Field(None, description="Web UI of an external Temporal server")
    temporal_namespace: str = Field(
        "default",
        validation_alias=AliasChoices("temporal_namespace", "TEMPORAL_NAMESPACE"),
        description="Temporal namespace",
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
    def _is_given(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if url is None and not CLUSTERS[info.data.get("cluster", ClusterName.LOCALNET)].is_local:
            raise ValueError("has no default on a public cluster")
        return url

    @field_validator("data_dir", "localnet_genesis", "wallets_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        """Children run in directories of their own, so a relative path must be fixed here."""
        return None if path is None else path.expanduser().absolute()

    def ports(self) -> dict[str, int]:
        """Ports of the servers this stack itself starts, by the name of the option that moves them."""
        ports = {"api-port": self.api_port}
        if self.temporal_address is None:
            ports |= {"temporal-port": self.temporal_port, "temporal-ui-port": self.temporal_ui_port}
        if self.database_url is None:
            ports["postgres-port"] = self.postgres_port
        if self.redis_url is None:
            ports["redis-port"] = self.redis_port
        if self.solana_rpc_url is None:
            ports["localnet-port"] = self.localnet_port
        return ports
