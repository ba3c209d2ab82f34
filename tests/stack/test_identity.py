"""PostgreSQL refuses root: whom it runs as, and which capability that user needs."""

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import identity
from deploy.local.errors import StackError
from deploy.local.identity import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, Identity, unprivileged

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user stays what it is")


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A directory that everybody may pass, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
def program(open_root: Path) -> Path:
    program = open_root / "postgres"
    program.touch(mode=0o755)
    program.chmod(0o755)
    return program


@pytest.fixture
def data_dir(open_root: Path) -> Path:
    directory = open_root / "data"
    directory.mkdir()
    directory.chmod(0o711)
    return directory


def nobody(capability: int | None = None) -> Identity:
    user = pwd.getpwnam("nobody")
    return Identity(user.pw_uid, user.pw_gid, capability)


def test_open_paths_need_no_capability(data_dir: Path, program: Path) -> None:
    assert unprivileged(data_dir / "postgres", program) == nobody()


def test_closed_data_directory_needs_the_right_to_pass(data_dir: Path, program: Path) -> None:
    data_dir.chmod(0o700)
    assert unprivileged(data_dir / "postgres", program) == nobody(CAP_DAC_READ_SEARCH)


def test_program_for_its_owner_only_needs_the_right_to_execute_it(data_dir: Path, program: Path) -> None:
    program.chmod(0o700)
    assert unprivileged(data_dir / "postgres", program) == nobody(CAP_DAC_OVERRIDE)


def test_the_larger_capability_stands_in_for_the_lesser(
    data_dir: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir.chmod(0o700)
    monkeypatch.setattr(identity, "_permitted_capabilities", lambda: 1 << CAP_DAC_OVERRIDE)
    assert unprivileged(data_dir / "postgres", program) == nobody(CAP_DAC_OVERRIDE)


def test_no_capability_at_hand_is_refused_in_one_line(
    data_dir: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir.chmod(0o700)
    monkeypatch.setattr(identity, "_permitted_capabilities", lambda: 0)
    with pytest.raises(StackError, match=r"nobody cannot reach .*data"):
        unprivileged(data_dir / "postgres", program)


def test_existing_cluster_keeps_its_owner(data_dir: Path, program: Path) -> None:
    daemon = pwd.getpwnam("daemon")
    cluster = data_dir / "postgres"
    cluster.mkdir()
    os.chown(cluster, daemon.pw_uid, daemon.pw_gid)
    assert unprivileged(cluster, program) == Identity(daemon.pw_uid, daemon.pw_gid)
