"""The life of one stream: snapshot, the events after the client's last one, then events as they happen.

In order, without gap or duplicate, whatever becomes of Redis, PostgreSQL or the connection meanwhile.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from api.access import SUBPROTOCOL
from api.hub import EventHub, Subscription
from api.lookup import OrderLookup
from api.metrics import streamed
from api.present import WebUi, event_out, order_out
from api.problems import document, refused_field
from api.schemas import EventMessage, ProblemMessage, SnapshotMessage, Wire
from db.views import MOST_EVENTS, OrderReader
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.lifecycle import is_terminal
from workflows.domain.order import OrderEvent, OrderTerms

log = logging.getLogger(__name__)

CLOSED = 1000
TRY_AGAIN_LATER = 1013
BAD_REQUEST = 4400
NOT_FOUND = 4404

# A client that takes nothing for this long has stopped reading.
_SEND_SECONDS = 10.0

# For a close frame to leave; the connection of a client that does not even take that is cut.
_CLOSE_SECONDS = 5.0

_LARGEST_SEQ = 2**31 - 1


# Takes a message to the client.
Send = Callable[[Wire], Awaitable[None]]


class SlowClient(Exception):
    """The client does not read what it is sent."""


class OrderStream:
    """Serves the events of one order to one client."""

    def __init__(self, hub: EventHub, lookup: OrderLookup, reader: OrderReader, web_ui: WebUi) -> None:
        self._hub = hub
        self._lookup = lookup
        self._reader = reader
        self._web_ui = web_ui

    async def serve(self, websocket: WebSocket, order_id: str, after: str, account: str) -> None:
        """Serve until the order has ended or the client leaves. Closes with one of the codes above."""
        offered = websocket.scope.get("subprotocols", ())
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        try:
            position = _position(after)
            with self._hub.subscribe(order_id, position) as news:
                try:
                    await self._follow(websocket, news, account)
                    await close(websocket, CLOSED)
                except SlowClient:
                    await close(websocket, TRY_AGAIN_LATER, f"too slow; resume with after={news.position}")
        except EngineError as error:
            with contextlib.suppress(SlowClient, WebSocketDisconnect):
                await send_text(websocket, ProblemMessage(problem=document(error)).model_dump_json(by_alias=True))
                await close(websocket, _close_code(error.code), error.code)
        except WebSocketDisconnect:
            pass

    async def _follow(self, websocket: WebSocket, news: Subscription, account: str) -> None:
        async def send(message: Wire) -> None:
            await send_text(websocket, message.model_dump_json(by_alias=True))

        await _while_connected(websocket, news, self.follow(news, account, send))

    async def follow(self, news: Subscription, account: str, send: Send) -> None:
        """Send the snapshot and every event after the subscription's position, until the order has ended.

        Raises EngineError when there is no such order, or it has not got that far.
        """
        view = await self._lookup.find_for_stream(news.order_id, account)
        if 0 < view.last_seq < news.position:
            raise refused_field(ErrorCode.REQUEST_INVALID, "after", f"the order is at {view.last_seq}")
        await send(SnapshotMessage(order=order_out(view, self._web_ui)))
        if is_terminal(view.status) and news.position == view.last_seq:
            return
        await _Follower(send, news, self._reader, view.terms).until_end(view.last_seq)


class _Follower:
    """Sends the events after the subscription's position, each once, in order."""

    def __init__(self, send: Send, news: Subscription, reader: OrderReader, terms: OrderTerms) -> None:
        self._deliver = send
        self._news = news
        self._reader = reader
        self._terms = terms

    async def until_end(self, stored: int) -> None:
        """Send events until the terminal one. Events up to `stored` are known to be in PostgreSQL."""
        ended = stored > self._news.position and await self._send_stored()
        while not ended:
            news = await self._news.next()
            if isinstance(news, OrderEvent) and news.seq == self._news.position + 1:
                ended = await self._send(news)
                streamed(news.at)
            elif (news.seq if isinstance(news, OrderEvent) else news) > self._news.position:
                ended = await self._send_stored()

    async def _send_stored(self) -> bool:
        """Send what PostgreSQL has beyond the position; whether that was the end."""
        while True:
            try:
                events = await self._reader.events(self._terms.order_id, self._news.position)
            except ConnectionError as error:
                # Once PostgreSQL answers again, the hub says how far the order is.
                log.warning("order %s: its stream waits for PostgreSQL: %s", self._terms.order_id, error)
                return False
            for event in events:
                if event.seq != self._news.position + 1:
                    # The write that fills the hole is under way; the hub comes back to it.
                    return False
                if await self._send(event):
                    return True
            if len(events) < MOST_EVENTS:
                return False

    async def _send(self, event: OrderEvent) -> bool:
        await self._deliver(event_out(event, self._terms, EventMessage))
        self._news.position = event.seq
        return is_terminal(event.status)


async def _while_connected(websocket: WebSocket, news: Subscription, work: Coroutine[None, None, None]) -> None:
    """Do the work, unless the client leaves (WebSocketDisconnect) or falls behind (SlowClient)."""
    sending = asyncio.create_task(work)
    leaving = asyncio.create_task(_disconnected(websocket))
    lagging = asyncio.create_task(news.overflowed.wait())
    tasks = (sending, leaving, lagging)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            return sending.result()
        if leaving.done():
            return leaving.result()
        raise SlowClient
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _disconnected(websocket: WebSocket) -> None:
    """Read and ignore what the client says. Raises WebSocketDisconnect when it leaves."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))


async def send_text(websocket: WebSocket, message: str) -> None:
    """Send a message; raises SlowClient when the client does not take it in time."""
    try:
        async with asyncio.timeout(_SEND_SECONDS):
            await websocket.send_text(message)
    except TimeoutError:
        raise SlowClient from None


async def close(websocket: WebSocket, code: int, reason: str = "") -> None:
    """Close the stream within bounds, whatever its client does."""
    if websocket.client_state is WebSocketState.DISCONNECTED:
        return
    with contextlib.suppress(TimeoutError, WebSocketDisconnect):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await websocket.close(code, reason)


def _position(after: str) -> int:
    if not (after.isascii() and after.isdigit() and len(after) <= 10 and int(after) <= _LARGEST_SEQ):
        raise refused_field(ErrorCode.REQUEST_INVALID, "after", "must be the seq of an event, or 0")
    return int(after)


def _close_code(code: ErrorCode) -> int:
    if code is ErrorCode.ORDER_NOT_FOUND:
        return NOT_FOUND
    return BAD_REQUEST if code is ErrorCode.REQUEST_INVALID else TRY_AGAIN_LATER
