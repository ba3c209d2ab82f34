"""The Python client against the API: each call, what is refused, and what breaks underneath it."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest

from activities.publish import RedisRelay
from api.client import (
    ApiRefused,
    ApiUnreachable,
    NewOrder,
    OrderClient,
    buying,
    limit,
    market,
    stop,
    stop_limit,
    take_profit,
)
from api.settings import ApiSettings
from db.database import Database
from db.orders import OrderRepository
from db.registry import TokenRepository
from tests.api.moved_order import Order
from tests.api.running import Api, RunWorker, StoringActivities, serving
from tests.api.test_changes import AT_150, UNKNOWN
from tests.samples import SOL, USDC, order_event
from tests.servers import free_port
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderType
from workflows.domain.time_in_force import TimeInForce
from workflows.messages import CancelResult

LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)


@pytest.fixture
async def worker(run_worker: RunWorker) -> AsyncIterator[StoringActivities]:
    async with run_worker(AT_150) as activities:
        yield activities


@pytest.fixture
async def client(api: Api) -> AsyncIterator[OrderClient]:
    async with OrderClient(f"http://127.0.0.1:{api.port}") as client:
        yield client


async def resting(client: OrderClient) -> str:
    order = await client.place(limit("SOL", "USDC", amount="1.5", limit_price=200))
    await reached(client, order.order_id, Status.OPEN)
    return order.order_id


async def reached(client: OrderClient, order_id: str, status: Status) -> None:
    async with contextlib.aclosing(client.follow(order_id)) as messages:
        async for message in messages:
            if status in (getattr(message, "status", None), getattr(getattr(message, "order", None), "status", None)):
                return


def test_it_loads_no_server() -> None:
    names = ("temporalio", "sqlalchemy", "fastapi", "starlette", "redis", "solders", "db", "activities", "deploy")
    program = f"import sys, api.client; print([name for name in {names!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_type_is_written_as_the_api_reads_it() -> None:
    sell = {"tokenIn": "SOL", "tokenOut": "USDC"}
    assert market("SOL", "USDC", amount=Decimal("1.50")).body() == sell | {"amount": "1.50", "type": "market"}
    assert buying("USDC", "SOL", 100, "0.7").body() == sell | {"amountOut": 100, "maxAmountIn": "0.7", "type": "market"}
    assert limit("SOL", "USDC", "151", amount=1, time_in_force=TimeInForce.GTD, expire_at=LATER).body() == sell | {
        "amount": 1,
        "type": "limit",
        "limitPrice": "151",
        "timeInForce": "gtd",
        "expireAt": LATER.isoformat(),
    }
    assert stop("SOL", "USDC", "20", amount=1).body()["stopPrice"] == "20"
    assert stop_limit("SOL", "USDC", "20", "18", amount=1).body()["limitPrice"] == "18"
    assert take_profit("SOL", "USDC", 400, amount=1, slippage_bps=9).body()["slippageBps"] == 9


def test_a_float_is_no_amount() -> None:
    with pytest.raises(TypeError, match="amount must be"):
        market("SOL", "USDC", amount=0.1)  # type: ignore[arg-type]


def test_a_time_without_an_offset_is_no_time() -> None:
    with pytest.raises(ValueError, match="offset"):
        market("SOL", "USDC", deadline=LATER.replace(tzinfo=None)).body()


class TestCalls:
    """Over HTTP and over a stream."""

    async def test_every_type_of_order_is_placed(self, client: OrderClient):
        orders = (
            market("SOL", "USDC", amount="1.5"),
            buying("USDC", "SOL", "100", "1"),
            limit("SOL", "USDC", "400", amount="1.5", time_in_force=TimeInForce.GTD, expire_at=LATER),
            stop("SOL", "USDC", "20", amount="1.5"),
            stop_limit("SOL", "USDC", "20", "18", amount="1.5"),
            take_profit("SOL", "USDC", "400", amount="1.5"),
        )
        async with client.stream() as stream:
            for order in orders:
                for way in (client, stream):
                    placed = await way.place(order)
                    assert (placed.type, placed.status) == (order.type, Status.PENDING)

    async def test_an_order_is_read_changed_and_canceled(self, client: OrderClient, worker):
        order_id = await resting(client)
        order = await client.get(order_id)
        changed = await client.amend(order_id, order.version, limit_price="300", expire_at=None)
        assert (changed.limit_price, changed.version) == ("300", 3)
        async with client.stream() as stream:
            changed = await stream.amend(order_id, 3, slippage_bps=7)
            assert (changed.slippage_bps, changed.version) == (7, 4)
            with pytest.raises(ApiRefused) as refused:
                await stream.amend(order_id, 3, slippage_bps=8)
            assert refused.value.code == "version_mismatch"
        assert [event.seq for event in (await client.order_events(order_id)).events] == [1, 2, 3, 4]
        assert (await client.cancel(order_id)).result is CancelResult.CANCELED
        assert (await client.wait(order_id)).status is Status.CANCELED
        assert (await client.attempts(order_id)).attempts == []

    async def test_lists_go_on_page_after_page(self, client: OrderClient, worker):
        placed = [await resting(client) for _ in range(3)]
        page = await client.list(limit=2)
        assert page.next_cursor is not None
        rest = await client.list(limit=2, cursor=page.next_cursor)
        assert [order.order_id for order in (*page.orders, *rest.orders)] == placed[::-1]
        assert [order.order_id async for order in client.orders(status=Status.OPEN)] == placed[::-1]
        canceled = await client.cancel_all(pair="SOL/USDC", type=OrderType.LIMIT)
        assert [each.order_id for each in canceled.orders] == placed
        async with client.stream() as stream:
            assert (await stream.cancel_all()).orders == []
            assert (await stream.cancel_all_after(0)).trigger_time is None
        assert (await client.cancel_all_after(0)).trigger_time is None

    async def test_quotes_are_asked_and_followed(self, client: OrderClient, worker):
        quote = await client.quote("SOL", "USDC", "1.5", slippage_bps=10)
        assert quote.best is not None
        async with contextlib.aclosing(client.quotes("SOL", "USDC", "1.5")) as quotes:
            assert (await anext(quotes)).best == quote.best
        with pytest.raises(ApiRefused, match="token_unknown"):
            await anext(client.quotes("SOL", "NOPE", "1"))

    async def test_a_refusal_has_its_code_and_its_fields(self, client: OrderClient):
        with pytest.raises(ApiRefused) as refused:
            await client.place(NewOrder(token_in="SOL", token_out="USDC", amount="-1", type=OrderType.LIMIT))
        assert (refused.value.status, refused.value.code) == (422, "amount_not_positive")
        assert list(refused.value.fields) == ["amount"]
        for call in (client.get(UNKNOWN), client.cancel(UNKNOWN), client.wait(UNKNOWN)):
            with pytest.raises(ApiRefused, match="order_not_found"):
                await call


class Flaky:
    """A server that drops or refuses the first calls and answers the rest."""

    def __init__(self, *failures: httpx.Response | Exception, answer: dict[str, Any]) -> None:
        self.asked: list[httpx.Request] = []
        self._failures, self._answer = list(failures), answer

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if not self._failures:
            return httpx.Response(200, json=self._answer)
        failure = self._failures.pop(0)
        if isinstance(failure, Exception):
            raise failure
        return failure

    def client(self, patience_seconds: float = 60) -> OrderClient:
        client = OrderClient(patience_seconds=patience_seconds)
        transport = httpx.MockTransport(self)
        client._http._client = httpx.AsyncClient(base_url="http://api", transport=transport)
        return client


SILENT = httpx.ConnectError("nobody there")
CANCELED = {"orderId": UNKNOWN, "result": "canceled", "status": "canceled", "signature": None}


class TestRetries:
    """Asked again under the same key, as late as the API says."""

    @pytest.fixture
    def slept(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)

        monkeypatch.setattr("api.client.http.sleep", sleep)
        return pauses

    async def test_until_there_is_an_answer(self, slept: list[float]):
        limited = httpx.Response(429, json={"code": "rate_limited", "status": 429}, headers={"Retry-After": "7"})
        away = httpx.Response(503, json={"code": "engine_unavailable", "retryAfter": 2})
        flaky = Flaky(SILENT, limited, away, answer=CANCELED)
        async with flaky.client() as client:
            await client.cancel(UNKNOWN)
        assert slept[0] < 1
        assert slept[1:] == [7, 2]
        (key,) = {request.headers["idempotency-key"] for request in flaky.asked}
        assert key

    async def test_an_order_keeps_its_name(self, api: Api, client: OrderClient, slept: list[float]):
        order = (await client.place(market("SOL", "USDC", amount=1))).model_dump(mode="json", by_alias=True)
        flaky = Flaky(SILENT, SILENT, answer=order)
        async with flaky.client() as flaky_client:
            await flaky_client.place(market("SOL", "USDC", amount=1))
        (name,) = {json.loads(request.content)["clientOrderId"] for request in flaky.asked}
        assert name

    async def test_but_not_for_ever(self, slept: list[float]):
        flaky = Flaky(*[SILENT] * 9, answer=CANCELED)
        async with flaky.client(patience_seconds=0) as client:
            with pytest.raises(ApiUnreachable, match="nobody there"):
                await client.cancel(UNKNOWN)
        assert len(flaky.asked) == 1

    async def test_nor_where_that_cannot_help(self, slept: list[float]):
        flaky = Flaky(httpx.Response(429, json={"code": "too_many_orders", "status": 429}), answer=CANCELED)
        async with flaky.client() as client:
            with pytest.raises(ApiRefused, match="too_many_orders"):
                await client.cancel(UNKNOWN)
        assert slept == []

    async def test_something_that_is_no_api_is_named(self):
        async with Flaky(httpx.Response(200, text="<html>"), answer={}).client() as client:
            with pytest.raises(ApiRefused, match="is it the API"):
                await client.get(UNKNOWN)


class TestStreams:
    """Over any number of connections, without gap or duplicate."""

    async def test_events_go_on_over_an_api_that_is_restarted(
        self, api_settings: ApiSettings, task_queue: str, database: Database, relay: RedisRelay
    ):
        await TokenRepository(database).upsert([SOL, USDC])
        order = await Order(OrderRepository(database), relay).create()
        async with OrderClient(f"http://127.0.0.1:{api_settings.api_port}", patience_seconds=30) as client:
            seen: list[tuple[int, int]] = []
            async with client.stream() as stream, contextlib.aclosing(stream.events(0)) as events:
                async with serving(api_settings):
                    seen += [await following(events) for _ in range(2)]
                await order.happen(order_event(3, Status.BUILDING))
                async with serving(api_settings):
                    placing = asyncio.create_task(stream.place(market("SOL", "USDC", amount=1)))
                    seen.append(await following(events))
                    await order.end(4)
                    seen.append(await following(events))
                    assert (await placing).status is Status.PENDING
            assert seen == [(1, 1), (2, 2), (3, 3), (4, 4)]

    async def test_a_consumer_that_falls_behind_misses_nothing(
        self, client: OrderClient, database: Database, relay: RedisRelay, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("api.client.stream._MOST_BEHIND", 2)
        for _ in range(4):
            await Order(OrderRepository(database), relay).create()
        async with client.stream() as stream, contextlib.aclosing(stream.events(0)) as events:
            seen = [await following(events)]
            # Its queue is full by the time that this is answered.
            await stream.cancel_all_after(0)
            seen += [await following(events) for _ in range(7)]
        assert [number for number, _ in seen] == list(range(1, 9))

    async def test_a_stream_that_cannot_be_had_says_so(self):
        async with OrderClient(f"http://127.0.0.1:{free_port()}", patience_seconds=0.2) as client:
            with pytest.raises(ApiUnreachable):
                await anext(client.events())
            async with client.stream() as stream:
                with pytest.raises(ApiUnreachable):
                    await stream.cancel(str(uuid4()))


async def following(events: Any) -> tuple[int, int]:
    event = await anext(events)
    return event.account_seq, event.seq
