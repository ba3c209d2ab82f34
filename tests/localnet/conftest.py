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


@pytest.fixture
async def still(tmp_path: Path) -> AsyncIterator[Chain]:
    """A new cluster whose slots are so long that only `localnet_warpSlots` moves it."""
    async with running(tmp_path, slot_ms=60_000) as chain:
        yield chain
