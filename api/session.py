"""One connection to `/api/stream`: any number of subscriptions of one account, and requests with their answers."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.access import SUBPROTOCOL
from api.body import parse_object
from api.commands import OrderCommands
from api.feeds import AccountFeeds, FeedEnded, FollowerTooSlow
from api.follow import AccountFollower
from api.hub import EventHub
from api.present import WebUi
from api.problems import document, invalid, refused_field
from api.quote_feeds import QuoteFeeds
from api.schemas import Wire
from api.stream import TRY_AGAIN_LATER, OrderStream, SlowClient, close, send_text
from api.stream_schemas import (
    Amend,
    Cancel,
    CancelAll,
    CancelAllAfter,
    Heartbeat,
    Ping,
    Place,
    RequestProblem,
    Subscribed,
    SubscribeOrder,
    SubscribeOrders,
    SubscribeQuotes,
    Unsubscribe,
    Unsubscribed,
    Welcome,
    stream_request,
)
from api.swaps import understood
from api.tokens import TokenCatalog
from api.trading import Admit, StreamTrading
from workflows.domain.errors import EngineError, ErrorCode

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10

# What one connection may follow at a time; more orders are better followed all together.
_MOST_SUBSCRIPTIONS = 200


@dataclass(frozen=True, slots=True)
class Channels:
    """What can be followed, and asked for."""

    hub: EventHub
    feeds: AccountFeeds
    orders: OrderStream
    quotes: QuoteFeeds
    tokens: TokenCatalog
    commands: OrderCommands
    web_ui: WebUi


class StreamSession:
    """Serves one client of one account until it leaves."""

    def __init__(self, websocket: WebSocket, account: str, channels: Channels, admit: Admit) -> None:
        self._websocket = websocket
        self._account = account
        self._channels = channels
        self._trading = StreamTrading(channels.commands, channels.web_ui, account, admit, self._send)
        self._subscriptions: dict[str, asyncio.Task[None]] = {}
        # The reason to close with: the client is too slow.
        self._too_slow: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        """Serve until the client leaves; one that does not read is told where to resume."""
        offered = self._websocket.scope.get("subprotocols", ())
        await self._websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        tasks: list[asyncio.Future[None]] = [
            asyncio.ensure_future(self._unless_slow(self._read())),
            asyncio.ensure_future(self._unless_slow(self._beat())),
        ]
        try:
            ending: set[asyncio.Future[Any]] = {*tasks, self._too_slow}
            await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
            if self._too_slow.done():
                await close(self._websocket, TRY_AGAIN_LATER, self._too_slow.result())
        finally:
            tasks += self._subscriptions.values()
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect):
                    log.error("a stream of account %s failed", self._account, exc_info=outcome)
            await self._trading.finished()

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionError):
            # Without PostgreSQL a client is welcome all the same, and learns of its position by subscribing.
            position = await self._channels.feeds.position(self._account)
            await self._send(Welcome(account=self._account, account_seq=position, heartbeat_seconds=HEARTBEAT_SECONDS))
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            await self._answer(text.encode() if text is not None else message.get("bytes") or b"")

    async def _answer(self, body: bytes) -> None:
        request_id: str | None = None
        try:
            wanted = parse_object(body)
            given = wanted.get("id")
            request_id = given if isinstance(given, str) and len(given) <= 64 else None
            try:
                request = stream_request.validate_python(wanted)
            except ValidationError as error:
                raise invalid(error) from None
            await self._carry_out(request)
        except EngineError as error:
            await self._send(RequestProblem(id=request_id, problem=document(error)))

    async def _carry_out(self, request: object) -> None:
        match request:
            case SubscribeOrder():
                await self._subscribe(request.id, self._follow_order(request), request.after)
            case SubscribeOrders():
                after = request.after
                if after is None:
                    after = await self._position()
                await self._subscribe(request.id, self._follow_account(request.id, after), after)
            case SubscribeQuotes():
                await understood(request.quote, self._channels.tokens)
                await self._subscribe(request.id, self._follow_quotes(request), None)
            case Unsubscribe():
                task = self._subscriptions.pop(request.id, None)
                if task is None:
                    raise refused_field(ErrorCode.REQUEST_INVALID, "id", "is no subscription of this stream")
                task.cancel()
                await self._send(Unsubscribed(id=request.id))
            case Place() | Cancel() | Amend() | CancelAll() | CancelAllAfter():
                self._trading.begin(request)
            case Ping():
                await self._send(Heartbeat(id=request.id))

    async def _position(self) -> int:
        try:
            return await self._channels.feeds.position(self._account)
        except ConnectionError as error:
            raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, "PostgreSQL does not answer") from error

    async def _subscribe(self, name: str, work: Coroutine[None, None, None], after: int | None) -> None:
        refusal = None
        if name in self._subscriptions:
            refusal = refused_field(ErrorCode.REQUEST_INVALID, "id", "is a subscription already")
        elif len(self._subscriptions) >= _MOST_SUBSCRIPTIONS:
            refusal = refused_field(ErrorCode.REQUEST_INVALID, "id", f"at most {_MOST_SUBSCRIPTIONS} at a time")
        if refusal is not None:
            work.close()
            raise refusal
        await self._send(Subscribed(id=name, after=after))
        task = asyncio.create_task(self._unless_slow(self._guarded(name, work)))
        self._subscriptions[name] = task

    async def _guarded(self, name: str, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except EngineError as error:
            await self._send(RequestProblem(id=name, problem=document(error)))
        self._subscriptions.pop(name, None)
        await self._send(Unsubscribed(id=name, ended=True))

    async def _unless_slow(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except SlowClient:
            self._give_up("too slow; subscribe again after what you have")

    async def _follow_order(self, request: SubscribeOrder) -> None:
        prefix = _prefix(id=request.id, orderId=request.order_id)

        async def send(message: Wire) -> None:
            await self._text(prefix + message.model_dump_json(by_alias=True)[1:])

        with self._channels.hub.subscribe(request.order_id, request.after) as news:
            following = asyncio.ensure_future(self._channels.orders.follow(news, self._account, send))
            lagging = asyncio.ensure_future(news.overflowed.wait())
            try:
                await asyncio.wait((following, lagging), return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    self._give_up(f"too slow; resume order {request.order_id} with after={news.position}")
                await following
            finally:
                following.cancel()
                lagging.cancel()

    async def _follow_account(self, name: str, after: int) -> None:
        follower = AccountFollower(self._channels.feeds, self._account, after)
        prefix = _prefix(id=name)
        try:
            async with contextlib.aclosing(follower.events()) as events:
                async for event in events:
                    await self._text(prefix + event.text[1:])
        except FeedEnded:
            # The server closes the connection itself.
            await asyncio.Event().wait()
        except (FollowerTooSlow, SlowClient):
            self._give_up(f"too slow; resume with after={follower.position}")

    async def _follow_quotes(self, request: SubscribeQuotes) -> None:
        swap = await understood(request.quote, self._channels.tokens)
        prefix = _prefix(type="quotes", id=request.id)
        feed = self._channels.quotes.quotes(swap, request.quote.slippage_bps)
        async with contextlib.aclosing(feed) as quotes:
            async for quote in quotes:
                if isinstance(quote, EngineError):
                    await self._send(RequestProblem(id=request.id, problem=document(quote)))
                else:
                    await self._text(prefix + quote[1:])

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await self._send(Heartbeat())

    async def _send(self, message: Wire) -> None:
        await self._text(message.model_dump_json(by_alias=True))

    async def _text(self, text: str) -> None:
        await send_text(self._websocket, text)

    def _give_up(self, reason: str) -> None:
        if not self._too_slow.done():
            self._too_slow.set_result(reason)


def _prefix(**members: str) -> str:
    """The beginning of a JSON object with these members, to be followed by the members of another."""
    return json.dumps(members, separators=(",", ":"))[:-1] + ","
