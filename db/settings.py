"""How to reach PostgreSQL."""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_DRIVER = "postgresql+psycopg"
_SCHEMES = frozenset({"postgresql", "postgres", _DRIVER})


def parse_url(text: str) -> URL:
    """The SQLAlchemy URL of a `postgresql://`, `postgres://` or `postgresql+psycopg://` address.

    Raises ValueError, without the text: it may hold a password.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError("a database address has the form postgresql://user@host:port/database") from None
    if url.drivername not in _SCHEMES:
        raise ValueError(f"the database must be PostgreSQL: postgresql://…, not {url.drivername}://…")
    return url.set(drivername=_DRIVER)


class DatabaseSettings(BaseSettings):
    """Settings of every process that talks to PostgreSQL. Times in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="ORDER_ENGINE_", env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    database_url: SecretStr = Field(description="postgresql://user:password@host:port/database")
    database_pool_size: int = Field(default=10, ge=1, le=500, description="Connections per process.")
    database_connect_timeout: int = Field(default=3, ge=2, le=60, description="For opening one connection.")
    database_statement_timeout: float = Field(default=5, gt=0, le=60, description="For one statement, by the server.")

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr) -> SecretStr:
        parse_url(value.get_secret_value())
        return value

    @property
    def url(self) -> URL:
        """The address as SQLAlchemy takes it; its text form hides the password."""
        return parse_url(self.database_url.get_secret_value())
