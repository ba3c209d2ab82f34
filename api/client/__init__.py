"""A client of the order engine's API for Python programs. It needs httpx, websockets and pydantic, no server.

    async with OrderClient("http://127.0.0.1:8080", key="oek_…") as client:
        order = await client.place(limit("SOL", "USDC", amount="1.5", limit_price="151"))
        print((await client.wait(order.order_id)).status)

Amounts and prices are decimal strings, ints or Decimals, never floats. Every method raises the errors of
`api.client.errors`.
"""

from api.client.client import OrderClient
from api.client.errors import ApiRefused, ApiUnreachable, ClientError
from api.client.orders import NewOrder, buying, limit, market, stop, stop_limit, take_profit
from api.client.stream import OrderStream

__all__ = [
    "ApiRefused",
    "ApiUnreachable",
    "ClientError",
    "NewOrder",
    "OrderClient",
    "OrderStream",
    "buying",
    "limit",
    "market",
    "stop",
    "stop_limit",
    "take_profit",
]
