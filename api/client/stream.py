"""Trading and following over one connection that comes back by itself, without gap or duplicate."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from typing import Any, Literal
from uuid import uuid4

from api.client.connection import Connection
from api.client.errors import ApiRefused
from api.client.orders import NewOrder, Number, json_of
from api.client.retries import Patience
from api.schemas import (
    AccountEventMessage,
    CancelAllAfterOut,
    CancelAllOut,
    CancelOut,
    EventMessage,
    OrderOut,
    QuoteOut,
    SnapshotMessage,
)

# Messages of a subscription that its consumer may be behind.
_MOST_BEHIND = 1_000


class OrderStream:
    """Commands are answered, and subscriptions go on, over any number of connections one after the other.

    Commands run side by side: wait for the answer of one that the next depends on.
    """

    def __init__(self, connection: Connection, patience_seconds: float) -> None:
        self._connection = connection
        self._patience_seconds = patience_seconds

    async def place(self, order: NewOrder) -> OrderOut:
        """Place an order; one that was placed before under this `client_order_id` is answered as it stands."""
        named = order if order.client_order_id else replace(order, client_order_id=str(uuid4()))
        return OrderOut.model_validate(await self._ask("place", {"order": named.body()}))

    async def cancel(self, order_id: str) -> CancelOut:
        """Cancel an order: canceled, too late, already terminal, or pending while no worker runs."""
        request = {"orderId": order_id, "idempotencyKey": str(uuid4())}
        return CancelOut.model_validate(await self._ask("cancel", request))

    async def amend(self, order_id: str, version: int | Literal["*"], **changes: Any) -> OrderOut:
        """Change an order that is at this version; the changes are those of `OrderClient.amend`."""
        request = {
            "orderId": order_id,
            "version": version,
            "changes": json_of(changes),
            "idempotencyKey": str(uuid4()),
        }
        return OrderOut.model_validate(await self._ask("amend", request))

    async def cancel_all(self, **chosen: Any) -> CancelAllOut:
        """Cancel all orders that fit `pair`, `type`, `wallet` and `order_ids`, at most 500."""
        return CancelAllOut.model_validate(await self._ask("cancelAll", {"filter": json_of(chosen)}))

    async def cancel_all_after(self, seconds: int) -> CancelAllAfterOut:
        """Renew the account's dead man's switch; 0 switches it off."""
        return CancelAllAfterOut.model_validate(await self._ask("cancelAllAfter", {"seconds": seconds}))

    async def events(self, after: int | None = None) -> AsyncGenerator[AccountEventMessage, None]:
        """Every event of the account's orders with an `account_seq` beyond `after`, by default from now on."""
        position = after

        def request() -> dict[str, Any]:
            return {"channel": "orders"} | ({"after": position} if position is not None else {})

        async with contextlib.aclosing(self._subscribe(request)) as messages:
            async for message in messages:
                if message["type"] == "subscribed":
                    position = message["after"] if position is None else position
                elif message["type"] == "event" and (position is None or message["accountSeq"] > position):
                    position = message["accountSeq"]
                    yield AccountEventMessage.model_validate(message)

    async def follow(self, order_id: str, after: int = 0) -> AsyncGenerator[SnapshotMessage | EventMessage, None]:
        """One order: as it stands, then its events with a `seq` beyond `after`, until it has ended."""
        position, shown = after, False

        def request() -> dict[str, Any]:
            return {"channel": "order", "orderId": order_id, "after": position}

        async with contextlib.aclosing(self._subscribe(request)) as messages:
            async for message in messages:
                if message["type"] == "snapshot" and not shown:
                    shown = True
                    yield SnapshotMessage.model_validate(message)
                elif message["type"] == "event" and message["seq"] > position:
                    position = message["seq"]
                    yield EventMessage.model_validate(message)

    async def quotes(
        self, token_in: str, token_out: str, amount: Number | None = None, **details: Any
    ) -> AsyncGenerator[QuoteOut, None]:
        """What both venues pay, whenever that has changed, at most once a second."""
        quote = json_of({"token_in": token_in, "token_out": token_out, "amount": amount, **details})
        subscription = self._subscribe(lambda: {"channel": "quotes", "quote": quote}, passing=True)
        async with contextlib.aclosing(subscription) as messages:
            async for message in messages:
                if message["type"] == "quotes":
                    yield QuoteOut.model_validate(message)

    async def _ask(self, op: str, members: dict[str, Any]) -> Any:
        """The result of a command, which is asked again while the API says when to come back."""
        patience = Patience(self._patience_seconds)
        while True:
            message = await self._answer(op, members)
            if message["type"] == "result":
                return message["result"]
            refused = ApiRefused(message["problem"])
            pause = patience.pause(refused.retry_after) if refused.retry_after is not None else None
            if pause is None:
                raise refused
            await asyncio.sleep(pause)

    async def _answer(self, op: str, members: dict[str, Any]) -> dict[str, Any]:
        name = str(uuid4())
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def receive(message: dict[str, Any]) -> None:
            if not answer.done():
                answer.set_result(message)

        try:
            await self._connection.want(name, lambda: {"op": op, "id": name, **members}, receive)
            message = await answer
        finally:
            await self._connection.forget(name)
        if message["type"] == "lost":
            assert self._connection.failure is not None
            raise self._connection.failure
        return message

    async def _subscribe(
        self, request: Callable[[], dict[str, Any]], passing: bool = False
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The messages of a subscription until it ends, over as many as it takes.

        A problem ends it, unless the API says when to come back, or problems are part of what it tells (`passing`).
        """
        patience = Patience(self._patience_seconds)
        while True:
            pause_seconds: float | None = 0
            subscription = _Subscription(self._connection, request)
            async with contextlib.aclosing(subscription.messages()) as messages:
                async for message in messages:
                    if message["type"] == "problem" and not (passing and subscription.confirmed):
                        refused = ApiRefused(message["problem"])
                        again = refused.retry_after
                        pause_seconds = patience.pause(again) if again is not None else None
                        if pause_seconds is None:
                            raise refused
                        break
                    if message["type"] == "event":
                        patience = Patience(self._patience_seconds)
                    yield message
                    if message["type"] == "unsubscribed":
                        return
            await asyncio.sleep(pause_seconds or 0)


class _Subscription:
    """One subscription under a name of its own; it ends early when its consumer has fallen too far behind."""

    def __init__(self, connection: Connection, request: Callable[[], dict[str, Any]]) -> None:
        self._connection = connection
        self._request = request
        self._name = str(uuid4())
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_MOST_BEHIND)
        self._overflowed = False
        self.confirmed = False

    async def messages(self) -> AsyncGenerator[dict[str, Any], None]:
        """Everything that comes until the end."""
        await self._connection.want(self._name, self._wording, self._receive)
        try:
            while not (self._overflowed and self._queue.empty()):
                message = await self._queue.get()
                if message["type"] == "lost":
                    assert self._connection.failure is not None
                    raise self._connection.failure
                self.confirmed = self.confirmed or message["type"] == "subscribed"
                yield message
        finally:
            await self._connection.forget(self._name, {"op": "unsubscribe", "id": self._name})

    def _wording(self) -> dict[str, Any]:
        return {"op": "subscribe", "id": self._name, **self._request()}

    def _receive(self, message: dict[str, Any]) -> None:
        # What does not fit is asked for again, from where the consumer stands: nothing that other calls wait for on
        # this connection is held up by it.
        if self._overflowed or self._queue.full():
            self._overflowed = True
        else:
            self._queue.put_nowait(message)
