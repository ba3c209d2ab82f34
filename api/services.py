"""What the routes work with: made once per process, torn down in order."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import HTTPConnection
from temporalio.client import Client

from api.changes import OrderChanges
from api.engine import Engine
from api.hub import EventHub
from api.lookup import OrderLookup
from api.present import WebUi
from api.readiness import ReadinessChecks
from api.settings import ApiSettings
from api.stream import OrderStream
from api.submission import Submission
from api.tokens import TokenCatalog
from db.database import Database
from db.registry import TokenRepository
from db.views import OrderReader
from workflows.domain.order import DEFAULT_ACCOUNT


@dataclass(frozen=True)
class Services:
    """Everything a route may ask for."""

    engine: Engine
    reader: OrderReader
    lookup: OrderLookup
    submission: Submission
    changes: OrderChanges
    tokens: TokenCatalog
    stream: OrderStream
    readiness: ReadinessChecks
    web_ui: WebUi


@contextlib.asynccontextmanager
async def running_services(settings: ApiSettings, client: Client) -> AsyncIterator[Services]:
    """The services on these settings, with the relay's subscription up while inside."""
    database = Database(settings)
    engine, reader = Engine(client), OrderReader(database)
    lookup = OrderLookup(reader, engine)
    hub = EventHub(settings.redis_url.get_secret_value(), reader)
    web_ui = WebUi(settings.temporal_ui_url, engine.namespace)
    try:
        async with hub.running():
            yield Services(
                engine=engine,
                reader=reader,
                lookup=lookup,
                submission=Submission(engine, lookup, reader),
                changes=OrderChanges(client),
                tokens=TokenCatalog(TokenRepository(database)),
                stream=OrderStream(hub, lookup, reader, web_ui),
                readiness=ReadinessChecks(engine, database, hub),
                web_ui=web_ui,
            )
    finally:
        await database.close()


# Both are coroutines only because FastAPI would run plain functions in a thread, at several times the cost.


async def services(connection: HTTPConnection) -> Services:
    """The services of the app that serves this request or stream."""
    found = connection.app.state.services
    assert isinstance(found, Services)
    return found


async def account() -> str:
    """The account that a request acts for. There is one until clients have to say who they are."""
    return DEFAULT_ACCOUNT
