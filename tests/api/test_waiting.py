"""Long polls: the answer comes when the order has ended, and shows it as it stands when it has not in time."""

import asyncio

import pytest

from activities.publish import RedisRelay
from db.database import Database
from db.orders import OrderRepository
from tests.api.moved_order import Order
from tests.api.running import Api
from tests.samples import FILL, order_event
from tests.servers import RedisServer
from workflows.domain.lifecycle import Status


@pytest.fixture
async def order(database: Database, relay: RedisRelay) -> Order:
    return await Order(OrderRepository(database), relay).create()


async def subscribed(api: Api) -> None:
    while True:
        if api.hub._subscriptions:
            return
        await asyncio.sleep(0.01)


def wait(api: Api, order: Order, seconds: int):
    address = f"/api/orders/{order.terms.order_id}?wait=terminal&timeout={seconds}"
    return asyncio.create_task(api.http.get(address))


async def test_the_answer_comes_with_the_end(api: Api, order: Order):
    await api.becomes("ready")
    answer = wait(api, order, 60)
    await subscribed(api)
    await order.happen(order_event(3, Status.BUILDING))
    await order.end(4)
    shown = (await answer).json()
    assert (shown["status"], shown["lastSeq"], shown["filledIn"]) == ("confirmed", 4, "1.5")
    await api.has_no_streams()


async def test_an_end_that_nobody_announced_is_found(api: Api, order: Order):
    answer = wait(api, order, 60)
    await subscribed(api)
    await order.store(order_event(3, Status.CONFIRMED, fill=FILL))
    assert (await answer).json()["status"] == "confirmed"


async def test_without_redis_postgresql_is_followed(api: Api, order: Order, redis_server: RedisServer):
    await redis_server.kill()
    try:
        await api.becomes("degraded")
        answer = wait(api, order, 60)
        await subscribed(api)
        await order.store(order_event(3, Status.CONFIRMED, fill=FILL))
        assert (await answer).json()["status"] == "confirmed"
    finally:
        await redis_server.start()


async def test_an_order_that_has_not_ended_is_shown_as_it_stands(api: Api, order: Order):
    answer = wait(api, order, 1)
    await subscribed(api)
    await order.happen(order_event(3, Status.BUILDING))
    told = await answer
    assert (told.status_code, told.json()["status"], told.headers["etag"]) == (200, "building", '"3"')


async def test_an_order_that_has_ended_is_answered_at_once(api: Api, order: Order):
    await order.end(3)
    assert (await wait(api, order, 60)).json()["status"] == "confirmed"


async def test_a_client_that_leaves_is_forgotten(api: Api, order: Order):
    answer = wait(api, order, 60)
    await subscribed(api)
    answer.cancel()
    await api.has_no_streams()


async def test_a_server_that_stops_answers_whoever_waits(api: Api, order: Order):
    answer = wait(api, order, 60)
    await subscribed(api)
    api.services.waits.end()
    assert (await answer).json()["status"] == "routing"


@pytest.mark.parametrize("query", ["wait=open", "wait=terminal&timeout=0", "wait=terminal&timeout=61"])
async def test_another_wish_is_refused(refusing_api: Api, query: str):
    answer = await refusing_api.http.get(f"/api/orders/018f0000-0000-7000-8000-000000000000?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
