"""The HTTP application."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from api import problems
from api.access import administrator, principal
from api.guard import LOOPBACK_HOSTS, Guard
from api.operations_schemas import HaltRequest
from api.requests import AmendRequest, CancelAllAfterRequest, CancelAllRequest, OrderRequest, QuoteRequestBody
from api.routes import changes, health, markets, operations, orders, pools, streams, trading, web
from api.schemas import Problem
from api.services import Services
from api.settings import ApiAuth, ApiSettings

_PROBLEM: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "A problem with the request.",
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
    "5XX": {
        "description": "A problem of the engine.",
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
}


def create_app(settings: ApiSettings, open_services: Callable[[], AbstractAsyncContextManager[Services]]) -> FastAPI:
    """The application; `open_services` is entered when it starts and left when it ends."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services() as services:
            app.state.services = services
            yield

    # The pages of /docs come from the package, not from a content network: the machine may be offline.
    app = FastAPIOffline(
        title="Order execution engine",
        version="0.1.0",
        description="Swap orders for Solana DEXes: each accepted order ends, and trades at most once.",
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
        responses=_PROBLEM,
    )
    app.state.cluster = settings.cluster
    for router in (
        orders.router,
        changes.router,
        streams.router,
        markets.router,
        pools.router,
        operations.router,
    ):
        app.include_router(router, dependencies=[Depends(principal)])
    app.include_router(trading.router, dependencies=[Depends(administrator)])
    app.include_router(health.router)
    app.include_router(web.router)
    problems.install(app)
    _guard(app, settings)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
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


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The description of the routes, with the models of the bodies that they read themselves."""
    if app.openapi_schema is None:
        described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        models = described.setdefault("components", {}).setdefault("schemas", {})
        for model in (
            OrderRequest,
            AmendRequest,
            CancelAllRequest,
            CancelAllAfterRequest,
            QuoteRequestBody,
            HaltRequest,
            Problem,
        ):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            models.update(schema.pop("$defs", {}))
            models[model.__name__] = schema
        app.openapi_schema = described
    return app.openapi_schema
