"""The state file tells processes of the stack from all others."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import state
from deploy.local.state import ProcessRecord, StackState


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    yield started
    started.kill()
    started.wait()


def record_of(pid: int, born: str | None = None) -> ProcessRecord:
    return ProcessRecord(
        name="redis",
        pid=pid,
        address="127.0.0.1:1",
        stop_signal=signal.SIGTERM,
        born=born or state.birth(pid) or "",
    )


def save(directory: Path, *processes: ProcessRecord) -> None:
    state.write(
        directory,
        StackState(supervisor=record_of(os.getpid()), ready=True, environment={"A": "b"}, processes=processes),
    )


def test_what_was_written_is_read(tmp_path: Path) -> None:
    save(tmp_path, record_of(os.getpid()))
    read = state.read(tmp_path)
    assert read is not None
    assert read.environment == {"A": "b"}
    assert [process.pid for process in read.processes] == [os.getpid()]


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    save(tmp_path)
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"ready": true}'])
def test_a_damaged_file_is_no_state(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.json").write_bytes(content)
    assert state.read(tmp_path) is None
    assert state.running(tmp_path) == []


def test_a_dead_process_is_not_running(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    save(tmp_path, record_of(process.pid))
    assert [found.pid for found in state.running(tmp_path)] == [process.pid]
    process.kill()
    # Not waited for: it is a zombie from here on.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert state.running(tmp_path) == []


def test_a_later_process_with_the_same_pid_is_left_alone(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    save(tmp_path, record_of(process.pid, born="another boot/123"))
    assert state.end_leftovers(tmp_path) == []
    assert process.poll() is None


def test_leftovers_are_ended_and_forgotten(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    save(tmp_path, record_of(process.pid))
    assert state.end_leftovers(tmp_path) == ["redis"]
    assert state.birth(process.pid) is None
    assert list(tmp_path.iterdir()) == []


def test_a_leftover_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    stubborn = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    assert stubborn.stdout is not None
    with stubborn.stdout:
        stubborn.stdout.readline()
        save(tmp_path, record_of(stubborn.pid))
        state.end_leftovers(tmp_path, patience=0.2)
    assert state.birth(stubborn.pid) is None
    stubborn.wait()
