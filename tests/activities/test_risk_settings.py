"""The limits as an operator writes them."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from activities.risk_settings import RiskSettings
from workflows.domain.risk import Limits


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)


def test_by_default_prices_are_limited_and_nothing_else() -> None:
    assert RiskSettings().limits == Limits(price_impact_bps=Decimal(200), price_deviation_bps=Decimal(1_000))
    assert not RiskSettings().limits.value_orders


def test_zero_is_no_limit() -> None:
    names = ("price_impact_bps", "price_deviation_bps", "order_notional", "daily_notional")
    assert RiskSettings(**{f"risk_max_{name}": 0 for name in names}).limits == Limits()


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    mint = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
    monkeypatch.setenv("ORDER_ENGINE_RISK_ALLOWED_PAIRS", f"sol/USDC, {mint}/Bonk,")
    monkeypatch.setenv("ORDER_ENGINE_RISK_ALLOWED_VENUES", "raydium")
    monkeypatch.setenv("ORDER_ENGINE_RISK_ALLOWED_ACCOUNTS", "local,desk")
    monkeypatch.setenv("ORDER_ENGINE_RISK_MAX_DAILY_NOTIONAL", "1000000.5")
    limits = RiskSettings().limits
    assert limits.pairs == {frozenset({"SOL", "USDC"}), frozenset({mint, "BONK"})}
    assert (limits.venues, limits.accounts) == ({"raydium"}, {"local", "desk"})
    assert limits.daily_notional == Decimal("1000000.5")
    assert limits.value_orders


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("risk_allowed_pairs", "SOL", "'SOL' is no pair"),
        ("risk_allowed_pairs", "SOL/USDC/BONK", "is no pair"),
        ("risk_allowed_pairs", "SOL/", "is no pair"),
        ("risk_allowed_venues", "raydium,orca", "unknown orca; venues are raydium, meteora"),
        ("risk_max_price_impact_bps", "-1", "greater than or equal to 0"),
        ("risk_max_order_notional", "NaN", "finite"),
        ("risk_halt_poll_ms", "501", "less than or equal to 500"),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RiskSettings(**{name: value})
