"""The HTTP application."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any

from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from api import problems
from api.access import administrator, principal
from api.guard import LOOPBACK_HOSTS, Guard
from api.openapi import DESCRIPTION, document
from api.routes import changes, errors, health, history, markets, operations, orders, pools, streams, trading, web
from api.services import Services
from api.settings import ApiAuth, ApiSettings


def create_app(settings: ApiSettings, open_services: Callable[[], AbstractAsyncContextManager[Services]]) -> FastAPI:
    """The application; `open_services` is entered when it starts and left when it ends."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services() as services:
            app.state.services = services
            yield

    app = _routed(lifespan)
    app.state.cluster = settings.cluster
    problems.install(app)
    _guard(app, settings)
    return app


def openapi_document() -> dict[str, Any]:
    """What the API says of itself, without running it."""
    return _routed(None).openapi()


def _routed(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None) -> FastAPI:
    # The pages of /docs come from the package, not from a content network: the machine may be offline.
    app = FastAPIOffline(
        title="Order execution engine",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    for router in (
        orders.router,
        history.router,
        changes.router,
        streams.router,
        markets.router,
        pools.router,
        operations.router,
    ):
        app.include_router(router, dependencies=[Depends(principal)])
    app.include_router(trading.router, dependencies=[Depends(administrator)])
    app.include_router(health.router)
    app.include_router(errors.router)
    app.include_router(web.router)
    app.openapi = cache(lambda: document(app))  # type: ignore[method-assign]
    return app


def _guard(app: FastAPI, settings: ApiSettings) -> None:
    origins = settings.api_allowed_origins
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PATCH"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Last-Event-ID"],
            expose_headers=["Location", "ETag", "Idempotency-Replayed", "RateLimit", "RateLimit-Policy", "Retry-After"],
        )
    hosts = LOOPBACK_HOSTS if settings.api_auth is ApiAuth.NONE else None
    app.add_middleware(Guard, hosts=hosts, allowed_origins=origins)
