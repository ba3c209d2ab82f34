"""Streams of order events: over WebSocket, and the account's log as Server-Sent Events."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, WebSocket
from starlette.responses import StreamingResponse

from api.access import account
from api.follow import AccountFollower
from api.problems import refused_field
from api.services import Services, services
from api.session import StreamSession
from api.sse import EventStreamResponse, server_sent_events
from workflows.domain.access import Principal, Scope
from workflows.domain.errors import EngineError, ErrorCode

router = APIRouter(tags=["streams"])

_Services = Annotated[Services, Depends(services)]
_Account = Annotated[str, Depends(account)]


@router.websocket("/api/orders/{order_id}/stream")
async def stream_order(websocket: WebSocket, order_id: str, engine: _Services, owner: _Account) -> None:
    """Snapshot, then every event after `after` (default 0) in order; closed with 1000 after the terminal one."""
    await engine.stream.serve(websocket, order_id, websocket.query_params.get("after", "0"), owner)


# The path of the first version of the service.
@router.websocket("/api/orders/execute")
async def stream_order_by_query(websocket: WebSocket, engine: _Services, owner: _Account) -> None:
    """The same, with the order id in the query."""
    order_id = websocket.query_params.get("orderId", "")
    await engine.stream.serve(websocket, order_id, websocket.query_params.get("after", "0"), owner)


@router.websocket("/api/stream")
async def stream_account(websocket: WebSocket, engine: _Services, owner: _Account) -> None:
    """Subscriptions to orders, to all orders of the account and to quotes, and trading, on one connection."""

    async def admit(scope: Scope) -> Principal:
        return await engine.gatekeeper.admit(websocket, scope)

    await StreamSession(websocket, owner, engine.channels, admit).serve()


@router.get("/api/events", response_class=EventStreamResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def account_events(
    engine: _Services,
    owner: _Account,
    after: Annotated[
        int | None, Query(ge=0, le=2**63 - 1, description="Begin after this `accountSeq`; by default now.")
    ] = None,
    last_event_id: Annotated[str | None, Header(description="As `after`, sent by clients that reconnect.")] = None,
) -> StreamingResponse:
    """Every event of the account's orders as it happens, as Server-Sent Events with `accountSeq` for their id."""
    position = _resume(last_event_id) if last_event_id else after
    if position is None:
        try:
            position = await engine.channels.feeds.position(owner)
        except ConnectionError as error:
            raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, "PostgreSQL does not answer") from error
    return EventStreamResponse(server_sent_events(AccountFollower(engine.channels.feeds, owner, position)))


def _resume(last_event_id: str) -> int:
    if not (last_event_id.isascii() and last_event_id.isdigit() and int(last_event_id) < 2**63):
        raise refused_field(ErrorCode.REQUEST_INVALID, "Last-Event-ID", "must be the accountSeq of an event")
    return int(last_event_id)
