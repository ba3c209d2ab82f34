"""The table of the stack: each unit, what it needs, how it is started and how its health is told."""

import signal
import sys
from collections.abc import Mapping

from deploy.local import health, temporal
from deploy.local.environment import (
    api_url,
    of_engine_child,
    of_server,
    solana_rpc_url,
    temporal_address,
)
from deploy.local.metrics import metrics_ports, metrics_url, worker_names
from deploy.local.postgres import Cluster, ensure_database
from deploy.local.settings import StackSettings
from deploy.local.units import External, Job, Service, Unit
from deploy.local.valkey import Relay

_SERVERS = ("postgres", "redis", "temporal", "localnet")


def stack_units(settings: StackSettings) -> list[Unit]:
    """Every unit of a stack with these settings, in the order that people read them."""
    ports = metrics_ports(settings)
    return [
        _postgres(settings),
        _redis(settings),
        _temporal(settings),
        _localnet(settings, ports),
        Job(name="setup", needs=_SERVERS, command=_engine("setup", "--migrate"), environment=of_engine_child(settings)),
        *_workers(settings, ports),
        Service(
            name="api",
            address=api_url(settings),
            needs=(*_SERVERS, "setup"),
            command=_engine("api"),
            environment=of_engine_child(settings, ports.get("api", 0)),
            metrics=metrics_url(ports, "api"),
            healthy=lambda _: health.http(f"{api_url(settings)}/readyz"),
        ),
    ]


def _engine(*command: str) -> tuple[str, ...]:
    """A command of this same installation; with -P no folder of the caller can stand in for our packages."""
    return (sys.executable, "-P", "-m", "deploy.cli.main", *command)


def _postgres(settings: StackSettings) -> Unit:
    if settings.database_url is not None:
        external = settings.database_url.get_secret_value()
        return External(name="postgres", address="external", healthy=lambda: health.postgres(external))
    cluster = Cluster(settings.data_dir, settings.postgres_port)
    return Service(
        name="postgres",
        address=f"127.0.0.1:{cluster.port}",
        command=tuple(cluster.command()),
        environment=of_server(),
        prepare=cluster.create,
        healthy=lambda _: ensure_database(cluster),
        identity=cluster.identity(),
        # SIGTERM would wait for the last client to leave; SIGINT ends their sessions (fast shutdown).
        stop_signal=signal.SIGINT,
        stop_patience=30,
    )


def _redis(settings: StackSettings) -> Unit:
    if settings.redis_url is not None:
        external = settings.redis_url.get_secret_value()
        return External(name="redis", address="external", healthy=lambda: health.redis(external))
    relay = Relay(settings.data_dir, settings.redis_port)
    return Service(
        name="redis",
        address=f"127.0.0.1:{relay.port}",
        command=tuple(relay.command()),
        environment=of_server(),
        prepare=relay.create,
        healthy=lambda _: health.redis(relay.url()),
    )


def _temporal(settings: StackSettings) -> Unit:
    address = temporal_address(settings)
    if settings.temporal_address is not None:
        # Its namespace may not exist yet: setup creates it.
        return External(name="temporal", address=address, healthy=lambda: health.temporal(address))
    return Service(
        name="temporal",
        address=address,
        command=tuple(temporal.command(settings)),
        environment=of_server(),
        prepare=lambda: temporal.create(settings),
        healthy=lambda _: health.temporal_namespace(address, settings.temporal_namespace),
    )


def _localnet(settings: StackSettings, ports: Mapping[str, int]) -> Unit:
    url = solana_rpc_url(settings)
    if settings.solana_rpc_url is not None:
        # Not shown: the URL of a node often holds its user's key.
        return External(name="localnet", address="external", healthy=lambda: health.solana_rpc(url))
    return Service(
        name="localnet",
        address=url,
        command=_engine("localnet"),
        environment=of_engine_child(settings, ports.get("localnet", 0)),
        metrics=metrics_url(ports, "localnet"),
        healthy=lambda _: health.solana_rpc(url),
    )


def _workers(settings: StackSettings, ports: Mapping[str, int]) -> list[Unit]:
    address, namespace = temporal_address(settings), settings.temporal_namespace
    return [
        Service(
            name=name,
            address=f"{address}/{namespace}",
            needs=(*_SERVERS, "setup"),
            command=_engine("worker"),
            environment=of_engine_child(settings, ports.get(name, 0)),
            metrics=metrics_url(ports, name),
            healthy=lambda pid: health.worker(address, namespace, pid),
        )
        for name in worker_names(settings)
    ]
