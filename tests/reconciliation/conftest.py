"""An installation of its own for each test: its chain remembers every swap."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from db.database import Database
from tests.reconciliation.world import World, new_namespace, open_world
from tests.servers import RedisServer


@pytest.fixture
async def idle_world(
    temporal_server: WorkflowEnvironment,
    database: Database,
    database_url: str,
    redis_server: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    """An installation without a worker; `world.worker(world.activities)` is one."""
    client = await new_namespace(temporal_server.client.service_client.config.target_host, monkeypatch)
    async with open_world(client, database, database_url, redis_server, tmp_path) as (world, activities):
        world.activities = activities
        yield world


@pytest.fixture
async def world(idle_world: World) -> AsyncIterator[World]:
    """An installation with a worker."""
    async with idle_world.worker(idle_world.activities):
        yield idle_world
