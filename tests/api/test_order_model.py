"""Random trading over HTTP and the stream, with workers killed and lines cut, agrees with a small model of the rules.

After every step the orders must come to stand where the model has them, and every answer must be the model's.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker
from websockets.asyncio.client import ClientConnection, connect

from activities.publish import RedisRelay
from db.database import Database
from db.orders import OrderRepository
from tests.api.order_model import KINDS, Fate, Model
from tests.api.running import Api, StoringActivities, order_body
from tests.api.trader import Trader
from tests.workflows.scripted import EXPIRED, Script, asks, landed, pays, unreadable
from workflows.domain import lifecycle
from workflows.domain.lifecycle import Status
from workflows.domain.routing import VenueQuotes
from workflows.messages import CancelResult, QuoteRequest
from workflows.order import OrderWorkflow

# A step takes tens of milliseconds, a worker some more.
_EXAMPLES = max(5, settings().max_examples // 20)

# Longer than any step takes: what has not come by then does not come.
_PATIENCE_SECONDS = 20.0
# For an answer of no worker at all.
_IMPATIENCE = timedelta(seconds=0.2)

_OUTCOMES = {Fate.LANDS: landed(), Fate.EXPIRES: EXPIRED}

_which = st.integers(0, 7)
_way = st.sampled_from(("http", "stream"))
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("place"), st.sampled_from(sorted(KINDS)), _way),
        st.tuples(st.just("place_again"), _which, _way),
        st.tuples(st.just("cancel"), _which, _way),
        st.tuples(st.just("amend"), _which, st.booleans(), _way),
        st.tuples(st.just("cancel_all"), st.sampled_from((None, "market", "limit", "stop")), _way),
        st.tuples(st.just("chain"), st.sampled_from(Fate)),
        st.tuples(st.sampled_from(("kill_worker", "stop_worker", "start_worker", "reconnect"))),
    ),
    min_size=5,
    max_size=20,
)


async def _at_150(venue: str, request: QuoteRequest) -> VenueQuotes:
    answer = pays(225_000_000) if request.amount_out is None else asks(666_666_667)
    return await answer(venue, request)


class Events:
    """All events of the account, on a line that is cut now and then."""

    def __init__(self, api: Api) -> None:
        self._address = f"ws://127.0.0.1:{api.port}/api/stream"
        self._connection: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._came = asyncio.Condition()
        self.position = 0
        self.logs: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    async def open(self) -> None:
        """Go on after the last event."""
        self._connection = await connect(self._address)
        welcome = json.loads(await self._connection.recv())
        self.position = self.position or welcome["accountSeq"]
        subscription = {"op": "subscribe", "id": "all", "channel": "orders", "after": self.position}
        await self._connection.send(json.dumps(subscription))
        self._reading = asyncio.create_task(self._read(self._connection))

    async def cut(self) -> None:
        """End the line without a word."""
        assert self._connection is not None
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.wait({self._reading})
        self._connection.transport.abort()

    async def come_to(self, statuses: dict[str, Status]) -> None:
        """Return once the orders stand so."""
        assert self._reading is not None

        def so() -> bool:
            return self._stand(statuses) == statuses

        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._came:
                await self._came.wait_for(so)
        except TimeoutError:
            if self._reading.done():
                self._reading.result()
            assert self._stand(statuses) == statuses

    def version(self, order_id: str) -> int:
        """The number of the order's last event."""
        return int(self.logs[order_id][-1]["seq"])

    def _stand(self, statuses: dict[str, Status]) -> dict[str, str]:
        return {name: self.logs[name][-1]["status"] if self.logs[name] else "unknown" for name in statuses}

    async def _read(self, connection: ClientConnection) -> None:
        async for text in connection:
            message = json.loads(text)
            if message["type"] == "event":
                assert message["accountSeq"] == self.position + 1
                async with self._came:
                    self.position += 1
                    self.logs[message["orderId"]].append(message)
                    self._came.notify_all()


class Trading:
    """One example: what is done to the API is done to the model, and both answer the same."""

    def __init__(
        self,
        api: Api,
        server: WorkflowEnvironment,
        task_queue: str,
        activities: StoringActivities,
        patch: pytest.MonkeyPatch,
    ) -> None:
        self._api = api
        self._patch = patch
        self._server = server
        self._task_queue = task_queue
        self._activities = activities
        self._worker: AsyncExitStack | None = None
        self._line: AsyncExitStack | None = None
        self._bodies: dict[str, dict[str, Any]] = {}
        self.events = Events(api)
        self.model = Model()

    async def begin(self) -> None:
        await self._connect()
        await self._start()

    async def end(self) -> None:
        """No step is left half done, and everything has ended."""
        await self.chain(Fate.LANDS)
        await self.start_worker()
        await self._settles()
        await self.cancel_all(None, "http")
        await self._settles()
        await self._agrees()

    async def close(self) -> None:
        """Leave nothing to the next example, however this one has ended."""
        self._activities.may_settle.set()
        await self._start()
        while (await self._api.http.post("/api/orders/cancel-all", json={})).json()["orders"]:
            pass
        await self._stop()
        await self._disconnect()

    async def do(self, step: tuple[Any, ...]) -> None:
        name, *details = step
        note(f"{step}")
        await getattr(self, name)(*details)
        if self.model.works:
            await self._settles()

    async def place(self, kind: str, way: str) -> None:
        body = order_body(**KINDS[kind][0], clientOrderId=str(uuid4()))
        order = (await self._ask(way, "POST", "/api/orders", body, op="place", order=body))[1]
        self._bodies[order["orderId"]] = body
        self.model.place(order["orderId"], kind)

    async def place_again(self, which: int, way: str) -> None:
        if (order_id := self._order(which)) is not None:
            body = self._bodies[order_id]
            again = (await self._ask(way, "POST", "/api/orders", body, op="place", order=body))[1]
            assert again["orderId"] == order_id

    async def cancel(self, which: int, way: str) -> None:
        if (order_id := self._order(which)) is None:
            return
        path = f"/api/orders/{order_id}/cancel"
        code, answer = await self._ask(way, "POST", path, None, op="cancel", orderId=order_id)
        expected = self.model.cancel(order_id)
        event(f"cancel: {expected}")
        assert (code, answer["result"]) == (None, expected)
        self._is_definite(answer)

    async def cancel_all(self, kind: str | None, way: str) -> None:
        chosen = {"type": kind} if kind else {}
        before = {name for name, order in self.model.orders.items() if order.wished}
        _, answer = await self._ask(way, "POST", "/api/orders/cancel-all", chosen, op="cancelAll", filter=chosen)
        expected = self.model.cancel_all(kind)
        if self.model.works:
            assert {each["orderId"]: each["result"] for each in answer["orders"]} == expected
        else:
            # Orders that nobody has stored yet are in no list.
            told = {each["orderId"]: each["result"] for each in answer["orders"]}
            assert told.items() <= expected.items()
            for name in expected.keys() - told.keys():
                assert self.model.orders[name].status is Status.PENDING
                self.model.orders[name].wished = name in before
        assert (answer["failed"], answer["remaining"]) == ([], False)
        for each in answer["orders"]:
            self._is_definite(each)

    async def amend(self, which: int, is_current: bool, way: str) -> None:
        # Whether a change that no worker has answered is made is not known.
        if (order_id := self._order(which)) is None or not self.model.works:
            return
        # An order that comes back to rest looks for its next chance at a time of its own.
        into_reach = self.model.orders[order_id].kind == "far limit" and self.model.fate is Fate.LANDS
        changes = {"limitPrice": "100"} if into_reach else {"slippageBps": 77}
        version = self.events.version(order_id) - (0 if is_current else 1)
        code, answer = await self._ask(
            way,
            "PATCH",
            f"/api/orders/{order_id}",
            changes,
            {"If-Match": f'"{version}"'},
            op="amend",
            orderId=order_id,
            version=version,
            changes=changes,
        )
        expected = self.model.amend(order_id, is_current, into_reach)
        event(f"amend: {expected or 'made'}")
        assert code == expected
        if expected is None:
            assert (answer["version"], answer["status"]) == (version + 1, Status.OPEN)

    async def chain(self, fate: Fate) -> None:
        if fate is Fate.HELD:
            self._activities.may_settle.clear()
        else:
            self._activities.script.outcomes = (_OUTCOMES[fate],)
            self._activities.may_settle.set()
        self.model.chain(fate)

    async def kill_worker(self) -> None:
        await self._stop()
        await self._start()
        self.model.work(True)

    async def stop_worker(self) -> None:
        await self._stop()
        self.model.work(False)

    async def start_worker(self) -> None:
        await self._start()
        self.model.work(True)

    async def reconnect(self) -> None:
        await self._disconnect()
        await self._connect()

    def _order(self, which: int) -> str | None:
        orders = list(self.model.orders)
        return orders[which % len(orders)] if orders else None

    def _is_definite(self, answer: dict[str, Any]) -> None:
        order = self.model.orders[answer["orderId"]]
        if answer["result"] == CancelResult.CANCELED:
            assert answer["status"] == Status.CANCELED
            assert self._activities.chain.landed(answer["orderId"]) == []
        if answer["result"] == CancelResult.TOO_LATE:
            assert answer["signature"] in self._activities.chain.sent[answer["orderId"]]
        if answer["result"] == CancelResult.ALREADY_TERMINAL:
            assert answer["status"] == order.status

    async def _settles(self) -> None:
        await self.events.come_to({name: order.status for name, order in self.model.orders.items()})

    async def _agrees(self) -> None:
        for order_id, order in self.model.orders.items():
            log = self.events.logs[order_id]
            assert [each["seq"] for each in log] == list(range(1, len(log) + 1))
            for before, after in zip([None, *log], log, strict=False):
                lifecycle.check(Status(before["status"]) if before else None, Status(after["status"]))
            shown = (await self._api.http.get(f"/api/orders/{order_id}")).json()
            stored = (await self._api.http.get(f"/api/orders/{order_id}/events")).json()["events"]
            assert (shown["status"], shown["version"]) == (order.status, len(log))
            assert [each["at"] for each in stored] == [each["at"] for each in log]
            traded = self._activities.chain.landed(order_id)
            assert len(traded) == (order.status is Status.CONFIRMED)

    async def _ask(
        self, way: str, method: str, path: str, body: Any, headers: dict[str, str] | None = None, **command: Any
    ) -> tuple[str | None, dict[str, Any]]:
        """The problem's code if there is one, and the answer."""
        if way == "stream":
            message = await self._trader.ask(**command)
            problem = message.get("problem")
            return (problem["code"] if problem else None), message.get("result") or {}
        answer = await self._api.http.request(method, path, json=body, headers=headers)
        return (None if answer.is_success else answer.json()["code"]), answer.json()

    async def _start(self) -> None:
        if self._worker is None:
            self._patch.setattr("api.changes._PATIENCE", timedelta(seconds=_PATIENCE_SECONDS))
            self._worker = AsyncExitStack()
            worker = Worker(
                self._server.client,
                task_queue=self._task_queue,
                workflows=[OrderWorkflow],
                activities=self._activities.all(),
                # The next worker has every task at once.
                max_cached_workflows=0,
            )
            await self._worker.enter_async_context(worker)

    async def _stop(self) -> None:
        if self._worker is not None:
            self._patch.setattr("api.changes._PATIENCE", _IMPATIENCE)
            await self._worker.aclose()
            self._worker = None

    async def _connect(self) -> None:
        await self.events.open()
        self._line = AsyncExitStack()
        connection = await self._line.enter_async_context(connect(f"ws://127.0.0.1:{self._api.port}/api/stream"))
        self._trader = Trader(connection)
        reading = asyncio.create_task(self._trader.read())
        self._line.callback(reading.cancel)

    async def _disconnect(self) -> None:
        assert self._line is not None
        await self.events.cut()
        await self._line.aclose()


@asynccontextmanager
async def trading(
    api: Api,
    server: WorkflowEnvironment,
    task_queue: str,
    database: Database,
    relay: RedisRelay,
    patch: pytest.MonkeyPatch,
) -> AsyncIterator[Trading]:
    script = Script(raydium=(_at_150,), meteora=(unreadable(),))
    activities = StoringActivities(script, OrderRepository(database), relay)
    example = Trading(api, server, task_queue, activities, patch)
    await example.begin()
    try:
        yield example
    finally:
        await example.close()


@pytest.mark.timeout(0)
@settings(max_examples=_EXAMPLES, suppress_health_check=list(HealthCheck))
@given(steps=_steps)
async def test_the_api_agrees_with_the_model(
    api: Api,
    temporal_server: WorkflowEnvironment,
    task_queue: str,
    database: Database,
    relay: RedisRelay,
    steps: list[tuple[Any, ...]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        async with trading(api, temporal_server, task_queue, database, relay, patch) as example:
            for step in steps:
                await example.do(step)
            await example.end()
