"""Where a stack lets its processes serve their metrics."""

import socket
from pathlib import Path

from deploy.local.metrics import metrics_ports, metrics_url, worker_names
from deploy.local.settings import StackSettings
from tests.stack.machine import free_ports


def stack_settings(tmp_path: Path, **changes: object) -> StackSettings:
    return StackSettings(_env_file=None, data_dir=tmp_path, **changes)  # type: ignore[call-arg, arg-type]


def test_each_process_of_the_engine_gets_a_port_of_its_own(tmp_path: Path) -> None:
    settings = stack_settings(tmp_path, workers=3)
    ports = metrics_ports(settings)
    assert set(ports) == {"api", "localnet", *worker_names(settings)}
    assert len(set(ports.values())) == 5
    assert not set(ports.values()) & set(settings.ports().values())


def test_a_taken_port_is_passed_over(tmp_path: Path) -> None:
    (first,) = free_ports(1)
    with socket.create_server(("127.0.0.1", first)):
        ports = metrics_ports(stack_settings(tmp_path, metrics_port=first))
    assert first not in ports.values()
    assert min(ports.values()) > first


def test_a_node_of_others_is_not_ours_to_measure(tmp_path: Path) -> None:
    assert set(metrics_ports(stack_settings(tmp_path, solana_rpc_url="http://127.0.0.1:1"))) == {"api", "worker"}


def test_without_a_first_port_nobody_measures(tmp_path: Path) -> None:
    ports = metrics_ports(stack_settings(tmp_path, metrics_port=0))
    assert ports == {}
    assert metrics_url(ports, "api") == ""
