"""What a profile gives by itself, and what it wants to be told."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from activities.settings import PoolSourceName, WorkerSettings
from deploy.local.settings import StackSettings

SERVERS = {"database_url": "postgresql://127.0.0.1/x", "redis_url": "redis://127.0.0.1"}
RPC = {"solana_rpc_url": "http://127.0.0.1:8899"}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("CLUSTER", "ALLOW_MAINNET", "SOLANA_RPC_URL", "WALLETS_FILE", "WALLET_DIR", "POOL_SOURCE"):
        monkeypatch.delenv(f"ORDER_ENGINE_{name}", raising=False)


def problems(**given: object) -> set[str]:
    """The settings that a worker complains about."""
    with pytest.raises(ValidationError) as raised:
        WorkerSettings(**SERVERS, **given)  # type: ignore[arg-type]
    return {str(each["loc"][0]) for each in raised.value.errors()}


def test_localnet_needs_nothing() -> None:
    settings = WorkerSettings(**SERVERS)  # type: ignore[arg-type]
    assert settings.solana_rpc_url == "http://127.0.0.1:8899"
    assert settings.wallet_dir == Path(".order-engine/localnet/wallets")
    assert settings.pool_source is PoolSourceName.CHAIN


def test_devnet_has_no_default_node_and_no_default_keys() -> None:
    assert problems(cluster="devnet") == {"solana_rpc_url", "wallet_dir"}


def test_mainnet_wants_the_word_as_well() -> None:
    assert problems(cluster="mainnet") == {"allow_mainnet", "solana_rpc_url", "wallet_dir"}


def test_mainnet_without_the_word_is_refused_although_all_else_is_given() -> None:
    assert problems(cluster="mainnet", wallets_file="w.toml", **RPC) == {"allow_mainnet"}


def test_mainnet_with_everything_searches_by_the_venues_own_apis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDER_ENGINE_ALLOW_MAINNET", "yes")
    settings = WorkerSettings(**SERVERS, cluster="mainnet", wallets_file="w.toml", **RPC)  # type: ignore[arg-type]
    assert settings.pool_source is PoolSourceName.API
    assert settings.wallet_dir is None


def test_a_source_that_was_chosen_stays() -> None:
    settings = WorkerSettings(
        **SERVERS,  # type: ignore[arg-type]
        **RPC,  # type: ignore[arg-type]
        cluster="mainnet",  # type: ignore[arg-type]
        allow_mainnet=True,
        wallet_dir=Path("keys"),
        pool_source=PoolSourceName.CHAIN,
    )
    assert settings.pool_source is PoolSourceName.CHAIN


def test_a_profile_that_does_not_exist_is_the_only_complaint() -> None:
    assert problems(cluster="testnet") == {"cluster"}


@pytest.mark.parametrize(
    ("given", "complaints"),
    [
        ({"cluster": "devnet"}, {"solana_rpc_url"}),
        ({"cluster": "mainnet", **RPC}, {"allow_mainnet"}),
        ({"cluster": "mainnet"}, {"allow_mainnet", "solana_rpc_url"}),
    ],
)
def test_the_stack_starts_no_cluster_of_its_own_for_a_public_profile(
    given: dict[str, str], complaints: set[str]
) -> None:
    with pytest.raises(ValidationError) as raised:
        StackSettings(**given)  # type: ignore[arg-type]
    assert {str(each["loc"][0]) for each in raised.value.errors()} == complaints
