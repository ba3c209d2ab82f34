"""Trading over `/api/stream`: each command is the HTTP route's, answered under the client's own id."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from api.changes import OrderChanges
from api.rate import Policy
from api.settings import ApiAuth, ApiSettings
from db.database import Database
from db.registry import TokenRepository
from tests.api.running import Api, RunWorker, StoringActivities, order_body, serving
from tests.api.test_access import KeyRing, bearer
from tests.api.test_changes import AT_150, LIMIT, UNKNOWN, becomes, opened, show
from tests.api.trader import trader
from tests.samples import SOL, USDC
from workflows.domain.access import Scope, key_id_of

COMMANDS: list[dict[str, Any]] = [
    {"op": "place", "order": order_body()},
    {"op": "cancel", "orderId": UNKNOWN},
    {"op": "amend", "orderId": UNKNOWN, "version": "*", "changes": {"slippageBps": 3}},
    {"op": "cancelAll", "filter": {"orderIds": []}},
    {"op": "cancelAllAfter", "seconds": 0},
]


REFUSED: list[dict[str, Any]] = [
    {"tokenIn": "NOPE"},
    {"amount": "0"},
    {"amount": None},
    {"type": "limit"},
    {"expireAt": "2001-01-01T00:00:00Z", "timeInForce": "gtd", "type": "limit", "limitPrice": "1"},
    {"nonsense": 1},
]
NO_COMMANDS: list[dict[str, Any]] = [
    {"op": "place"},
    {"op": "place", "order": []},
    {"op": "cancel"},
    {"op": "amend", "orderId": UNKNOWN, "version": -1, "changes": {}},
    {"op": "cancelAllAfter", "seconds": -1},
    {"op": "cancelAllAfter", "seconds": 86_401},
    {"op": "cancelAllAfter", "seconds": "60"},
]


@pytest.fixture
async def worker(run_worker: RunWorker) -> AsyncIterator[StoringActivities]:
    async with run_worker(AT_150) as activities:
        yield activities


class TestPlace:
    """`place`."""

    async def test_it_answers_with_the_order_under_the_id_of_the_request(self, api: Api):
        async with trader(api) as bot:
            name = str(uuid4())
            answer = await bot.ask("place", order=order_body(clientOrderId=name), id="p-1")
            assert {name: answer[name] for name in ("type", "id", "op", "replayed")} == {
                "type": "result",
                "id": "p-1",
                "op": "place",
                "replayed": False,
            }
            order = answer["result"]
            assert (order["status"], order["clientOrderId"]) == ("pending", name)
            assert (await show(api, order["orderId"]))["orderId"] == order["orderId"]

    async def test_the_same_request_over_either_way_is_the_same_order(self, api: Api):
        body = order_body(clientOrderId=str(uuid4()))
        posted = (await api.http.post("/api/orders", json=body)).json()
        async with trader(api) as bot:
            again = await bot.ask("place", order=body)
            assert (again["replayed"], again["result"]["orderId"]) == (True, posted["orderId"])
            other = await bot.ask("place", order=body | {"amount": "2"})
        refused = await api.http.post("/api/orders", json=body | {"amount": "2"})
        assert same_problem(other, refused)
        assert other["problem"]["code"] == "idempotency_key_reused"

    async def test_it_is_refused_as_the_route_refuses(self, api: Api):
        async with trader(api) as bot:
            for changes in REFUSED:
                body = order_body(**changes)
                answer = await bot.ask("place", order=body)
                assert same_problem(answer, await api.http.post("/api/orders", json=body)), changes

    async def test_one_that_was_asked_for_is_placed_though_its_client_leaves(self, api: Api, worker):
        body = order_body(clientOrderId=str(uuid4()))
        async with trader(api) as bot:
            await bot.send("place", order=body, id="1")
        async with trader(api) as bot:
            again = await bot.ask("place", order=body)
            await becomes(api, again["result"]["orderId"], "confirmed")

    async def test_commands_are_carried_out_side_by_side(self, api: Api, monkeypatch: pytest.MonkeyPatch):
        silent = asyncio.Event()

        async def cancel(*_: object) -> bool:
            await silent.wait()
            return True

        monkeypatch.setattr(OrderChanges, "cancel", cancel)
        async with trader(api) as bot:
            order_id = (await bot.ask("place", order=order_body(**LIMIT)))["result"]["orderId"]
            canceled = asyncio.create_task(bot.ask("cancel", orderId=order_id))
            # No worker answers the cancellation; all else goes on meanwhile.
            assert (await bot.ask("place", order=order_body()))["type"] == "result"
            assert not canceled.done()
            silent.set()
            assert (await canceled)["result"]["result"] == "pending"

    async def test_only_so_many_at_a_time(self, api: Api, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("api.trading._MOST_COMMANDS", 0)
        async with trader(api) as bot:
            assert (await bot.ask("place", order=order_body()))["problem"]["code"] == "rate_limited"


class TestChange:
    """`cancel`, `amend`, `cancelAll`."""

    async def test_cancel_is_definite(self, api: Api, worker):
        order_id = await opened(api)
        told = {"orderId": order_id, "result": "canceled", "status": "canceled", "signature": None}
        async with trader(api) as bot:
            first = await bot.ask("cancel", orderId=order_id, idempotencyKey="once")
            again = await bot.ask("cancel", orderId=order_id, idempotencyKey="once")
        assert first["result"] == told
        assert again["result"] == told | {"result": "already_terminal"}

    async def test_amend_takes_the_version(self, api: Api, worker):
        order_id = await opened(api)
        changes = {"limitPrice": "300"}
        async with trader(api) as bot:
            missing = await bot.ask("amend", orderId=order_id, changes=changes)
            old = await bot.ask("amend", orderId=order_id, changes=changes, version=1)
            done = await bot.ask("amend", orderId=order_id, changes=changes, version=2)
            anyhow = await bot.ask("amend", orderId=order_id, changes={"slippageBps": 9}, version="*")
        assert missing["problem"]["code"] == "version_required"
        assert old["problem"]["code"] == "version_mismatch"
        assert (done["result"]["limitPrice"], done["result"]["version"]) == ("300", 3)
        assert anyhow["result"] == await show(api, order_id)

    async def test_cancel_all_takes_the_filter_of_the_route(self, api: Api, worker):
        limits, stop = (
            [await opened(api) for _ in range(2)],
            await opened(api, limitPrice=None, type="stop", stopPrice=1),
        )
        async with trader(api) as bot:
            some = await bot.ask("cancelAll", filter={"type": "limit"})
            rest = await bot.ask("cancelAll")
            wrong = await bot.ask("cancelAll", filter={"pair": "SOL"})
        assert [each["orderId"] for each in some["result"]["orders"]] == limits
        assert [each["orderId"] for each in rest["result"]["orders"]] == [stop]
        assert same_problem(wrong, await api.http.post("/api/orders/cancel-all", json={"pair": "SOL"}))

    async def test_an_unknown_order_is_not_found(self, api: Api):
        async with trader(api) as bot:
            for command in COMMANDS[1:3]:
                answer = await bot.ask(**command)
                assert answer["problem"]["code"] == "order_not_found"

    async def test_what_is_no_command(self, api: Api):
        async with trader(api) as bot:
            for command in NO_COMMANDS:
                assert (await bot.ask(**command))["problem"]["code"] == "request_invalid", command


class TestAmendAgain:
    """A change that is repeated because its answer was lost."""

    async def test_it_is_made_once_and_answered_alike(self, api: Api, worker):
        order_id = await opened(api)
        async with trader(api) as bot:
            change = {"orderId": order_id, "changes": {"limitPrice": "300"}, "version": 2, "idempotencyKey": "a"}
            first, again = await bot.ask("amend", **change), await bot.ask("amend", **change)
            assert again["result"] == first["result"]
            assert (await show(api, order_id))["version"] == 3
            other = await bot.ask("amend", **change | {"idempotencyKey": "b"})
        assert other["problem"]["code"] == "version_mismatch"

    async def test_also_after_the_order_has_ended(self, api: Api, worker):
        order_id = await opened(api)
        headers = {"If-Match": '"2"', "Idempotency-Key": "a"}

        async def change() -> httpx.Response:
            return await api.http.patch(f"/api/orders/{order_id}", json={"limitPrice": "150"}, headers=headers)

        first = await change()
        await becomes(api, order_id, "confirmed")
        again = await change()
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.json() == first.json()


class TestKeys:
    """Each command needs the scope that its route needs, and counts as its call."""

    @pytest.fixture
    async def guarded(self, api_settings: ApiSettings, task_queue: str, database: Database) -> AsyncIterator[Api]:
        await TokenRepository(database).upsert([SOL, USDC])
        changes = {"api_auth": ApiAuth.KEYS, "api_trade_rate": 1, "api_burst_seconds": 8}
        async with serving(api_settings.model_copy(update=changes)) as api:
            yield api

    @pytest.mark.parametrize("scopes", [(Scope.READ,), (Scope.READ, Scope.ADMIN), (Scope.READ, Scope.TRADE)])
    async def test_a_key_that_reads_may_not_trade(self, guarded: Api, database: Database, scopes: tuple[Scope, ...]):
        async with trader(guarded, bearer(await KeyRing(database).make(*scopes))) as bot:
            for command in COMMANDS:
                code = (await bot.ask(**command)).get("problem", {}).get("code")
                assert (code == "scope_missing") is (Scope.TRADE not in scopes), command

    async def test_no_stream_opens_without_a_key_that_reads(self, guarded: Api, database: Database):
        for headers in ({}, bearer("nonsense"), bearer(await KeyRing(database).make(Scope.TRADE))):
            with pytest.raises(InvalidStatus):
                async with trader(guarded, headers):
                    pass

    async def test_orders_of_another_account_do_not_exist(self, guarded: Api, database: Database):
        keys = KeyRing(database)
        own, other = await keys.make(Scope.READ, Scope.TRADE), await keys.make(Scope.READ, Scope.TRADE, account="b")
        async with trader(guarded, bearer(own)) as bot:
            order_id = (await bot.ask("place", order=order_body(**LIMIT)))["result"]["orderId"]
        async with trader(guarded, bearer(other)) as thief:
            for command in COMMANDS[1:3]:
                answer = await thief.ask(**command | {"orderId": order_id})
                assert answer["problem"]["code"] == "order_not_found"
            assert (await thief.ask("cancelAll"))["result"]["orders"] == []

    async def test_commands_count_with_the_calls_of_the_key(self, guarded: Api, database: Database):
        key = bearer(await KeyRing(database).make(Scope.READ, Scope.TRADE))
        async with trader(guarded, key) as bot:
            answers = [await bot.ask("cancelAllAfter", seconds=0) for _ in range(14)]
        refused = next(answer for answer in answers if answer["type"] == "problem")
        assert (refused["problem"]["code"], refused["problem"]["retryAfter"]) == ("rate_limited", 1)
        assert answers[0]["type"] == "result"
        posted = await guarded.http.post("/api/orders/cancel-all-after", json={"seconds": 0}, headers=key)
        assert (posted.status_code, posted.json()["retryAfter"]) == (429, 1)

    async def test_a_revoked_key_trades_no_more_on_its_open_stream(
        self, guarded: Api, database: Database, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("api.access._TRUST_SECONDS", 0.0)
        monkeypatch.setattr("api.access._GUESSES", Policy("guesses", rate=1_000, burst=1_000))
        keys = KeyRing(database)
        text = await keys.make(Scope.READ, Scope.TRADE)
        async with trader(guarded, bearer(text)) as bot:
            assert (await bot.ask("cancelAllAfter", seconds=0))["type"] == "result"
            await keys.repository.revoke(key_id_of(text) or "", datetime.now(UTC) - timedelta(seconds=1))
            assert (await bot.ask("cancelAllAfter", seconds=0))["problem"]["code"] == "key_invalid"


def same_problem(message: dict[str, Any], answer: httpx.Response) -> bool:
    """Whether a stream and a route refuse alike; each problem has a number of its own."""
    (streamed, posted) = (dict(each) for each in (message["problem"], answer.json()))
    streamed.pop("instance"), posted.pop("instance")
    return streamed == posted and answer.status_code == streamed["status"]
