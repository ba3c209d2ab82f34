"""How `make test` shares the tests out to processes that run side by side. A pytest plugin, for pytest-xdist.

Most tests wait: for a chain, a server or a clock. So there are more processes than cores, and while one waits another
computes. Each process has servers of its own, on ports of its own (`tests.servers`).
"""

import os
from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# The tests of such a folder share a running stack, whose start costs more than most tests; they also take longest.
_STACKS = ("tests/e2e", "tests/chaos", "tests/browser", "tests/stack", "tests/telemetry")

# Every process imports everything and starts servers: beyond this many that costs more than it gains.
_MOST = 8


def pytest_xdist_auto_num_workers() -> int:
    """Twice as many processes as cores."""
    return min(2 * (os.cpu_count() or 1), _MOST)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that at the end no process is left alone with it; else keep the order."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _scope(item.nodeid) not in _STACKS)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Hand out whole folders and files, in the order of the tests."""
    config.option.loadscopereorder = False
    return _Scopes(config, log)


class _Scopes(LoadScopeScheduling):
    """What stays together in one process: the tests that share a stack, or else those of a file."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope(nodeid)


def _scope(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    folder = str(PurePosixPath(file).parent)
    return folder if folder in _STACKS else file
