"""A stack for the tests that can share one."""

from collections.abc import Iterator

import pytest

from tests.e2e.stack import Stack
from tests.e2e.telling import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport", "stack"]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack with two workers."""
    running = Stack.start(tmp_path_factory.mktemp("stack"), "--workers", "2")
    try:
        yield running
    finally:
        running.stop()
