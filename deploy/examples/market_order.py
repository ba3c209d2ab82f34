"""Sell 0.1 SOL for USDC, wait for the end, and say what came of it.

ORDER_ENGINE_API_URL and ORDER_ENGINE_API_KEY say where and as whom.
"""

import asyncio
import os
import sys

from api.client import OrderClient, market
from api.schemas import OrderOut


async def sell(client: OrderClient, amount: str) -> OrderOut:
    """The order once it has ended."""
    order = await client.place(market("SOL", "USDC", amount=amount, slippage_bps=50))
    return await client.wait(order.order_id)


async def main() -> int:
    """Exit code 0 when it has traded."""
    url = os.environ.get("ORDER_ENGINE_API_URL", "http://127.0.0.1:8080")
    async with OrderClient(url, os.environ.get("ORDER_ENGINE_API_KEY")) as client:
        order = await sell(client, "0.1")
    if order.status != "confirmed":
        print(f"{order.status}: {order.reason}")
        return 1
    print(f"sold {order.filled_in} SOL for {order.filled_out} USDC at {order.average_price} ({order.signature})")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
