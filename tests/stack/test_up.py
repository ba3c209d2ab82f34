"""`order-engine up`, end to end with the real servers."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from deploy.local.identity import CAP_DAC_READ_SEARCH, Identity
from deploy.local.process import command_as
from tests.stack.machine import Machine, pids, survivors

SERVICES = {"postgres", "redis", "temporal", "localnet", "worker", "api"}


# Three starts of all servers, on a machine that may be busy.
@pytest.mark.timeout(240)
def test_a_day_in_the_life_of_a_stack(machine: Machine) -> None:
    """Start, trade, refuse a second start, stop; start again with the same state; lose a worker; get killed."""
    api = f"http://127.0.0.1:{machine.ports['api']}"

    with machine.up() as up:
        assert f"ready {api}" in up.lines
        assert {line.split()[0] for line in up.lines[: up.lines.index(f"ready {api}")]} == SERVICES | {"setup"}
        assert up.lines[-3:-1] == [
            f"  API docs         {api}/docs",
            f"  Temporal Web UI  http://127.0.0.1:{machine.ports['temporal_ui']}",
        ]
        status = machine.json("status")
        assert {each["name"] for each in status} == SERVICES
        assert all(each["address"] and psutil.pid_exists(each["pid"]) for each in status)

        order = machine.json("order", "submit", "SOL", "USDC", "1.5")
        watched = machine.run("order", "watch", order["orderId"])
        assert watched.returncode == 0, watched.stderr
        assert "confirmed" in watched.stdout.splitlines()[-1]

        second = machine.run("up")
        assert second.returncode == 1
        assert second.stdout == ""
        assert second.stderr == (
            f"order-engine: another order-engine up (pid {up.process.pid}) already runs on {machine.data_dir}\n"
        )
        elsewhere = machine.run("up", "--data-dir", str(machine.data_dir.with_name("other")))
        assert elsewhere.returncode == 1
        assert elsewhere.stdout == ""
        assert all(f"port {port} is already in use" in elsewhere.stderr for port in machine.ports.values())

        family = up.family()
        assert up.stop(signal.SIGTERM) == 0
        assert survivors(family) == []

    idle = machine.run("status", "--json")
    assert (idle.returncode, idle.stdout) == (1, "")
    assert idle.stderr == f"order-engine: nothing runs on {machine.data_dir}\n"

    with machine.up() as up:
        assert machine.json("order", "get", order["orderId"])["status"] == "confirmed"

        before = pids(machine.json("status"))
        os.kill(before["worker"], signal.SIGKILL)
        up.wait_for("worker killed by SIGKILL")
        up.wait_for("is back")
        after = pids(machine.json("status"))
        assert {name for name in before if before[name] != after[name]} == {"worker"}
        assert machine.run("order", "submit", "USDC", "SOL", "20", "--watch").returncode == 0

        family = up.family()
        up.stop(signal.SIGKILL)
        assert survivors(family) == []
    assert machine.run("status").returncode == 1


@pytest.fixture
def ordinary_user() -> Iterator[Machine]:
    """A machine used by nobody, who may read what root installed (such as an interpreter below /root), no more."""
    nobody = Identity(65534, 65534, CAP_DAC_READ_SEARCH)
    with TemporaryDirectory() as name:
        os.chown(name, nobody.uid, nobody.gid)
        yield Machine(Path(name) / "data", wrap=lambda command: command_as(command, nobody, signal.SIGTERM))


@pytest.mark.timeout(120)
@pytest.mark.skipif(os.geteuid() != 0, reason="the other test runs as an ordinary user")
def test_an_ordinary_user_can_run_it(ordinary_user: Machine) -> None:
    with ordinary_user.up("--workers", "2") as up:
        family = up.family()
        assert {process.uids().real for process in family} == {65534}
        assert set(pids(ordinary_user.json("status"))) == SERVICES - {"worker"} | {"worker-1", "worker-2"}
        assert up.stop(signal.SIGINT) == 0
        assert survivors(family) == []


def refused(machine: Machine, *arguments: str, **environment: str) -> str:
    """The one line that `up` ends with, having left nothing behind."""
    result = machine.run("up", *arguments, **environment)
    assert result.returncode == 1
    assert "ready" not in result.stdout
    assert result.stderr.count("\n") == 1
    assert machine.run("status").returncode == 1
    mentioning = [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(machine.data_dir) in " ".join(process.info["cmdline"] or ())
    ]
    assert mentioning == []
    return result.stderr.removeprefix("order-engine: ").rstrip("\n")


def test_a_file_in_place_of_the_data_directory(machine: Machine) -> None:
    machine.data_dir.write_text("")
    assert refused(machine) == f"data directory {machine.data_dir} is not a directory"


def test_a_cluster_of_another_version(machine: Machine) -> None:
    cluster = machine.data_dir / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("17\n")
    assert refused(machine) == f"{cluster} holds a PostgreSQL 17 cluster; this release needs 18"


def test_a_damaged_cluster(machine: Machine) -> None:
    cluster = machine.data_dir / "postgres"
    cluster.mkdir(parents=True, mode=0o700)
    (cluster / "PG_VERSION").write_text("18\n")
    (machine.data_dir / "password").write_text("secret")
    if os.geteuid() == 0:
        os.chown(cluster, 65534, 65534)
    line = refused(machine)
    assert line.startswith("postgres exited with code ")
    assert f"(log: {machine.data_dir}/logs/postgres.log)" in line


def test_a_damaged_temporal_database(machine: Machine) -> None:
    (machine.data_dir / "temporal").mkdir(parents=True)
    (machine.data_dir / "temporal" / "temporal.db").write_bytes(b"no database" * 1000)
    assert refused(machine).startswith("temporal exited with code 1: ")


def test_external_servers_are_used_and_have_to_answer(machine: Machine) -> None:
    """All four at once, at a port where nobody listens: none of our own is started."""
    line = refused(
        machine,
        ORDER_ENGINE_DATABASE_URL="postgresql://postgres:hidden@127.0.0.1:1/orders",
        ORDER_ENGINE_REDIS_URL="redis://:hidden@127.0.0.1:1/0",
        ORDER_ENGINE_SOLANA_RPC_URL="http://127.0.0.1:1/?key=hidden",
        TEMPORAL_ADDRESS="127.0.0.1:1",
        ORDER_ENGINE_START_TIMEOUT="1",
    )
    assert re.match(r"(postgres|redis|localnet|temporal) is not healthy after 1 s: \w+: ", line)
    assert "hidden" not in line
    assert list((machine.data_dir / "logs").iterdir()) == []


def test_settings_that_cannot_be(machine: Machine) -> None:
    assert refused(machine, ORDER_ENGINE_WORKERS="0").startswith("ORDER_ENGINE_WORKERS: ")


def test_options_that_cannot_be_are_wrong_usage(machine: Machine) -> None:
    result = machine.run("up", "--api-port", "70000")
    assert result.returncode == 2
    assert "--api-port" in result.stderr
