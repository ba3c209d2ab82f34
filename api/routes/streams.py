"""Streams of order events over WebSocket."""

from typing import Annotated

from fastapi import APIRouter, Depends, WebSocket

from api.access import account
from api.services import Services, services

router = APIRouter()

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
