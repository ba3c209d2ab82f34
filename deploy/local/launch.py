"""Prepare this process as a child of the local stack, then become the given program.

Run by file path (`python -I -S launch.py SPEC PROGRAM ARGUMENT…`) with the standard library only, so that it costs
a few milliseconds. Between fork and exec is the only place where a parent-death signal, an unprivileged user and a
capability can be set, and `subprocess` allows no safe hook there once the parent has threads.

SPEC is a JSON object:
    parent        pid of the supervisor; the program is not started when that process is already gone
    death_signal  signal this process receives when the supervisor dies, SIGKILL included
    uid, gid      optional: the user to become (needs root)
    capability    optional: number of the one Linux capability kept across the change of user
"""

import ctypes
import json
import os
import sys
from collections.abc import Mapping

# Numbers from linux/prctl.h and linux/capability.h, stable parts of the kernel's interface.
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def _checked(result: int, call: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")


def _become(libc: ctypes.CDLL, uid: int, gid: int, capability: int | None) -> None:
    """Give up root for `uid`, keeping nothing but `capability`, which the exec'd program inherits as ambient."""
    if capability is not None:
        _checked(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl(PR_SET_KEEPCAPS)")
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if capability is not None:
        mask = 1 << capability
        header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
        # Two 32-bit halves make one 64-bit set; the capabilities used here are all in the lower half.
        halves = (_CapabilityData * 2)(_CapabilityData(mask, mask, mask), _CapabilityData(0, 0, 0))
        _checked(libc.capset(ctypes.byref(header), halves), "capset")
        _checked(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0), "prctl(PR_CAP_AMBIENT)")


def _prepare(spec: Mapping[str, int | None]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = spec.get("uid"), spec.get("gid")
    if uid is not None and gid is not None:
        _become(libc, uid, gid, spec.get("capability"))
    # After the change of user, which clears it. Only Linux has it; elsewhere the next `up` ends what was left behind.
    if sys.platform == "linux":
        _checked(libc.prctl(_PR_SET_PDEATHSIG, spec["death_signal"], 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != spec["parent"]:
        sys.exit("the supervisor ended before its child could start")


if __name__ == "__main__":
    _prepare(json.loads(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
