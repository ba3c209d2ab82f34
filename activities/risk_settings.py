"""Settings of the checks before trading."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from activities.quotes import VENUES
from workflows.domain.risk import Limits

Listed = Annotated[tuple[str, ...], NoDecode]


class RiskSettings(BaseSettings):
    """What an order may do at most. 0, or nothing, is no limit; lists are separated by commas."""

    model_config = SettingsConfigDict(
        env_prefix="ORDER_ENGINE_", env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    risk_max_price_impact_bps: Decimal = Field(
        default=Decimal(200), ge=0, le=10_000, description="How far an order may move the price; 0 for no limit."
    )
    risk_max_price_deviation_bps: Decimal = Field(
        default=Decimal(1_000), ge=0, description="How far the price may be from the other venue's; 0 for no limit."
    )
    risk_max_order_notional: Decimal = Field(
        default=Decimal(0), ge=0, description="Most that an order may be worth, in the reference token; 0: no limit."
    )
    risk_max_daily_notional: Decimal = Field(
        default=Decimal(0), ge=0, description="Most that an account's orders of a UTC day may be worth; 0: no limit."
    )
    risk_reference_token: str = Field(default="USDC", description="Token that orders are valued in: symbol or mint.")
    risk_allowed_pairs: Listed = Field(default=(), description="Pairs that may be traded, as SOL/USDC,…; empty: all.")
    risk_allowed_venues: Listed = Field(default=(), description="Venues that may be used: raydium,meteora; empty: all.")
    risk_allowed_accounts: Listed = Field(default=(), description="Accounts that may trade; empty: all.")
    risk_halt_poll_ms: int = Field(
        default=250, ge=10, le=500, description="Pause between two looks whether trading is halted."
    )

    @field_validator("risk_allowed_pairs", "risk_allowed_venues", "risk_allowed_accounts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("risk_allowed_pairs")
    @classmethod
    def _are_pairs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pair in value:
            names = pair.split("/")
            if len(names) != 2 or not all(names):
                raise ValueError(f"{pair!r} is no pair: write two symbols or mints, as SOL/USDC")
        return value

    @field_validator("risk_allowed_venues")
    @classmethod
    def _are_venues(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(VENUES))
        if unknown:
            raise ValueError(f"unknown {', '.join(unknown)}; venues are {', '.join(VENUES)}")
        return value

    @property
    def limits(self) -> Limits:
        """The limits as the rules take them."""
        return Limits(
            pairs=frozenset(frozenset(map(_name, pair.split("/"))) for pair in self.risk_allowed_pairs),
            venues=frozenset(self.risk_allowed_venues),
            accounts=frozenset(self.risk_allowed_accounts),
            price_impact_bps=self.risk_max_price_impact_bps or None,
            price_deviation_bps=self.risk_max_price_deviation_bps or None,
            order_notional=self.risk_max_order_notional or None,
            daily_notional=self.risk_max_daily_notional or None,
        )


def _name(token: str) -> str:
    # A mint is case-sensitive and at least this long (32 bytes in base58); a symbol is neither.
    return token if len(token) >= 32 else token.upper()
