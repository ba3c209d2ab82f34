"""Fixtures of the activities' tests."""

from collections.abc import AsyncIterator

import pytest

from tests.activities.desk import Desk, open_desk


@pytest.fixture(scope="module")
async def cluster_desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """One simulated cluster for a file of tests, and everything that a swap on it needs."""
    async with open_desk(tmp_path_factory.mktemp("localnet")) as desk:
        yield desk


@pytest.fixture
async def desk(cluster_desk: Desk) -> AsyncIterator[Desk]:
    """The file's cluster with a worker that remembers nothing, and without faults."""
    await cluster_desk.restart()
    yield cluster_desk
    cluster_desk.pools.away = False
    await cluster_desk.chain.rpc("localnet_setFaults", [])
