"""A running API, and activities whose venues and chain are scripted, on the real store and relay."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from temporalio import activity

from activities.publish import RedisRelay
from activities.refusal import refusal
from api.hub import EventHub
from api.server import make_server
from api.services import Services
from api.settings import ApiSettings
from db.orders import OrderRepository
from tests.api.stream_client import StreamClient, open_stream
from tests.workflows.scripted import Script, ScriptedActivities
from workflows.domain.errors import EngineError
from workflows.domain.order import OrderEvent
from workflows.domain.routing import VenueQuotes, choose, told
from workflows.messages import ChooseRoute, PairSurvey, QuoteRequest, SurveyedPool, SurveyPair


class StoringActivities(ScriptedActivities):
    """Scripted venues and chain, on the real store and relay."""

    def __init__(self, script: Script, store: OrderRepository, relay: RedisRelay) -> None:
        super().__init__(script)
        self.store = store  # type: ignore[assignment]
        self.relay = relay  # type: ignore[assignment]

    def all(self) -> Sequence[Callable[..., Any]]:
        others = [each for each in super().all() if each.__name__ != "choose_route"]
        return (*others, self.choose_route, self.compare_quotes, self.survey_pair)

    @activity.defn
    async def choose_route(self, request: ChooseRoute) -> OrderEvent:
        """The best of the scripted quotes."""
        terms = request.terms
        try:
            decision = choose(request.venues, terms.token_in, terms.token_out, terms.exact_out)
        except EngineError as error:
            raise refusal(error) from None
        facts = {"venue": decision.route.venue, "data": told(decision, terms.token_out)}
        stands = await self.store.append_event(terms.order_id, request.event.model_copy(update=facts))
        await self.relay.publish(terms.order_id, terms.account, (stands,))
        return stands

    @activity.defn
    async def compare_quotes(self, request: QuoteRequest) -> tuple[VenueQuotes, ...]:
        """Both venues, by the script."""
        return await self.fetch_raydium_quote(request), await self.fetch_meteora_quote(request)

    @activity.defn
    async def survey_pair(self, request: SurveyPair) -> PairSurvey:
        """The pair has one pool, which gives nothing."""
        pool = SurveyedPool(venue="raydium", kind="cpmm", pool="pool", amounts_out=(None,), reason="paused")
        return PairSurvey(slot=7, sizes=(1_000_000,), pools=(pool,))


RunWorker = Callable[[Script], AbstractAsyncContextManager[StoringActivities]]


@dataclass
class Api:
    """A running API and a client for it."""

    http: httpx.AsyncClient
    port: int
    app: FastAPI

    @property
    def services(self) -> Services:
        """What its routes work with."""
        return self.app.state.services

    @property
    def hub(self) -> EventHub:
        """What its streams are subscribed to."""
        return self.services.stream._hub

    def stream(self, order_id: str, after: int | str | None = None) -> AbstractAsyncContextManager[StreamClient]:
        """A stream of the order's events."""
        query = "" if after is None else f"?after={after}"
        return open_stream(f"ws://127.0.0.1:{self.port}/api/orders/{order_id}/stream{query}")

    async def becomes(self, status: str) -> dict[str, Any]:
        """Wait until the API says of itself that it is `ready`, `degraded` or `unavailable`."""
        while True:
            readiness: dict[str, Any] = (await self.http.get("/readyz")).json()
            if readiness["status"] == status:
                return readiness
            await asyncio.sleep(0.05)

    async def has_no_streams(self) -> None:
        """Wait until every stream is forgotten."""
        while True:
            if not self.hub._subscriptions:
                return
            await asyncio.sleep(0.01)

    async def submit(self, **changes: Any) -> dict[str, Any]:
        """Post an order that is accepted."""
        answer = await self.http.post("/api/orders", json=order_body(**changes))
        assert answer.status_code == 202, answer.text
        accepted: dict[str, Any] = answer.json()
        return accepted


def order_body(**changes: Any) -> dict[str, Any]:
    """A good order, with changes; None leaves a field out."""
    body = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"} | changes
    return {name: value for name, value in body.items() if value is not None}


@asynccontextmanager
async def serving(settings: ApiSettings) -> AsyncIterator[Api]:
    """The API on these settings, until the block ends."""
    server = make_server(settings)
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done(), "the API ended at its start"
        await asyncio.sleep(0.01)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.api_port}", timeout=30) as http:
        try:
            yield Api(http, settings.api_port, server.config.app)
        finally:
            server.should_exit = True
            await task
