"""Streams: every event once, in order, whatever breaks on the way."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

from activities.publish import RedisRelay
from api import stream
from api.settings import ApiSettings
from db.orders import OrderRepository
from db.views import OrderReader
from tests.api.moved_order import Order
from tests.api.running import Api, RunWorker, serving
from tests.api.stream_client import open_stream
from tests.samples import FILL, first_events, order_event
from tests.servers import PostgresServer, RedisServer
from tests.workflows.scripted import Script, landed, reverted
from workflows.domain.lifecycle import Status
from workflows.names import EVENTS_CHANNEL

UNKNOWN = ["018f0000-0000-7000-8000-000000000000", "nonsense"]


@pytest.fixture
async def order(database: Any, relay: RedisRelay) -> Order:
    return await Order(OrderRepository(database), relay).create()


def events_of(messages: Sequence[dict[str, Any]]) -> list[int]:
    """The seqs of the events; a snapshot comes first and only once."""
    assert [message["type"] for message in messages] == ["snapshot"] + ["event"] * (len(messages) - 1)
    return [message["seq"] for message in messages[1:]]


class TestOneClient:
    async def test_a_stream_tells_an_order_from_beginning_to_end(self, api: Api, run_worker: RunWorker):
        async with run_worker(Script(outcomes=(reverted(), landed()))):
            order_id = (await api.submit())["orderId"]
            async with api.stream(order_id) as client:
                messages, code = await client.rest()
        assert code == 1000
        assert events_of(messages) == list(range(1, 9))
        assert messages[0]["order"]["orderId"] == order_id
        steps = [(message["status"], message["phase"]) for message in messages[1:]]
        assert steps == [
            ("pending", "PENDING"),
            ("routing", "PROCESSING"),
            ("building", "PROCESSING"),
            ("submitted", "PROCESSING"),
            ("routing", "PROCESSING"),
            ("building", "PROCESSING"),
            ("submitted", "PROCESSING"),
            ("confirmed", "COMPLETED"),
        ]
        assert messages[3]["data"]["quotedOut"] == "291"
        assert (messages[5]["reason"], messages[5]["attempt"]) == ("slippage_exceeded", 2)
        assert (messages[-1]["filledOut"], messages[-1]["data"]["kind"]) == ("290", "cpmm")

    async def test_an_ended_order_is_told_at_once(self, api: Api, order: Order):
        await order.end(3)
        async with api.stream(order.terms.order_id) as client:
            messages, code = await client.rest()
        assert (events_of(messages), code) == ([1, 2, 3], 1000)
        assert messages[0]["order"]["status"] == "confirmed"
        assert messages[0]["order"]["lastSeq"] == 3

    @pytest.mark.parametrize(("after", "seqs"), [(0, [1, 2, 3]), (2, [3]), (3, [])])
    async def test_a_client_goes_on_from_where_it_was(self, api: Api, order: Order, after: int, seqs: list[int]):
        await order.end(3)
        async with api.stream(order.terms.order_id, after) as client:
            messages, code = await client.rest()
        assert (events_of(messages), code) == (seqs, 1000)

    async def test_an_order_without_an_event_is_streamed_from_its_acceptance(self, api: Api, run_worker: RunWorker):
        order_id = (await api.submit())["orderId"]
        async with api.stream(order_id) as client:
            snapshot = await client.next()
            assert (snapshot["order"]["status"], snapshot["order"]["lastSeq"]) == ("pending", 0)
            async with run_worker(Script()):
                messages, code = await client.rest()
        assert (events_of([snapshot, *messages]), code) == ([1, 2, 3, 4, 5], 1000)

    async def test_the_path_of_the_first_version(self, api: Api, order: Order):
        await order.end(3)
        url = f"ws://127.0.0.1:{api.port}/api/orders/execute?orderId={order.terms.order_id}&after=2"
        async with open_stream(url) as client:
            messages, code = await client.rest()
        assert (events_of(messages), code) == ([3], 1000)

    async def test_what_a_client_says_is_ignored(self, api: Api, order: Order):
        async with api.stream(order.terms.order_id) as client:
            await client.until("routing")
            for message in ("hello", b"\0", "{}"):
                await client.connection.send(message)
            await order.end(3)
            assert events_of([{"type": "snapshot"}, *(await client.rest())[0]]) == [3]


class TestRefusals:
    @pytest.mark.parametrize("order_id", UNKNOWN)
    async def test_an_unknown_order(self, api: Api, order_id: str):
        async with api.stream(order_id) as client:
            (message,), code = await client.rest()
        assert (message["type"], message["problem"]["code"], code) == ("problem", "order_not_found", 4404)

    @pytest.mark.parametrize("after", ["-1", "x", "", "1.0", "99999999999", "%D9%A1"])
    async def test_an_after_that_is_no_seq(self, api: Api, order: Order, after: str):
        async with api.stream(order.terms.order_id, after) as client:
            (message,), code = await client.rest()
        assert (message["problem"]["code"], code) == ("request_invalid", 4400)

    async def test_an_after_beyond_the_order(self, api: Api, order: Order):
        async with api.stream(order.terms.order_id, 3) as client:
            (message,), code = await client.rest()
        assert (message["problem"]["errors"][0]["field"], code) == ("after", 4400)

    async def test_another_path_is_no_stream(self, api: Api):
        from websockets.exceptions import InvalidStatus

        with pytest.raises(InvalidStatus):
            async with open_stream(f"ws://127.0.0.1:{api.port}/api/streams"):
                pass


class TestRelay:
    """PostgreSQL holds the log: whatever the relay does, the stream is whole."""

    async def test_repeated_and_late_messages_are_dropped(self, api: Api, order: Order):
        async with api.stream(order.terms.order_id) as client:
            await client.until("routing")
            third = order_event(3, Status.BUILDING)
            await order.happen(third)
            await order.announce(third, *first_events(), third)
            await order.end(4)
            messages, code = await client.rest()
        assert ([message["seq"] for message in messages], code) == ([3, 4], 1000)

    async def test_a_gap_is_filled_from_the_log(self, api: Api, order: Order):
        async with api.stream(order.terms.order_id) as client:
            await client.until("routing")
            await order.store(order_event(3, Status.BUILDING))
            await order.store(order_event(4, Status.SUBMITTED))
            await order.end(5)
            messages, _ = await client.rest()
        assert [message["seq"] for message in messages] == [3, 4, 5]

    async def test_messages_in_the_wrong_order_are_put_right(self, api: Api, order: Order):
        async with api.stream(order.terms.order_id) as client:
            await client.until("routing")
            events = [order_event(seq, Status.ROUTING) for seq in (3, 4, 5)]
            for event in events:
                await order.store(event)
            await order.announce(*reversed(events))
            await order.end(6)
            messages, _ = await client.rest()
        assert [message["seq"] for message in messages] == [3, 4, 5, 6]

    async def test_a_lost_message_only_delays_its_event(self, api: Api, order: Order):
        async with api.stream(order.terms.order_id) as client:
            await client.until("routing")
            await order.store(order_event(3, Status.CONFIRMED, fill=FILL))
            messages, code = await client.rest()
        assert ([message["seq"] for message in messages], code) == ([3], 1000)

    async def test_an_unforeseen_error_does_not_end_the_watch(self, api: Api, order: Order, monkeypatch):
        last_seqs, calls = OrderReader.last_seqs, 0

        async def fail_once(self: OrderReader, order_ids: Sequence[str]) -> Mapping[str, int]:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise ZeroDivisionError
            return await last_seqs(self, order_ids)

        monkeypatch.setattr(OrderReader, "last_seqs", fail_once)
        async with api.stream(order.terms.order_id) as client:
            await client.until("routing")
            await order.store(order_event(3, Status.CONFIRMED, fill=FILL))
            messages, _ = await client.rest()
        assert [message["seq"] for message in messages] == [3]
        assert calls > 1

    async def test_what_is_no_event_is_passed_over(self, api: Api, order: Order, redis_server: RedisServer):
        async with api.stream(order.terms.order_id) as client, Redis.from_url(redis_server.url) as redis:
            await client.until("routing")
            for message in ("", "{}", b"\xff", "[" * 10_000, json.dumps({"order_id": order.terms.order_id})):
                await redis.publish(EVENTS_CHANNEL, message)
            await order.end(3)
            messages, _ = await client.rest()
        assert [message["seq"] for message in messages] == [3]

    async def test_an_event_that_is_not_stored_is_not_sent_ahead_of_those_before_it(self, api: Api, order: Order):
        async with api.stream(order.terms.order_id) as client:
            await client.until("routing")
            await order.announce(order_event(4, Status.SUBMITTED))
            await order.happen(order_event(3, Status.BUILDING))
            await order.happen(order_event(4, Status.SUBMITTED))
            await order.end(5)
            messages, _ = await client.rest()
        assert [message["seq"] for message in messages] == [3, 4, 5]


class TestOutages:
    async def test_redis_dies_and_comes_back_in_the_middle(self, api: Api, order: Order, redis_server: RedisServer):
        async with api.stream(order.terms.order_id) as client:
            await client.until("routing")
            await order.happen(order_event(3, Status.BUILDING))
            assert (await client.next())["seq"] == 3
            await redis_server.kill()
            try:
                await order.happen(order_event(4, Status.SUBMITTED))
                assert (await client.next())["seq"] == 4
                readiness = await api.becomes("degraded")
                assert readiness["checks"]["redis"]["state"] == "down"
            finally:
                await redis_server.start()
            await api.becomes("ready")
            await order.end(5)
            messages, code = await client.rest()
        assert ([message["seq"] for message in messages], code) == ([5], 1000)

    async def test_redis_that_hangs_is_left_for_a_new_connection(self, api: Api, order: Order, redis_server):
        async with api.stream(order.terms.order_id) as client:
            await client.until("routing")
            redis_server.freeze()
            try:
                await api.becomes("degraded")
                await order.store(order_event(3, Status.CONFIRMED, fill=FILL))
                messages, _ = await client.rest()
            finally:
                redis_server.thaw()
        assert [message["seq"] for message in messages] == [3]

    async def test_postgresql_restarts_in_the_middle(self, api: Api, order: Order, postgres_server: PostgresServer):
        async with api.stream(order.terms.order_id) as client:
            await client.until("routing")
            await postgres_server.stop()
            # A gap that cannot be filled for now: what comes is held back, not lost.
            await order.announce(order_event(4, Status.SUBMITTED))
            await postgres_server.start()
            await order.store(order_event(3, Status.BUILDING))
            await order.store(order_event(4, Status.SUBMITTED))
            await order.end(5)
            messages, code = await client.rest()
        assert ([message["seq"] for message in messages], code) == ([3, 4, 5], 1000)

    async def test_a_stream_that_cannot_be_opened_says_so(self, api: Api, order: Order, postgres_server):
        await postgres_server.stop()
        try:
            async with api.stream(order.terms.order_id) as client:
                (message,), code = await client.rest()
        finally:
            await postgres_server.start()
        assert (message["problem"]["code"], code) == ("engine_unavailable", 1013)


class TestManyClients:
    async def test_streams_of_one_order_are_alike_and_cost_one_subscription(
        self, api: Api, order: Order, redis_server: RedisServer
    ):
        async def follow(after: int) -> list[int]:
            async with api.stream(order.terms.order_id, after) as client:
                messages, code = await client.rest()
                assert code == 1000
                return events_of(messages)

        async def subscribers() -> int:
            ((_, count),) = await redis.pubsub_numsub(EVENTS_CHANNEL)
            return int(count)

        async with Redis.from_url(redis_server.url) as redis:
            before = await subscribers()
            following = [asyncio.create_task(follow(number % 3)) for number in range(30)]
            while len(api.hub._subscriptions.get(order.terms.order_id, ())) < 30:
                assert not any(task.done() for task in following)
                await asyncio.sleep(0.01)
            assert await subscribers() == before
        for seq in range(3, 40):
            await order.happen(order_event(seq, Status.ROUTING))
        await order.end(40)
        for number, seqs in enumerate(await asyncio.gather(*following)):
            assert seqs == list(range(number % 3 + 1, 41))

    async def test_a_client_that_leaves_is_forgotten(self, api: Api, order: Order):
        async with api.stream(order.terms.order_id) as client:
            await client.until("routing")
            assert list(api.hub._subscriptions) == [order.terms.order_id]
        await api.has_no_streams()

    async def test_a_client_that_does_not_read_is_told_to_come_back(
        self, api: Api, order: Order, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(stream, "_SEND_SECONDS", 0.2)
        given_up, close = asyncio.Event(), stream.close

        async def closing(*arguments: Any) -> None:
            given_up.set()
            await close(*arguments)

        monkeypatch.setattr(stream, "close", closing)
        # More than what the sockets between hold.
        bulk = {"detail": "x" * 1_000_000}
        for seq in range(3, 33):
            await order.store(order_event(seq, Status.ROUTING, data=bulk))
        await order.store(order_event(33, Status.CONFIRMED, fill=FILL))
        async with api.stream(order.terms.order_id) as client:
            await client.next()
            client.connection.transport.pause_reading()
            await given_up.wait()
            client.connection.transport.resume_reading()
            messages, code = await client.rest()
            assert code == 1013
            assert client.connection.close_reason == f"too slow; resume with after={messages[-1]['seq']}"
        async with api.stream(order.terms.order_id, messages[-1]["seq"]) as client:
            rest, code = await client.rest()
        assert code == 1000
        assert events_of([{"type": "snapshot"}, *messages, *rest[1:]]) == list(range(1, 34))

    async def test_a_client_with_too_much_before_it_is_told_to_come_back(
        self, api: Api, order: Order, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("api.hub._BACKLOG", 4)
        async with api.stream(order.terms.order_id) as client:
            await client.until("routing")
            (subscription,) = api.hub._subscriptions[order.terms.order_id]
            for seq in range(3, 9):
                subscription.offer(order_event(seq, Status.ROUTING))
            _, code = await client.rest()
        assert code == 1013
        assert client.connection.close_reason == f"too slow; resume with after={subscription.position}"


async def test_a_server_that_stops_ends_its_streams_at_once(api_settings: ApiSettings, order: Order):
    async with AsyncExitStack() as streams:
        async with serving(api_settings) as api:
            client = await streams.enter_async_context(api.stream(order.terms.order_id))
            await client.until("routing")
        _, code = await client.rest()
    assert code == 1012


async def test_sixty_orders_at_once_lose_no_event(api: Api, run_worker: RunWorker):
    async def follow() -> str:
        order_id = (await api.submit())["orderId"]
        async with api.stream(order_id) as client:
            messages, code = await client.rest()
        assert (events_of(messages), code) == ([1, 2, 3, 4, 5], 1000)
        return order_id

    async with run_worker(Script()):
        assert len(set(await asyncio.gather(*(follow() for _ in range(60))))) == 60
