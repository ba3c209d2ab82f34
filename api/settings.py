"""Settings of the API process."""

from enum import StrEnum

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from db.settings import DatabaseSettings
from workflows.domain.clusters import ClusterName

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class ApiAuth(StrEnum):
    """How callers say who they are."""

    # Whoever can reach the API may trade: only on this machine, and only with the simulated cluster.
    NONE = "none"
    # By a key of `order-engine keys`.
    KEYS = "keys"


class ApiSettings(DatabaseSettings):
    """Everything the API can be told by environment. Temporal's address and namespace come from TEMPORAL_*."""

    api_host: str = Field(default="127.0.0.1", description="Address to listen on.")
    api_port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 for any free one.")
    cluster: ClusterName = Field(
        default=ClusterName.LOCALNET,
        description="The workers' cluster: for links to its explorer, and without keys only localnet.",
    )
    redis_url: SecretStr = Field(description="redis://host:port, where the worker relays order events.")
    temporal_ui_url: str = Field(
        default="http://127.0.0.1:8233", description="Temporal Web UI, for the links in answers."
    )
    api_auth: ApiAuth = Field(
        default=ApiAuth.NONE,
        validate_default=True,
        description="keys: callers need an API key. none: only on a loopback address with localnet.",
    )
    api_allowed_origins: tuple[str, ...] = Field(
        default=(), description='Other origins whose pages may call the API, as JSON: ["https://desk.example"].'
    )
    api_read_rate: int = Field(default=100, ge=1, le=1_000_000, description="Reads a second per key.")
    api_trade_rate: int = Field(default=50, ge=1, le=1_000_000, description="Orders and changes a second per key.")
    api_burst_seconds: int = Field(
        default=4, ge=1, le=3_600, description="Calls of so many seconds may come at once after a pause."
    )

    api_orders_in_progress: int = Field(
        default=1_000, ge=0, le=1_000_000, description="Orders of one account on their way at a time; 0 for any number."
    )

    @field_validator("api_auth")
    @classmethod
    def _guards(cls, auth: ApiAuth, info: ValidationInfo) -> ApiAuth:
        host, cluster = info.data.get("api_host"), info.data.get("cluster")
        if auth is ApiAuth.NONE and (host not in _LOOPBACK or cluster is not ClusterName.LOCALNET):
            where = f"on {host}" if host not in _LOOPBACK else f"for {cluster}"
            raise ValueError(
                f"without keys the API may not serve {where}: set it to keys, see order-engine keys create"
            )
        return auth
