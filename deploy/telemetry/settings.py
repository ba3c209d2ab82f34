"""Settings of what a process tells about itself. Traces are set up by the standard OTEL_… variables."""

from enum import StrEnum

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LogFormat(StrEnum):
    """How log lines look."""

    # JSON where nobody looks, coloured lines in a terminal.
    AUTO = "auto"
    JSON = "json"
    HUMAN = "human"


class LogLevel(StrEnum):
    """From which weight on lines are written."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class TelemetrySettings(BaseSettings):
    """Logs and metrics of one process."""

    model_config = SettingsConfigDict(
        env_prefix="ORDER_ENGINE_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    log_format: LogFormat = Field(
        default=LogFormat.AUTO, description="json: a JSON object per line; human; auto: human in a terminal."
    )
    log_level: LogLevel = Field(
        default=LogLevel.INFO, description="info: also a line per step of each order; warning; error."
    )
    metrics_port: int | None = Field(
        default=None, ge=0, le=65535, description="Port that serves /metrics for Prometheus; none where unset or 0."
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="Address of /metrics, which asks for no key: not one that strangers reach."
    )
