"""WebSocket subscriptions: signatures, slots, roots and accounts, on the port above the JSON-RPC port.

While anybody is subscribed, one task looks at the cluster at every slot and at every landed transaction.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TypeAlias

from solders.pubkey import Pubkey
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed

from activities.venues.pool import Account
from deploy.localnet.chain_errors import Json
from deploy.localnet.node import Node, Nodes
from deploy.localnet.rpc.encoding import account_json, view_of
from deploy.localnet.rpc.errors import INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, RpcError, invalid
from deploy.localnet.rpc.params import Params, in_context, signature
from deploy.localnet.slots import Commitment

# What is new for a subscriber: the results of its notifications, oldest first.
News: TypeAlias = Callable[[], Iterator[Json]]
# What a node shows of an account that no longer exists.
_GONE = Account(Pubkey.default(), 0, b"")
# A subscriber that is further behind than this only hears of the newest slots.
_MAX_SLOTS_AT_ONCE = 100


@dataclass(slots=True)
class _Subscription:
    connection: ServerConnection
    method: str
    news: News
    once: bool


class PubSub:
    """The subscriptions of all nodes; the path of a connection picks the node.

    `lag` and `lie` strike signature subscriptions when they are made, under the name `signatureSubscribe`.
    """

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._ledger = nodes.main.ledger
        self._numbers = count(1)
        self._subscriptions: dict[int, _Subscription] = {}
        self._landed = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._ledger.on_changed = self._landed.set

    async def serve(self, connection: ServerConnection) -> None:
        """Serve one client until it leaves."""
        try:
            with contextlib.suppress(ConnectionClosed):
                async for message in connection:
                    broadcast([connection], json.dumps(self._answer(connection, message)))
        finally:
            for number in [at for at, one in self._subscriptions.items() if one.connection is connection]:
                del self._subscriptions[number]

    def close(self) -> None:
        """Stop looking at the cluster."""
        if self._following is not None:
            self._following.cancel()

    def _node(self, connection: ServerConnection) -> Node:
        request = connection.request
        return (None if request is None else self._nodes.at(request.path)) or self._nodes.main

    def _answer(self, connection: ServerConnection, message: str | bytes) -> dict[str, Json]:
        call_id: Json = None
        try:
            try:
                request = json.loads(message)
            except ValueError as error:
                raise RpcError(PARSE_ERROR, "Parse error") from error
            if not isinstance(request, dict) or not isinstance(request.get("method"), str):
                raise RpcError(INVALID_REQUEST, "Invalid request")
            call_id = request.get("id")
            result = self._call(connection, request["method"], Params(request.get("params")))
        except RpcError as error:
            return {"jsonrpc": "2.0", "error": error.body(), "id": call_id}
        return {"jsonrpc": "2.0", "result": result, "id": call_id}

    def _call(self, connection: ServerConnection, method: str, params: Params) -> Json:
        topic = method.removesuffix("Unsubscribe").removesuffix("Subscribe")
        topics: dict[str, Callable[[Params], News]] = {
            "signature": partial(self._signature, connection),
            "slot": self._slot,
            "root": self._root,
            "account": self._account,
        }
        start = topics.get(topic)
        if start is None or topic == method:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        if method.endswith("Unsubscribe"):
            if self._subscriptions.pop(params.integer(0), None) is None:
                raise invalid("Invalid subscription id.")
            return True
        number = next(self._numbers)
        once = topic == "signature"
        self._subscriptions[number] = _Subscription(connection, f"{topic}Notification", start(params), once)
        self._landed.set()
        if self._following is None or self._following.done():
            self._following = asyncio.get_running_loop().create_task(self._follow())
        return number

    async def _follow(self) -> None:
        """Tell the subscribers what is new, until there are none."""
        while self._subscriptions:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._landed.wait(), self._ledger.clock.until_next_slot())
            self._landed.clear()
            self._ledger.catch_up()
            for number, one in list(self._subscriptions.items()):
                for result in one.news():
                    params: Json = {"result": result, "subscription": number}
                    message = {"jsonrpc": "2.0", "method": one.method, "params": params}
                    broadcast([one.connection], json.dumps(message))
                    if one.once:
                        self._subscriptions.pop(number, None)

    def _signature(self, connection: ServerConnection, params: Params) -> News:
        wanted = bytes(signature(params.text(0)))
        commitment = params.config(1).commitment()
        ledger = self._ledger
        sight = self._node(connection).seeing("signatureSubscribe").sight

        def news() -> Iterator[Json]:
            status = None if sight.lies else ledger.status(wanted, search_history=False)
            slot = ledger.clock.slot_at(commitment) - sight.lag
            if status is not None and status.slot <= slot:
                yield in_context(slot, {"err": status.error})

        return news

    def _slot(self, params: Params) -> News:
        clock = self._ledger.clock
        seen = clock.slot()

        def news() -> Iterator[Json]:
            nonlocal seen
            newest = clock.slot()
            for slot in range(max(seen, newest - _MAX_SLOTS_AT_ONCE) + 1, newest + 1):
                yield {"parent": slot - 1, "root": slot - clock.lag(Commitment.FINALIZED), "slot": slot}
            seen = newest

        return news

    def _root(self, params: Params) -> News:
        clock = self._ledger.clock
        seen = clock.slot_at(Commitment.FINALIZED)

        def news() -> Iterator[Json]:
            nonlocal seen
            newest = clock.slot_at(Commitment.FINALIZED)
            yield from range(max(seen, newest - _MAX_SLOTS_AT_ONCE) + 1, newest + 1)
            seen = newest

        return news

    def _account(self, params: Params) -> News:
        address, config = params.pubkey(0), params.config(1)
        commitment, view = config.commitment(), view_of(config)
        ledger = self._ledger
        seen = ledger.machine.account(address)

        def news() -> Iterator[Json]:
            nonlocal seen
            account = ledger.machine.account(address)
            if account != seen:
                seen = account
                shown = account_json(ledger, address, account or _GONE, view)
                yield in_context(ledger.clock.slot_at(commitment), shown)

        return news
