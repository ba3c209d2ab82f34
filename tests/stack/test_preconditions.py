"""What stops the stack before it starts anything, each in one line that says what to change."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.postgres import Cluster
from deploy.local.preconditions import create_data_directory, exclusive, require_free_ports


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_every_taken_port_is_named_with_its_option(listener: socket.socket) -> None:
    taken = listener.getsockname()[1]
    with pytest.raises(StackError, match=rf"^port {taken} is already in use \(choose another with --api-port\)$"):
        require_free_ports({"api-port": taken, "redis-port": unused_port()}, {})


def test_free_ports_pass_and_stay_free() -> None:
    port = unused_port()
    require_free_ports({"api-port": port}, {"api-port": "0.0.0.0"})
    require_free_ports({"api-port": port}, {})


def test_one_port_for_two_servers_is_refused() -> None:
    with pytest.raises(StackError, match=r"^--api-port and --redis-port are the same port 7000$"):
        require_free_ports({"api-port": 7000, "redis-port": 7000, "postgres-port": 7001}, {})


def test_an_address_of_another_machine_is_refused() -> None:
    # 192.0.2.0/24 is reserved for documentation (RFC 5737): no machine has it.
    with pytest.raises(StackError, match="cannot be used"):
        require_free_ports({"api-port": 8080}, {"api-port": "192.0.2.1"})


def test_a_file_is_no_data_directory(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("")
    with pytest.raises(StackError, match=r"data is not a directory$"):
        create_data_directory(path)


def test_below_a_file_there_is_no_data_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="cannot be used: Not a directory"):
        create_data_directory(tmp_path / "file" / "data")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StackError, match="cannot be used"):
        create_data_directory(tmp_path)
    tmp_path.chmod(0o700)


def test_new_data_directory_shows_its_content_to_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a" / "data"
    create_data_directory(path)
    assert path.stat().st_mode & 0o066 == 0
    assert (path / "logs").stat().st_mode & 0o077 == 0


def test_existing_data_directory_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    create_data_directory(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o750


def test_a_directory_is_held_by_one_stack_and_free_after_it(tmp_path: Path) -> None:
    attempt = [
        sys.executable,
        "-c",
        "import pathlib, sys\n"
        "from deploy.local.preconditions import exclusive\n"
        "with exclusive(pathlib.Path(sys.argv[1])): print('held')",
        str(tmp_path),
    ]
    with exclusive(tmp_path):
        refused = subprocess.run(attempt, capture_output=True, text=True, check=False)
    assert f"another order-engine up (pid {os.getpid()}) already runs on {tmp_path}" in refused.stderr
    assert subprocess.run(attempt, capture_output=True, text=True, check=True).stdout == "held\n"


class TestCluster:
    """A directory that the embedded PostgreSQL cannot serve."""

    @pytest.fixture
    def cluster(self, tmp_path: Path) -> Cluster:
        (tmp_path / "postgres").mkdir()
        (tmp_path / "postgres" / "PG_VERSION").write_text("18\n")
        (tmp_path / "password").write_text("secret")
        return Cluster(tmp_path, 15432)

    def test_its_own_cluster_passes(self, cluster: Cluster) -> None:
        cluster.check()

    def test_nothing_yet_passes(self, tmp_path: Path) -> None:
        Cluster(tmp_path, 15432).check()

    def test_another_major_version(self, cluster: Cluster) -> None:
        (cluster.path / "PG_VERSION").write_text("17\n")
        with pytest.raises(StackError, match="holds a PostgreSQL 17 cluster; this release needs 18"):
            cluster.check()

    def test_something_else(self, cluster: Cluster) -> None:
        (cluster.path / "PG_VERSION").unlink()
        with pytest.raises(StackError, match="is not a PostgreSQL cluster: PG_VERSION is missing"):
            cluster.check()

    def test_a_file_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "postgres").write_text("")
        with pytest.raises(StackError, match="postgres is not a directory"):
            Cluster(tmp_path, 15432).check()

    def test_a_lost_password(self, cluster: Cluster) -> None:
        (cluster.data_dir / "password").unlink()
        with pytest.raises(StackError, match="password is missing"):
            cluster.check()

    async def test_an_interrupted_first_start_is_cleared_away(self, tmp_path: Path) -> None:
        abandoned = tmp_path / "postgres.new-abandoned"
        (abandoned / "cluster").mkdir(parents=True)
        cluster = Cluster(tmp_path, 15432)
        await cluster.create()
        assert (cluster.path / "PG_VERSION").read_text() == "18\n"
        assert set(os.listdir(tmp_path)) == {"postgres", "password"}
        cluster.check()
