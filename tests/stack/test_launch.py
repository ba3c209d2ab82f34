"""A child of the stack never outlives it, and may run as another user."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deploy.local import launch
from deploy.local.identity import CAP_DAC_READ_SEARCH, Identity
from deploy.local.process import command_as

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
NOBODY = 65534


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)


def test_child_dies_with_a_killed_parent() -> None:
    child_code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    parent_code = (
        "import subprocess, sys, time\n"
        "from deploy.local.process import command_as\n"
        "subprocess.Popen(command_as([sys.executable, '-c', sys.argv[1]], None))\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", parent_code, child_code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        assert psutil.pid_exists(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        # The pipe ends when the last process that holds it, the child, has ended.
        assert parent.stdout.read() == b""


def test_program_is_not_started_for_a_parent_that_is_gone() -> None:
    command = [sys.executable, "-I", "-S", launch.__file__, '{"parent": 1, "death_signal": 9}', "/bin/echo", "started"]
    result = run(command)
    assert result.returncode == 1
    assert result.stdout == ""
    assert "supervisor ended" in result.stderr


@as_root
def test_becomes_another_user_without_any_capability() -> None:
    status = run(command_as(["/bin/cat", "/proc/self/status"], Identity(NOBODY, NOBODY))).stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == [str(NOBODY)] * 4
    assert fields["Gid"].split() == [str(NOBODY)] * 4
    assert fields["Groups"].strip() == ""
    assert {fields[name] for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {"0" * 16}


@as_root
def test_kept_capability_passes_a_closed_directory(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "note").write_text("read")
    (closed / "note").chmod(0o644)
    command = ["/bin/cat", str(closed / "note")]
    assert run(command_as(command, Identity(NOBODY, NOBODY))).returncode == 1
    assert run(command_as(command, Identity(NOBODY, NOBODY, CAP_DAC_READ_SEARCH))).stdout == "read"
