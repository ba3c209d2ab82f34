"""A machine of its own for each test that starts the stack."""

from pathlib import Path

import pytest

from tests.stack.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A data directory and ports on which nothing was started yet."""
    return Machine(tmp_path / "data")
