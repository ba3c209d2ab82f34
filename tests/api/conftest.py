"""The API on real sockets in front of real servers, and a worker whose venues and chain are scripted."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from uuid import uuid4

import pytest
import uvicorn
from redis.asyncio import Redis
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.dead_mans_switch import DeadMansSwitchActivities
from activities.publish import RedisRelay
from api.engine import Engine
from api.settings import ApiAuth, ApiSettings
from db.database import Database
from db.live_orders import LiveOrderReader
from db.orders import OrderRepository
from db.registry import TokenRepository
from tests.api.running import Api, RunWorker, StoringActivities, serving
from tests.samples import SOL, USDC
from tests.servers import PostgresServer, RedisServer, free_port
from tests.workflows.scripted import Script
from workflows import names
from workflows.dead_mans_switch import DeadMansSwitchWorkflow
from workflows.domain.order import OrderTerms
from workflows.order import OrderWorkflow
from workflows.quote import QuoteWorkflow
from workflows.survey import SurveyWorkflow


@pytest.fixture(scope="session", autouse=True)
def _unsignalled() -> Iterator[None]:
    """The servers under test leave the signals of the test process alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.Server, "capture_signals", lambda _: nullcontext())
        yield


@pytest.fixture
def task_queue(monkeypatch: pytest.MonkeyPatch) -> str:
    """A task queue of the test's own: no worker takes up the orders of another test."""
    queue = f"orders-{uuid4()}"
    monkeypatch.setattr("api.engine.TASK_QUEUE", queue)
    monkeypatch.setattr("api.dead_mans_switch.TASK_QUEUE", queue)
    return queue


@pytest.fixture(scope="session")
def session_settings(
    postgres_server: PostgresServer, redis_server: RedisServer, temporal_server: WorkflowEnvironment
) -> Iterator[ApiSettings]:
    """Settings for the session's servers, and where Temporal is in the environment."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TEMPORAL_ADDRESS", temporal_server.client.service_client.config.target_host)
        yield ApiSettings(
            database_url=postgres_server.url(),
            redis_url=redis_server.url,
            temporal_ui_url="http://temporal.example:8233/",
            database_connect_timeout=2,
        )


@pytest.fixture
def api_settings(session_settings: ApiSettings, database_url: str) -> ApiSettings:
    """Settings for the session's servers, a free port, and an empty database."""
    return session_settings.model_copy(update={"api_port": free_port()})


@pytest.fixture
async def api(api_settings: ApiSettings, task_queue: str, database: Database) -> AsyncIterator[Api]:
    """The API, knowing SOL and USDC. No worker runs."""
    await TokenRepository(database).upsert([SOL, USDC])
    async with serving(api_settings) as api:
        yield api


@pytest.fixture
async def guarded(api_settings: ApiSettings, task_queue: str, database: Database) -> AsyncIterator[Api]:
    """An API that wants keys."""
    await TokenRepository(database).upsert([SOL, USDC])
    async with serving(api_settings.model_copy(update={"api_auth": ApiAuth.KEYS})) as api:
        yield api


@pytest.fixture
async def relay(redis_server: RedisServer) -> AsyncIterator[RedisRelay]:
    """The relay as the worker uses it."""
    async with Redis.from_url(redis_server.url) as redis:
        yield RedisRelay(redis)


@pytest.fixture
def run_worker(
    temporal_server: WorkflowEnvironment, task_queue: str, database: Database, relay: RedisRelay
) -> RunWorker:
    """Runs a worker whose steps answer as a script says, on the real store and relay."""

    @asynccontextmanager
    async def run(script: Script) -> AsyncIterator[StoringActivities]:
        activities = StoringActivities(script, OrderRepository(database), relay)
        worker = Worker(
            temporal_server.client,
            task_queue=task_queue,
            workflows=[OrderWorkflow, QuoteWorkflow, SurveyWorkflow, DeadMansSwitchWorkflow],
            activities=(*activities.all(), DeadMansSwitchActivities(LiveOrderReader(database)).cancel_orders),
            sticky_queue_schedule_to_start_timeout=names.STICKY_TIMEOUT,
        )
        async with worker:
            yield activities

    return run


@pytest.fixture(scope="session")
async def shared_api(session_settings: ApiSettings) -> AsyncIterator[Api]:
    """One API for all tests that create nothing."""
    async with serving(session_settings.model_copy(update={"api_port": free_port()})) as api:
        yield api


@pytest.fixture
async def refusing_api(shared_api: Api, database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """An API that knows SOL and USDC. Fails the test when an order reaches the engine."""
    started: list[OrderTerms] = []

    async def start(_: Engine, terms: OrderTerms) -> OrderTerms:
        started.append(terms)
        return terms

    monkeypatch.setattr(Engine, "start", start)
    await TokenRepository(database).upsert([SOL, USDC])
    yield shared_api
    assert started == []
