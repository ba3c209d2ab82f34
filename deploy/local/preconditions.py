"""What must be true before anything is started: free ports and a usable data directory that nobody else holds."""

import errno
import fcntl
import os
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import StackError


def require_free_ports(ports: Mapping[str, int], hosts: Mapping[str, str]) -> None:
    """Refuse to start when a port is taken.

    `ports` and `hosts` are keyed by the command-line option of the port; a missing host means loopback.
    Raises StackError naming every taken port and its option.
    """
    doubled = [port for port, count in Counter(ports.values()).items() if count > 1]
    if doubled:
        options = " and ".join(f"--{option}" for option, port in ports.items() if port == doubled[0])
        raise StackError(f"{options} are the same port {doubled[0]}")
    taken = []
    for option, port in ports.items():
        reason = bind_failure(hosts.get(option, "127.0.0.1"), port)
        if reason:
            taken.append(f"port {port} {reason} (choose another with --{option})")
    if taken:
        raise StackError("; ".join(taken))


def bind_failure(host: str, port: int) -> str | None:
    """Why a server could not listen there, or None. The address is released at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As servers do: connections of an earlier run in TIME_WAIT are no obstacle, a listener still is.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return "is already in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
    return None


def create_data_directory(path: Path) -> None:
    """Make the data directory and prove that it can be written.

    A new one is created with mode 0711: when root starts the stack, PostgreSQL runs as another user and has to pass
    through. Everything inside is readable by its owner only. An existing directory keeps its mode.
    """
    try:
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        if not path.is_dir():
            raise StackError(f"data directory {path} is not a directory")
        (path / "logs").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StackError(f"data directory {path} cannot be used: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise StackError(f"data directory {path} cannot be used: not writable by this user")


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the data directory until the block ends, however this process ends.

    Raises StackError when another `up` holds it.
    """
    try:
        handle = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StackError(f"data directory {path} cannot be used: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(handle, 20, 0).decode(errors="replace").strip()
            raise StackError(f"another order-engine up (pid {owner}) already runs on {path}") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)
