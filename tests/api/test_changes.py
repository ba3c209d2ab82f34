"""Cancelling and changing orders over the API."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.api.running import Api, RunWorker, StoringActivities
from tests.workflows.histories import until
from tests.workflows.scripted import EXPIRED, Script, landed, pays, unreadable
from workflows.domain.lifecycle import Status

UNKNOWN = "018f0000-0000-7000-8000-000000000000"

# 1.5 SOL bring 225 USDC: 150 for each.
LIMIT = {"type": "limit", "limitPrice": "200"}
AT_150 = Script(raydium=(pays(225_000_000),), meteora=(unreadable(),), outcomes=(landed(),))


@pytest.fixture
async def worker(run_worker: RunWorker) -> AsyncIterator[StoringActivities]:
    async with run_worker(AT_150) as activities:
        yield activities


async def show(api: Api, order_id: str) -> dict[str, Any]:
    order: dict[str, Any] = (await api.http.get(f"/api/orders/{order_id}")).json()
    return order


async def becomes(api: Api, order_id: str, status: str) -> dict[str, Any]:
    """Wait until the order says so."""

    async def so() -> bool:
        return (await show(api, order_id))["status"] == status

    await until(so)
    return await show(api, order_id)


async def opened(api: Api, **changes: Any) -> str:
    order_id: str = (await api.submit(**LIMIT | changes))["orderId"]
    await becomes(api, order_id, "open")
    return order_id


async def cancel(api: Api, order_id: str, key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await api.http.post(f"/api/orders/{order_id}/cancel", headers=headers)


async def amend(api: Api, order_id: str, match: str | None, **changes: Any) -> httpx.Response:
    headers = {"If-Match": match} if match else {}
    return await api.http.patch(f"/api/orders/{order_id}", json=changes, headers=headers)


class TestCancel:
    async def test_a_resting_order_is_canceled_by_the_time_of_the_answer(self, api: Api, worker):
        order_id = await opened(api)
        answer = await cancel(api, order_id)
        assert answer.status_code == 200
        told = {"orderId": order_id, "result": "canceled", "status": "canceled", "signature": None}
        assert answer.json() == told
        assert (await show(api, order_id))["status"] == "canceled"
        again = await cancel(api, order_id)
        assert again.json() == told | {"result": "already_terminal"}

    @pytest.mark.parametrize(("outcome", "end"), [(landed(), "confirmed"), (EXPIRED, "canceled")])
    async def test_in_flight_it_is_too_late_and_the_chain_decides(self, api: Api, run_worker, outcome, end: str):
        async with run_worker(Script(outcomes=(outcome,))) as steps:
            steps.may_settle.clear()
            order_id = (await api.submit())["orderId"]
            await steps.executing.wait()
            answer = await cancel(api, order_id, "once")
            assert (answer.status_code, answer.json()["result"]) == (200, "too_late")
            assert (answer.json()["status"], answer.json()["signature"]) == (
                "pending_cancel",
                steps.chain.sent[order_id][0],
            )
            order = await show(api, order_id)
            assert (order["status"], order["phase"]) == ("pending_cancel", "PROCESSING")
            assert (await cancel(api, order_id, "once")).json() == answer.json()
            steps.may_settle.set()
            await becomes(api, order_id, end)

    @pytest.mark.parametrize("order_id", [UNKNOWN, "nonsense"])
    async def test_an_unknown_order_is_not_found(self, api: Api, order_id: str):
        answer = await cancel(api, order_id)
        assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")

    async def test_without_a_worker_the_wish_is_stored_and_honored_later(self, api: Api, run_worker, monkeypatch):
        monkeypatch.setattr("api.changes._PATIENCE", timedelta(seconds=0.5))
        order_id = (await api.submit(**LIMIT))["orderId"]
        answer = await cancel(api, order_id)
        assert (answer.status_code, answer.json()["result"]) == (202, "pending")
        assert answer.json()["status"] == "pending"
        async with run_worker(AT_150) as steps:
            await becomes(api, order_id, "canceled")
        assert steps.chain.sent[order_id] == []


class TestCancelAll:
    async def test_all_that_fit_are_canceled_and_no_other(self, api: Api, worker):
        limits = [await opened(api) for _ in range(3)]
        stop = await opened(api, type="stop", limitPrice=None, stopPrice="100")
        ended = (await api.submit())["orderId"]
        await becomes(api, ended, "confirmed")
        answer = await api.http.post("/api/orders/cancel-all", json={"pair": "usdc/SOL", "type": "limit"})
        assert answer.status_code == 200
        assert answer.json()["failed"] == []
        assert answer.json()["remaining"] is False
        told = {each["orderId"]: each["result"] for each in answer.json()["orders"]}
        assert told == dict.fromkeys(limits, "canceled")
        assert (await show(api, stop))["status"] == "open"
        named = await api.http.post("/api/orders/cancel-all", json={"orderIds": [stop, ended, UNKNOWN, "nonsense"]})
        assert [each["orderId"] for each in named.json()["orders"]] == [stop]
        assert (await api.http.post("/api/orders/cancel-all", json={})).json()["orders"] == []

    async def test_one_request_cancels_so_many(self, api: Api, worker, monkeypatch):
        monkeypatch.setattr("api.commands._MOST_CANCELED", 2)
        for _ in range(3):
            await opened(api)
        first = (await api.http.post("/api/orders/cancel-all", json={})).json()
        second = (await api.http.post("/api/orders/cancel-all", json={})).json()
        assert (len(first["orders"]), first["remaining"]) == (2, True)
        assert (len(second["orders"]), second["remaining"]) == (1, False)

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"pair": "SOL"}, "request_invalid"),
            ({"pair": "SOL/NOPE"}, "token_unknown"),
            ({"type": "iceberg"}, "request_invalid"),
            ({"everything": True}, "request_invalid"),
        ],
    )
    async def test_what_is_no_filter(self, api: Api, body: dict[str, Any], code: str):
        answer = await api.http.post("/api/orders/cancel-all", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code)


class TestAmend:
    async def test_a_change_is_stored_by_the_time_of_the_answer(self, api: Api, worker):
        order_id = await opened(api)
        tag = (await api.http.get(f"/api/orders/{order_id}")).headers["etag"]
        answer = await amend(api, order_id, tag, limitPrice="190.50", slippageBps=7, deadline="2035-01-01T00:00:00Z")
        assert answer.status_code == 200, answer.text
        changed = {"limitPrice": "190.5", "slippageBps": 7, "deadline": "2035-01-01T00:00:00Z", "version": 3}
        assert {name: answer.json()[name] for name in changed} == changed
        assert answer.headers["etag"] == '"3"'
        assert await show(api, order_id) == answer.json()
        events = (await api.http.get(f"/api/orders/{order_id}/events")).json()["events"]
        assert events[2]["data"]["amended"] == {
            "limitPrice": "190.5",
            "slippageBps": 7,
            "deadline": "2035-01-01T00:00:00Z",
        }

    async def test_a_limit_within_the_market_trades_at_once(self, api: Api, worker):
        order_id = await opened(api)
        assert (await amend(api, order_id, "*", limitPrice="150")).status_code == 200
        await becomes(api, order_id, "confirmed")

    async def test_it_takes_the_version_that_the_order_is_at(self, api: Api, worker):
        order_id = await opened(api)
        for match, status, code in (
            (None, 428, "version_required"),
            ('"1"', 412, "version_mismatch"),
            ('W/"2"', 412, "version_mismatch"),
            ("2", 422, "request_invalid"),
        ):
            answer = await amend(api, order_id, match, limitPrice="300")
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert (await amend(api, order_id, '"1", "2"', limitPrice="300")).status_code == 200
        assert (await amend(api, order_id, '"2"', limitPrice="301")).status_code == 412

    async def test_of_two_at_once_one_is_made(self, api: Api, worker):
        order_id = await opened(api)
        both = await asyncio.gather(*(amend(api, order_id, '"2"', limitPrice=price) for price in ("300", "301")))
        assert sorted(answer.status_code for answer in both) == [200, 412]

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({}, "request_invalid"),
            ({"amount": "3"}, "request_invalid"),
            ({"stopPrice": "1"}, "request_invalid"),
            ({"expireAt": "2035-01-01T00:00:00Z"}, "request_invalid"),
            ({"deadline": "2001-01-01T00:00:00Z"}, "request_invalid"),
            ({"limitPrice": "x"}, "price_invalid"),
            ({"limitPrice": "1e25"}, "price_invalid"),
        ],
    )
    async def test_what_cannot_be_changed_so(self, api: Api, worker, changes: dict[str, Any], code: str):
        order_id = await opened(api)
        answer = await amend(api, order_id, "*", **changes)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert (await show(api, order_id))["version"] == 2

    async def test_it_is_too_late_in_flight_and_after_the_end(self, api: Api, run_worker):
        async with run_worker(Script()) as steps:
            steps.may_settle.clear()
            order_id = (await api.submit())["orderId"]
            await steps.executing.wait()
            in_flight = await amend(api, order_id, "*", slippageBps=3)
            assert (in_flight.status_code, in_flight.json()["code"]) == (409, "order_not_amendable")
            steps.may_settle.set()
            await becomes(api, order_id, "confirmed")
            workflow = await api.services.commands.changes._handle(order_id).result()
            assert workflow["status"] == Status.CONFIRMED
            ended = await amend(api, order_id, "*", slippageBps=3)
            assert (ended.status_code, ended.json()["code"]) == (409, "order_ended")

    async def test_an_unknown_order_is_not_found(self, api: Api):
        answer = await amend(api, UNKNOWN, "*", slippageBps=3)
        assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")

    async def test_without_a_worker_nobody_can_tell(self, api: Api, monkeypatch):
        monkeypatch.setattr("api.changes._PATIENCE", timedelta(seconds=0.5))
        order_id = (await api.submit(**LIMIT))["orderId"]
        answer = await amend(api, order_id, "*", slippageBps=3)
        assert (answer.status_code, answer.json()["code"]) == (503, "amendment_unknown")
        assert int(answer.headers["retry-after"]) > 0
