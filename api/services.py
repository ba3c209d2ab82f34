"""What the routes work with: made once per process, torn down in order."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from redis.asyncio import Redis
from starlette.requests import HTTPConnection
from temporalio.client import Client

from api.access import Gatekeeper, Keys
from api.admission import Admission
from api.changes import OrderChanges
from api.commands import OrderCommands
from api.dead_mans_switch import Switches
from api.engine import Engine
from api.feeds import AccountFeeds
from api.hub import EventHub
from api.lookup import OrderLookup
from api.present import WebUi
from api.quote_feeds import QuoteFeeds
from api.rate import Policy, RateLimiter
from api.readiness import ReadinessChecks
from api.session import Channels
from api.settings import ApiAuth, ApiSettings
from api.stream import OrderStream
from api.submission import Submission
from api.tokens import TokenCatalog
from api.waiting import OrderWaits
from api.workers import WorkerReports
from db.account_log import AccountLog
from db.database import Database
from db.keys import ApiKeyRepository
from db.operations import OperationsReader
from db.reconciliation import ReconciliationRepository
from db.registry import PoolRepository, TokenRepository
from db.risk import HaltRepository
from db.views import OrderReader
from workflows.domain.access import Scope


@dataclass(frozen=True)
class Services:
    """Everything a route may ask for."""

    engine: Engine
    reader: OrderReader
    lookup: OrderLookup
    commands: OrderCommands
    waits: OrderWaits
    tokens: TokenCatalog
    stream: OrderStream
    channels: Channels
    readiness: ReadinessChecks
    web_ui: WebUi
    gatekeeper: Gatekeeper
    pools: PoolRepository
    operations: OperationsReader
    halts: HaltRepository
    reconciliations: ReconciliationRepository
    workers: WorkerReports


@contextlib.asynccontextmanager
async def running_services(settings: ApiSettings, client: Client) -> AsyncIterator[Services]:
    """The services on these settings, with the relay's subscription up while inside."""
    database = Database(settings)
    engine, reader = Engine(client), OrderReader(database)
    lookup = OrderLookup(reader, engine)
    tokens = TokenCatalog(TokenRepository(database))
    feeds = AccountFeeds(AccountLog(database))
    hub = EventHub(settings.redis_url.get_secret_value(), reader, feeds)
    redis = Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=0.5, socket_connect_timeout=0.5)
    web_ui = WebUi(settings.temporal_ui_url, engine.namespace, settings.cluster)
    try:
        async with hub.running(), feeds.running():
            stream = OrderStream(hub, lookup, reader, web_ui)
            submission = Submission(engine, lookup, reader, Admission(reader, settings.api_orders_in_progress))
            commands = OrderCommands(submission, OrderChanges(client), Switches(client), lookup, reader, tokens)
            yield Services(
                engine=engine,
                reader=reader,
                lookup=lookup,
                commands=commands,
                waits=OrderWaits(hub, lookup),
                tokens=tokens,
                stream=stream,
                channels=Channels(hub, feeds, stream, QuoteFeeds(engine), tokens, commands, web_ui),
                readiness=ReadinessChecks(engine, database, hub),
                web_ui=web_ui,
                gatekeeper=_gatekeeper(settings, database, redis),
                pools=PoolRepository(database),
                operations=OperationsReader(database),
                halts=HaltRepository(database),
                reconciliations=ReconciliationRepository(database),
                workers=WorkerReports(redis),
            )
    finally:
        await redis.aclose()
        await database.close()


def _gatekeeper(settings: ApiSettings, database: Database, redis: Redis) -> Gatekeeper:
    keys = Keys(ApiKeyRepository(database)) if settings.api_auth is ApiAuth.KEYS else None
    reads, trades = (
        Policy(name, rate, rate * settings.api_burst_seconds)
        for name, rate in (("read", settings.api_read_rate), ("trade", settings.api_trade_rate))
    )
    return Gatekeeper(keys, RateLimiter(redis), {Scope.READ: reads, Scope.TRADE: trades, Scope.ADMIN: trades})


# A coroutine only because FastAPI would run a plain function in a thread, at several times the cost.
async def services(connection: HTTPConnection) -> Services:
    """The services of the app that serves this request or stream."""
    found = connection.app.state.services
    assert isinstance(found, Services)
    return found
