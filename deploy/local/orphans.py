"""Processes that outlive their parent below the supervisor: PostgreSQL's, for one, leave their server's group."""

import contextlib
import ctypes
import os
import sys

import psutil

# linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that none gets out of sight.

    Those that end meanwhile wait as zombies for `end_descendants`. Only Linux can do this.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(patience: float = 5.0) -> None:
    """Kill what is still below this process, and collect what has ended."""
    descendants = psutil.Process().children(recursive=True)
    for process in descendants:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(descendants, timeout=patience)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
