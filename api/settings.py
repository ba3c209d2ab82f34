"""Settings of the API process."""

from pydantic import Field, SecretStr

from db.settings import DatabaseSettings
from workflows.domain.clusters import ClusterName


class ApiSettings(DatabaseSettings):
    """Everything the API can be told by environment. Temporal's address and namespace come from TEMPORAL_*."""

    api_host: str = Field(default="127.0.0.1", description="Address to listen on.")
    api_port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 for any free one.")
    cluster: ClusterName = Field(
        default=ClusterName.LOCALNET, description="The workers' cluster, for links to its explorer."
    )
    redis_url: SecretStr = Field(description="redis://host:port, where the worker relays order events.")
    temporal_ui_url: str = Field(
        default="http://127.0.0.1:8233", description="Temporal Web UI, for the links in answers."
    )
