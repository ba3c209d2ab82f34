"""`/api/stream` and `/api/events`: many subscriptions on one connection, and nothing lost whatever breaks."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from activities.publish import RedisRelay
from api import session, stream
from api.settings import ApiSettings
from db.database import Database
from db.orders import OrderRepository
from tests.api.moved_order import Order
from tests.api.running import Api, RunWorker, serving
from tests.api.stream_client import StreamClient, open_stream
from tests.samples import order_event
from tests.servers import PostgresServer, RedisServer
from tests.workflows.scripted import Script, pays
from workflows.domain.lifecycle import Status

QUOTE = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}


class Session:
    """An open `/api/stream`."""

    def __init__(self, client: StreamClient) -> None:
        self.client = client

    async def ask(self, op: str, **members: Any) -> None:
        await self.client.connection.send(json.dumps({"op": op, **members}))

    async def next(self, *kinds: str) -> dict[str, Any]:
        """The next message of one of these types; others are passed over."""
        while True:
            message = await self.client.next()
            if message["type"] in kinds:
                return message

    async def events(self, count: int) -> list[dict[str, Any]]:
        return [await self.next("event") for _ in range(count)]

    async def follow_all(self, after: int | None = None, name: str = "all") -> None:
        await self.ask("subscribe", channel="orders", id=name, after=after)
        assert (await self.next("subscribed", "problem"))["type"] == "subscribed"


@asynccontextmanager
async def opened(api: Api) -> AsyncIterator[Session]:
    async with open_stream(f"ws://127.0.0.1:{api.port}/api/stream") as client:
        yield Session(client)


@pytest.fixture
async def orders(database: Database, relay: RedisRelay) -> list[Order]:
    """Two orders with two events each."""
    store = OrderRepository(database)
    return [await Order(store, relay).create() for _ in range(2)]


class TestTheAccount:
    """Subscription to all orders."""

    async def test_it_is_told_from_any_number_on(self, api: Api, orders: list[Order]):
        first, second = orders
        async with opened(api) as client:
            welcome = await client.next("welcome")
            assert (welcome["account"], welcome["accountSeq"]) == ("local", 4)
            await client.follow_all(after=1)
            await second.happen(order_event(3, Status.BUILDING))
            await first.end(3)
            told = await client.events(5)
        assert [(each["accountSeq"], each["orderId"], each["seq"]) for each in told] == [
            (2, first.terms.order_id, 2),
            (3, second.terms.order_id, 1),
            (4, second.terms.order_id, 2),
            (5, second.terms.order_id, 3),
            (6, first.terms.order_id, 3),
        ]
        assert told[-1]["filledOut"] is not None
        assert {each["id"] for each in told} == {"all"}

    async def test_it_is_told_from_now_on_by_default(self, api: Api, orders: list[Order]):
        async with opened(api) as client:
            await client.ask("subscribe", channel="orders", id="all")
            assert (await client.next("subscribed"))["after"] == 4
            await orders[0].end(3)
            (event,) = await client.events(1)
        assert event["accountSeq"] == 5

    async def test_an_event_that_no_relay_announced_comes_all_the_same(self, api: Api, orders: list[Order]):
        async with opened(api) as client:
            await client.follow_all()
            await orders[0].store(order_event(3, Status.BUILDING))
            (event,) = await client.events(1)
        assert (event["accountSeq"], event["seq"]) == (5, 3)

    async def test_it_ends_when_asked_to(self, api: Api, orders: list[Order]):
        async with opened(api) as client:
            await client.follow_all()
            await client.ask("unsubscribe", id="all")
            assert (await client.next("unsubscribed"))["ended"] is False
            await orders[0].end(3)
            await client.follow_all(after=4, name="again")
            (event,) = await client.events(1)
        assert event["id"] == "again"

    async def test_nothing_is_lost_while_redis_and_postgresql_are_restarted(
        self, api: Api, orders: list[Order], redis_server: RedisServer, postgres_server: PostgresServer
    ):
        async with opened(api) as client:
            await client.follow_all(after=0)
            await redis_server.kill()
            await orders[0].happen(order_event(3, Status.BUILDING))
            await redis_server.start()
            await orders[1].happen(order_event(3, Status.BUILDING))
            await postgres_server.stop()
            await orders[0].announce(order_event(4, Status.ROUTING))
            await postgres_server.start()
            await orders[0].happen(order_event(4, Status.ROUTING))
            told = await client.events(7)
        assert [each["accountSeq"] for each in told] == list(range(1, 8))

    async def test_a_client_that_does_not_read_is_told_where_to_resume(
        self, api: Api, orders: list[Order], monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(stream, "_SEND_SECONDS", 0.2)
        given_up, close = asyncio.Event(), session.close

        async def closing(*arguments: Any) -> None:
            given_up.set()
            await close(*arguments)

        monkeypatch.setattr(session, "close", closing)
        # More than what the sockets between hold.
        bulk = {"detail": "x" * 1_000_000}
        for seq in range(3, 33):
            await orders[0].store(order_event(seq, Status.ROUTING, data=bulk))
        async with opened(api) as client:
            await client.follow_all(after=0)
            transport = client.client.connection.transport
            transport.pause_reading()
            await given_up.wait()
            transport.resume_reading()
            messages, code = await client.client.rest()
        told = [message["accountSeq"] for message in messages if message["type"] == "event"]
        assert code == 1013
        reason = client.client.connection.close_reason
        assert reason is not None
        # The last message may be lost between the two; to resume from before it repeats it.
        assert int(reason.rpartition("=")[2]) in (told[-1], told[-1] + 1)

    async def test_thirty_clients_share_one_reading(
        self, api: Api, orders: list[Order], monkeypatch: pytest.MonkeyPatch
    ):
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(opened(api)) for _ in range(30)]
            for client in clients:
                await client.follow_all(after=4)
            await orders[1].happen(order_event(3, Status.ROUTING))
            for client in clients:
                await client.events(1)
            reads = 0
            read = api.services.channels.feeds.read

            async def counted(account: str, after: int) -> Any:
                nonlocal reads
                reads += 1
                return await read(account, after)

            monkeypatch.setattr(api.services.channels.feeds, "read", counted)
            for seq in range(3, 13):
                await orders[0].happen(order_event(seq, Status.ROUTING))
            for client in clients:
                assert [each["accountSeq"] for each in await client.events(10)] == list(range(6, 16))
        # One for each announcement at most, and one to see that there is nothing more.
        assert reads <= 20
        assert api.services.channels.feeds._feeds == {}


class TestOneOrder:
    """Subscription to a single order, beside others."""

    async def test_it_is_told_from_snapshot_to_end(self, api: Api, orders: list[Order]):
        first, second = orders
        async with opened(api) as client:
            await client.ask("subscribe", channel="order", id="a", orderId=first.terms.order_id)
            await client.ask("subscribe", channel="order", id="b", orderId=second.terms.order_id, after=2)
            await first.end(3)
            await second.end(3)
            told: dict[str, list[Any]] = {"a": [], "b": []}
            while not all(steps[-1:] == ["ended"] for steps in told.values()):
                message = await client.next("snapshot", "event", "unsubscribed")
                if message["type"] != "unsubscribed":
                    owner = {"a": first, "b": second}[message["id"]]
                    assert message["orderId"] == owner.terms.order_id
                told[message["id"]].append(message.get("seq") or ("ended" if message.get("ended") else message["type"]))
        assert told == {"a": ["snapshot", 1, 2, 3, "ended"], "b": ["snapshot", 3, "ended"]}

    async def test_an_unknown_one_is_a_problem_and_the_stream_goes_on(self, api: Api, orders: list[Order]):
        async with opened(api) as client:
            await client.ask("subscribe", channel="order", id="x", orderId="nonsense")
            problem = await client.next("problem")
            assert (problem["id"], problem["problem"]["code"]) == ("x", "order_not_found")
            await client.ask("ping", id="1")
            assert (await client.next("heartbeat"))["id"] == "1"


async def test_quotes_are_told_when_they_change(api: Api, run_worker: RunWorker):
    script = Script(raydium=(pays(291_000_000), pays(291_000_000), pays(295_000_000)))
    async with run_worker(script), opened(api) as first, opened(api) as second:
        for client in (first, second):
            await client.ask("subscribe", channel="quotes", id="q", quote=QUOTE)
        amounts = [[(await client.next("quotes"))["best"]["amountOut"] for _ in range(2)] for client in (first, second)]
    assert amounts == [["291", "295"]] * 2


@pytest.mark.parametrize(
    ("text", "code", "name"),
    [
        ("{", "request_malformed", None),
        ("[]", "request_malformed", None),
        ('{"op":"dance","id":"1"}', "request_invalid", "1"),
        ('{"op":"subscribe","id":"1"}', "request_invalid", "1"),
        ('{"op":"subscribe","channel":"orders"}', "request_invalid", None),
        ('{"op":"subscribe","channel":"orders","id":"1","after":-1}', "request_invalid", "1"),
        ('{"op":"subscribe","channel":"orders","id":"1","x":1}', "request_invalid", "1"),
        ('{"op":"unsubscribe","id":"1"}', "request_invalid", "1"),
        (
            '{"op":"subscribe","channel":"quotes","id":"1","quote":{"tokenIn":"X","tokenOut":"SOL","amount":"1"}}',
            "token_unknown",
            "1",
        ),
        ('{"op":"ping","id":"' + "x" * 65 + '"}', "request_invalid", None),
    ],
)
async def test_a_bad_request_is_a_problem_and_the_stream_goes_on(api: Api, text: str, code: str, name: str | None):
    async with opened(api) as client:
        await client.client.connection.send(text)
        problem = await client.next("problem")
        assert (problem["problem"]["code"], problem["id"]) == (code, name)
        await client.ask("ping", id="still here")
        await client.next("heartbeat")


async def test_an_id_stands_for_one_subscription(api: Api):
    async with opened(api) as client:
        await client.follow_all()
        await client.ask("subscribe", channel="orders", id="all")
        assert (await client.next("problem"))["problem"]["errors"][0]["field"] == "id"


async def test_too_many_subscriptions_are_refused(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "_MOST_SUBSCRIPTIONS", 2)
    async with opened(api) as client:
        for name in ("1", "2"):
            await client.follow_all(name=name)
        await client.ask("subscribe", channel="orders", id="3")
        assert "at most 2" in (await client.next("problem"))["problem"]["errors"][0]["detail"]


async def test_a_silent_connection_shows_signs_of_life(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(session, "HEARTBEAT_SECONDS", 1)
    async with opened(api) as client:
        assert (await client.next("welcome"))["heartbeatSeconds"] == 1
        assert (await client.next("heartbeat"))["id"] is None


class TestServerSentEvents:
    """The same log for clients without WebSocket."""

    @asynccontextmanager
    async def open(self, api: Api, headers: dict[str, str] | None = None, **query: int) -> AsyncIterator[Any]:
        async with api.http.stream("GET", "/api/events", params=query, headers=headers or {}) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield answer.aiter_lines()

    async def events(self, lines: Any, count: int) -> list[tuple[int, dict[str, Any]]]:
        found: list[tuple[int, dict[str, Any]]] = []
        number = 0
        async for line in lines:
            name, _, value = line.partition(": ")
            if name == "id":
                number = int(value)
            elif name == "data":
                found.append((number, json.loads(value)))
            if len(found) == count:
                return found
        raise AssertionError("the stream ended")

    async def test_events_carry_the_number_to_resume_from(self, api: Api, orders: list[Order]):
        async with self.open(api, after=0) as lines:
            first = await self.events(lines, 2)
        async with self.open(api, {"Last-Event-ID": str(first[-1][0])}, after=0) as lines:
            await orders[0].end(3)
            rest = await self.events(lines, 3)
        told = [*first, *rest]
        assert [number for number, _ in told] == list(range(1, 6))
        assert [event["accountSeq"] for _, event in told] == list(range(1, 6))
        assert told[-1][1]["status"] == "confirmed"

    async def test_without_a_number_they_begin_now(self, api: Api, orders: list[Order]):
        async with self.open(api) as lines:
            await orders[0].end(3)
            ((number, _),) = await self.events(lines, 1)
        assert number == 5

    async def test_a_silent_stream_shows_signs_of_life(self, api: Api, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("api.sse._HEARTBEAT_SECONDS", 0.05)
        async with self.open(api) as lines:
            found = [await anext(lines) for _ in range(6)]
        assert found.count(": still here") >= 2

    @pytest.mark.parametrize("number", ["x", "-1", "1.5", str(2**63)])
    async def test_a_number_that_is_none_is_refused(self, api: Api, number: str):
        answer = await api.http.get("/api/events", headers={"Last-Event-ID": number})
        assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")

    async def test_a_server_that_stops_ends_them_at_once(self, api_settings: ApiSettings):
        async with AsyncExitStack() as stack:
            async with serving(api_settings) as api:
                http = await stack.enter_async_context(httpx.AsyncClient(base_url=api.http.base_url))
                answer = await stack.enter_async_context(http.stream("GET", "/api/events"))
                lines = answer.aiter_lines()
                assert (await anext(lines)).startswith("retry:")
            assert [line async for line in lines] == [""]
