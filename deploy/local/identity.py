"""Which user PostgreSQL runs as. It refuses root, so root hands it to an unprivileged user.

That user may be unable to reach the data directory or the program (below /root, say, which is 0700). Opening those
directories up would weaken what their owner protects; instead the process keeps the one capability it needs.
"""

import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError

# Bits of linux/capability.h. READ_SEARCH suffices to pass through and read; only OVERRIDE may also execute a file
# whose mode allows nobody but its owner, and it is the one of the two that containers usually leave to root.
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2

_NAMES = ("nobody", "daemon", "bin")


@dataclass(frozen=True)
class Identity:
    """A user to become, and the number of the capability to keep (None: none is needed)."""

    uid: int
    gid: int
    capability: int | None = None


def unprivileged(cluster: Path, program: Path) -> Identity | None:
    """The user for a PostgreSQL cluster, or None when this process is not root and simply stays what it is.

    An existing cluster keeps its owner. Raises StackError when no suitable user exists, or when it cannot reach
    `program` or `cluster` and no capability is at hand.
    """
    if os.geteuid() != 0:
        return None
    user = _user(cluster)
    needed = _needed(user.pw_uid, user.pw_gid, cluster, program)
    if not needed:
        return Identity(user.pw_uid, user.pw_gid)
    permitted = _permitted_capabilities()
    for capability in needed:
        if permitted >> capability & 1:
            return Identity(user.pw_uid, user.pw_gid, capability)
    raise StackError(
        f"PostgreSQL does not run as root, and user {user.pw_name} cannot reach {cluster.parent} or {program.parent}: "
        "choose another --data-dir, or run as an ordinary user"
    )


def _user(cluster: Path) -> pwd.struct_passwd:
    """initdb looks its user up by uid, so it has to be one that the system knows."""
    try:
        owner = cluster.stat().st_uid
        if owner != 0:
            return pwd.getpwuid(owner)
    except (FileNotFoundError, KeyError):
        pass
    for name in _NAMES:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if user.pw_uid != 0:
            return user
    raise StackError("PostgreSQL does not run as root, and there is no user nobody: run as an ordinary user")


def _needed(uid: int, gid: int, cluster: Path, program: Path) -> tuple[int, ...]:
    """Capabilities of which one is needed, the lesser first; empty when file modes allow everything."""
    if not _allowed(program, uid, gid, stat.S_IROTH | stat.S_IXOTH):
        return (CAP_DAC_OVERRIDE,)
    passages = {*cluster.parents, *program.parents}
    if not all(_allowed(passage, uid, gid, stat.S_IXOTH) for passage in _existing(passages)):
        return (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE)
    return ()


def _existing(paths: Iterable[Path]) -> Iterable[Path]:
    return (path for path in paths if path.exists())


def _allowed(path: Path, uid: int, gid: int, others: int) -> bool:
    """Whether the mode of `path` allows the user what the bits `others` would allow everybody."""
    status = path.stat()
    shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
    wanted = others << shift
    return status.st_mode & wanted == wanted


def _permitted_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0
