"""Holding an answer back until the order has ended: one request instead of many that ask again and again.

What wakes a waiting request is what feeds the streams: the relay, and without it the look at PostgreSQL that is made
once a moment for all who follow an order.
"""

import asyncio

from starlette.requests import Request

from api.hub import EventHub
from api.lookup import OrderLookup
from db.rows import OrderView
from workflows.domain.lifecycle import is_terminal
from workflows.domain.order import OrderEvent

LONGEST_WAIT_SECONDS = 60


class OrderWaits:
    """Waits for orders to end; `end` lets all who wait go."""

    def __init__(self, hub: EventHub, lookup: OrderLookup) -> None:
        self._hub = hub
        self._lookup = lookup
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Answer whoever waits at once: the server stops."""
        self._ending.set()

    async def until_terminal(self, order_id: str, account: str, seconds: float, request: Request) -> OrderView:
        """The order once it has ended, or as it stands after so many seconds, or when the client has left.

        Raises as `OrderLookup.find`.
        """
        view = await self._lookup.find(order_id, account)
        if is_terminal(view.status):
            return view
        waits = [
            asyncio.ensure_future(each) for each in (self._ended(view), self._ending.wait(), _disconnected(request))
        ]
        try:
            done, _ = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for wait in done:
                wait.result()
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        return await self._lookup.find(order_id, account)

    async def _ended(self, view: OrderView) -> None:
        """Return when the order has an end in PostgreSQL."""
        order_id, position = view.terms.order_id, view.last_seq
        with self._hub.subscribe(order_id, position) as news:
            # What was relayed between the look at the order and the subscription was told to nobody.
            if await self._lookup.has_ended(order_id):
                return
            while True:
                told = await news.next()
                if isinstance(told, OrderEvent):
                    news.position = max(news.position, told.seq)
                    if is_terminal(told.status):
                        return
                elif await self._lookup.has_ended(order_id):
                    return
                else:
                    news.position = max(news.position, told)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
