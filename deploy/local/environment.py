"""The addresses of a stack, and the environment that tells the engine's processes about them."""

import os
from collections.abc import Mapping

from deploy.local import postgres, valkey
from deploy.local.settings import StackSettings


def solana_rpc_url(settings: StackSettings) -> str:
    """The node that the engine talks to: the given one, or the stack's own localnet."""
    if settings.solana_rpc_url is not None:
        return settings.solana_rpc_url.get_secret_value()
    return f"http://127.0.0.1:{settings.localnet_port}"


def temporal_address(settings: StackSettings) -> str:
    """host:port of the given Temporal server, or of the stack's own."""
    return settings.temporal_address or f"127.0.0.1:{settings.temporal_port}"


def temporal_ui_url(settings: StackSettings) -> str | None:
    """None when the server is external and its Web UI was not named."""
    if settings.temporal_address is not None:
        return settings.temporal_ui_url
    return f"http://127.0.0.1:{settings.temporal_ui_port}"


def api_url(settings: StackSettings) -> str:
    """Where a client on this machine reaches the API, also when it listens on every address."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api_host, settings.api_host)
    return f"http://[{host}]:{settings.api_port}" if ":" in host else f"http://{host}:{settings.api_port}"


def engine_environment(settings: StackSettings) -> dict[str, str]:
    """What worker, API, localnet, the one-time jobs and any other command need to work with this stack."""
    environment = {
        "ORDER_ENGINE_DATABASE_URL": postgres.url(settings),
        "ORDER_ENGINE_REDIS_URL": valkey.url(settings),
        "ORDER_ENGINE_SOLANA_RPC_URL": solana_rpc_url(settings),
        "ORDER_ENGINE_CLUSTER": settings.cluster,
        "TEMPORAL_ADDRESS": temporal_address(settings),
        "TEMPORAL_NAMESPACE": settings.temporal_namespace,
        "ORDER_ENGINE_API_HOST": settings.api_host,
        "ORDER_ENGINE_API_PORT": str(settings.api_port),
        "ORDER_ENGINE_API_URL": api_url(settings),
    }
    if settings.allow_mainnet:
        environment["ORDER_ENGINE_ALLOW_MAINNET"] = "yes"
    if settings.wallets_file is not None:
        environment["ORDER_ENGINE_WALLETS_FILE"] = str(settings.wallets_file)
    ui_url = temporal_ui_url(settings)
    if ui_url is not None:
        environment["ORDER_ENGINE_TEMPORAL_UI_URL"] = ui_url
    if settings.solana_rpc_url is None:
        localnet = settings.data_dir / "localnet"
        environment |= {
            "ORDER_ENGINE_WALLET_DIR": str(localnet / "wallets"),
            "ORDER_ENGINE_LOCALNET_DATA_DIR": str(localnet),
            "ORDER_ENGINE_LOCALNET_PORT": str(settings.localnet_port),
            "ORDER_ENGINE_LOCALNET_SLOT_MS": str(settings.localnet_slot_ms),
            # The node is our own: it may be asked more often than one that limits its users.
            "ORDER_ENGINE_STATUS_POLL_MS": os.environ.get("ORDER_ENGINE_STATUS_POLL_MS", "20"),
        }
        if settings.localnet_genesis is not None:
            genesis = str(settings.localnet_genesis)
            environment |= {"ORDER_ENGINE_LOCALNET_GENESIS": genesis, "ORDER_ENGINE_TOKEN_LIST": genesis}
    return environment


def of_engine_child(settings: StackSettings, metrics_port: int = 0) -> Mapping[str, str]:
    """The whole environment of a child that runs the engine's code; its log is written as it happens."""
    # Three processes import the same modules at each start: they are to find them compiled.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    own = {"PYTHONUNBUFFERED": "1", "ORDER_ENGINE_METRICS_PORT": str(metrics_port)}
    return {**inherited, **engine_environment(settings), **own}


def of_server() -> Mapping[str, str]:
    """The environment of an embedded server: none of the caller's PG…, TEMPORAL_… or HOME, meant for others."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
