"""One stack for all tests that break it, and the clients that use it."""

from collections.abc import Iterator

import pytest

from tests.chaos.run import start
from tests.chaos.schedule import SEED, SHORT
from tests.chaos.traffic import Clients
from tests.e2e.stack import Stack
from tests.e2e.telling import pytest_runtest_makereport

__all__ = ["broken_stack", "clients", "pytest_runtest_makereport"]


@pytest.fixture(scope="session")
def broken_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with two workers and the seed's crash points."""
    running = start(tmp_path_factory.mktemp("chaos") / "stack", SEED, SHORT)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def clients(broken_stack: Stack) -> Clients:
    """All clients of the stack."""
    return Clients(broken_stack)
