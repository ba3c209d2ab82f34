"""Fixtures of the simulated cluster's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.localnet.chain import Chain, running


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    """A new cluster with the default genesis."""
    async with running(tmp_path) as chain:
        yield chain
