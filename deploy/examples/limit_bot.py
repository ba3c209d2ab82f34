"""A limit order that follows the market: always one per cent above what both venues pay.

Should the program die, or its line, the dead man's switch cancels its orders within a minute.
"""

import asyncio
import contextlib
import os
from decimal import ROUND_DOWN, Decimal

from api.client import ApiRefused, OrderClient, OrderStream, limit
from api.schemas import OrderOut, QuoteOut

# Renewed several times before it fires: one lost line does no harm.
SWITCH_SECONDS = 60
_RENEWAL_SECONDS = 15

_ABOVE = Decimal("1.01")
_TICK = Decimal("0.01")

# What an amendment is refused with when the order is on its way, or has ended.
_TOO_LATE = frozenset({"order_not_amendable", "order_ended"})


def asked(quote: QuoteOut) -> Decimal:
    """The price to ask for, in whole cents."""
    best = max((Decimal(each.amount_out) for venue in quote.venues for each in venue.quotes), default=Decimal(0))
    return (best * _ABOVE).quantize(_TICK, ROUND_DOWN)


async def keep_alive(stream: OrderStream) -> None:
    """Renew the switch for as long as the program runs."""
    while True:
        await stream.cancel_all_after(SWITCH_SECONDS)
        await asyncio.sleep(_RENEWAL_SECONDS)


async def follow_market(client: OrderClient, stream: OrderStream) -> OrderOut:
    """Move the limit of one order with the market until it has traded or was canceled; returns it."""
    order: OrderOut | None = None
    # One SOL: what comes out for it is its price.
    async with contextlib.aclosing(stream.quotes("SOL", "USDC", amount="1")) as quotes:
        async for quote in quotes:
            price = asked(quote)
            if not price:
                continue
            if order is None:
                order = await stream.place(limit("SOL", "USDC", price, amount="1"))
            elif price != Decimal(order.limit_price or 0):
                try:
                    order = await stream.amend(order.order_id, "*", limit_price=price)
                except ApiRefused as refused:
                    if refused.code not in _TOO_LATE:
                        raise
                    break
    assert order is not None
    return await client.wait(order.order_id)


async def main() -> None:
    """Run until the order has ended."""
    url = os.environ.get("ORDER_ENGINE_API_URL", "http://127.0.0.1:8080")
    async with OrderClient(url, os.environ.get("ORDER_ENGINE_API_KEY")) as client, client.stream() as stream:
        alive = asyncio.create_task(keep_alive(stream))
        try:
            order = await follow_market(client, stream)
        finally:
            alive.cancel()
            await client.cancel_all_after(0)
    print(f"{order.status}: {order.filled_out or 0} USDC")


if __name__ == "__main__":
    asyncio.run(main())
