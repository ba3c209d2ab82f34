"""The client: orders placed, read, changed, canceled and followed."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote
from uuid import uuid4

from api.client.connection import Connection
from api.client.http import Http
from api.client.orders import NewOrder, Number, json_of
from api.client.stream import OrderStream
from api.schemas import (
    AccountEventMessage,
    AttemptList,
    CancelAllAfterOut,
    CancelAllOut,
    CancelOut,
    EventList,
    EventMessage,
    OrderOut,
    OrderPage,
    QuoteOut,
    SnapshotMessage,
)

DEFAULT_URL = "http://127.0.0.1:8080"

# An API that is restarted is back within seconds.
DEFAULT_PATIENCE_SECONDS = 30.0


class OrderClient:
    """One account of one API, by its key.

    What finds no answer is asked again for `patience_seconds`, waiting as long as the API says: placing under the
    order's name, changes under a key of their own, so that each happens once.
    """

    def __init__(
        self, url: str = DEFAULT_URL, key: str | None = None, patience_seconds: float = DEFAULT_PATIENCE_SECONDS
    ) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._patience_seconds = patience_seconds
        self._http = Http(self._url, key, patience_seconds)

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        await self._http.close()

    async def place(self, order: NewOrder) -> OrderOut:
        """Place an order; one that was placed before under this `client_order_id` is answered as it stands."""
        named = order if order.client_order_id else replace(order, client_order_id=str(uuid4()))
        return OrderOut.model_validate(await self._http.call("POST", "/api/orders", named.body()))

    async def get(self, order_id: str) -> OrderOut:
        """The order as it stands."""
        return OrderOut.model_validate(await self._http.call("GET", f"/api/orders/{order_id}"))

    async def find(self, client_order_id: str) -> OrderOut:
        """The order that was placed under this `client_order_id`."""
        path = f"/api/orders/by-client-order-id/{quote(client_order_id, safe='')}"
        return OrderOut.model_validate(await self._http.call("GET", path))

    async def list(self, limit: int = 50, cursor: str | None = None, **chosen: Any) -> OrderPage:
        """A page of orders, newest first; `chosen` are the filters of `GET /api/orders`."""
        query = json_of({"limit": limit, "cursor": cursor, **chosen})
        return OrderPage.model_validate(await self._http.call("GET", "/api/orders", query=query))

    async def orders(self, **chosen: Any) -> AsyncGenerator[OrderOut, None]:
        """Every order that fits, newest first, page after page."""
        cursor: str | None = None
        while True:
            page = await self.list(200, cursor, **chosen)
            for order in page.orders:
                yield order
            if (cursor := page.next_cursor) is None:
                return

    async def order_events(self, order_id: str, after: int = 0) -> EventList:
        """The steps of an order's life so far, with a `seq` beyond `after`."""
        answer = await self._http.call("GET", f"/api/orders/{order_id}/events", query={"after": after})
        return EventList.model_validate(answer)

    async def attempts(self, order_id: str) -> AttemptList:
        """Every swap that was signed for the order, with what became of it."""
        return AttemptList.model_validate(await self._http.call("GET", f"/api/orders/{order_id}/attempts"))

    async def explain(self, order_id: str) -> dict[str, Any]:
        """Why the order came to what it came to, in words and as data."""
        explained: dict[str, Any] = await self._http.call("GET", f"/api/orders/{order_id}/explain")
        return explained

    async def cancel(self, order_id: str) -> CancelOut:
        """Cancel an order: canceled, too late, already terminal, or pending while no worker runs."""
        key = {"Idempotency-Key": str(uuid4())}
        return CancelOut.model_validate(await self._http.call("POST", f"/api/orders/{order_id}/cancel", headers=key))

    async def amend(self, order_id: str, version: int | Literal["*"], **changes: Any) -> OrderOut:
        """Change `limit_price`, `stop_price`, `expire_at`, `deadline` or `slippage_bps` of an order at this version."""
        match = "*" if version == "*" else f'"{version}"'
        headers = {"If-Match": match, "Idempotency-Key": str(uuid4())}
        answer = await self._http.call("PATCH", f"/api/orders/{order_id}", json_of(changes), headers=headers)
        return OrderOut.model_validate(answer)

    async def cancel_all(self, **chosen: Any) -> CancelAllOut:
        """Cancel all orders that fit `pair`, `type`, `wallet` and `order_ids`, at most 500 (`remaining` says more)."""
        return CancelAllOut.model_validate(await self._http.call("POST", "/api/orders/cancel-all", json_of(chosen)))

    async def cancel_all_after(self, seconds: int) -> CancelAllAfterOut:
        """Renew the account's dead man's switch; 0 switches it off."""
        body = {"seconds": seconds}
        return CancelAllAfterOut.model_validate(await self._http.call("POST", "/api/orders/cancel-all-after", body))

    async def quote(self, token_in: str, token_out: str, amount: Number | None = None, **details: Any) -> QuoteOut:
        """What both venues pay now, and what an order would do; `details` as in an order."""
        body = json_of({"token_in": token_in, "token_out": token_out, "amount": amount, **details})
        return QuoteOut.model_validate(await self._http.call("POST", "/api/quotes", body))

    async def wait(self, order_id: str) -> OrderOut:
        """The order once it has ended; put `asyncio.timeout` around it for whom that may take too long."""
        async with contextlib.aclosing(self.follow(order_id)) as messages:
            async for _ in messages:
                pass
        return await self.get(order_id)

    async def events(self, after: int | None = None) -> AsyncGenerator[AccountEventMessage, None]:
        """Every event of the account's orders with an `account_seq` beyond `after`, by default from now on.

        Without gap or duplicate, whatever breaks meanwhile; keep the last `account_seq` to go on after a restart.
        """
        async with self.stream() as stream, contextlib.aclosing(stream.events(after)) as events:
            async for event in events:
                yield event

    async def follow(self, order_id: str, after: int = 0) -> AsyncGenerator[SnapshotMessage | EventMessage, None]:
        """One order: as it stands, then its events with a `seq` beyond `after`, until it has ended."""
        async with self.stream() as stream, contextlib.aclosing(stream.follow(order_id, after)) as messages:
            async for message in messages:
                yield message

    async def quotes(
        self, token_in: str, token_out: str, amount: Number | None = None, **details: Any
    ) -> AsyncGenerator[QuoteOut, None]:
        """What both venues pay, whenever that has changed, at most once a second."""
        async with (
            self.stream() as stream,
            contextlib.aclosing(stream.quotes(token_in, token_out, amount, **details)) as quotes,
        ):
            async for quote in quotes:
                yield quote

    @contextlib.asynccontextmanager
    async def stream(self) -> AsyncIterator[OrderStream]:
        """One connection to trade and follow on."""
        connection = Connection(self._url, self._key, self._patience_seconds)
        try:
            yield OrderStream(connection, self._patience_seconds)
        finally:
            await connection.close()
