"""How the engine is doing, and its switch, over HTTP."""

import pytest

from db.database import Database
from tests.api.running import Api, RunWorker
from tests.api.test_access import KeyRing, bearer
from tests.servers import PostgresServer
from tests.workflows.scripted import Script
from workflows.domain.access import Scope


async def ended(api: Api, order_id: str) -> None:
    async with api.stream(order_id) as stream:
        await stream.rest()


async def test_the_last_minutes_are_told_with_all_servers(api: Api, run_worker: RunWorker):
    async with run_worker(Script()):
        accepted = await api.submit()
        await ended(api, accepted["orderId"])
    told = (await api.http.get("/api/operations?minutes=5")).json()
    assert (told["account"], told["bucketSeconds"], len(told["buckets"])) == (None, 5, 60)
    assert sum(bucket["accepted"] for bucket in told["buckets"]) == 1
    assert sum(bucket["confirmed"] for bucket in told["buckets"]) == 1
    assert [(end["status"], end["venue"], end["orders"]) for end in told["ended"]] == [("confirmed", "raydium", 1)]
    (whole,) = [step for step in told["steps"] if step["before"] is None]
    assert whole["after"] == "confirmed"
    assert 0 <= whole["p50Ms"] <= whole["p95Ms"] <= whole["p99Ms"]
    assert {name: check["state"] for name, check in told["checks"].items()} == dict.fromkeys(
        ("temporal", "postgres", "redis"), "up"
    )
    assert (told["inFlight"], told["halt"], told["reconciliation"], told["streams"]) == ([], None, None, 0)


@pytest.mark.parametrize("minutes", ["0", "1441", "x"])
async def test_a_window_has_bounds(api: Api, minutes: str):
    answer = await api.http.get(f"/api/operations?minutes={minutes}")
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


async def test_without_postgresql_nothing_can_be_told(api: Api, postgres_server: PostgresServer):
    await postgres_server.stop()
    try:
        for method, path in (("GET", "/api/operations"), ("POST", "/api/halt"), ("POST", "/api/resume")):
            answer = await api.http.request(method, path, json={} if method == "POST" else None)
            assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable"), path
    finally:
        await postgres_server.start()


async def test_on_ones_own_machine_everything_is_allowed(api: Api):
    told = (await api.http.get("/api/me")).json()
    assert told == {"account": "local", "scopes": ["read", "trade", "admin"], "keyId": None, "cluster": "localnet"}


async def test_a_key_tells_whose_it_is_and_sees_its_own_account_only(guarded: Api, database: Database):
    key = await KeyRing(database).make(Scope.READ, account="desk-7")
    told = (await guarded.http.get("/api/me", headers=bearer(key))).json()
    assert (told["account"], told["scopes"], told["keyId"]) == ("desk-7", ["read"], key.split("_")[1])
    assert (await guarded.http.get("/api/operations", headers=bearer(key))).json()["account"] == "desk-7"
    both = await KeyRing(database).make(Scope.READ, Scope.ADMIN)
    assert (await guarded.http.get("/api/operations", headers=bearer(both))).json()["account"] is None


async def test_trading_is_halted_and_resumed_by_whoever_runs_the_engine(guarded: Api, database: Database):
    keys = KeyRing(database)
    admin, trader = await keys.make(Scope.ADMIN, account="ops"), await keys.make(Scope.READ, Scope.TRADE)
    refused = await guarded.http.post("/api/halt", json={"reason": "no"}, headers=bearer(trader))
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    body = {"reason": " the prices are odd "}
    halt = (await guarded.http.post("/api/halt", json=body, headers=bearer(admin))).json()["halt"]
    assert halt["by"] == f"ops (key {admin.split('_')[1]})"
    assert halt["reason"] == "the prices are odd"
    # The first one stands, and everyone sees it.
    again = await guarded.http.post("/api/halt", json={"reason": "another"}, headers=bearer(admin))
    assert again.json()["halt"] == halt
    assert (await guarded.http.get("/api/operations", headers=bearer(trader))).json()["halt"] == halt
    assert (await guarded.http.post("/api/resume", headers=bearer(admin))).json() == {"halt": None}
    assert (await guarded.http.get("/api/operations", headers=bearer(trader))).json()["halt"] is None


@pytest.mark.parametrize("body", [{"why": "x"}, {"reason": 1}, {"reason": "x" * 201}])
async def test_a_halt_that_cannot_be_understood_is_none(api: Api, body: dict[str, object]):
    answer = await api.http.post("/api/halt", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
    assert (await api.http.get("/api/operations")).json()["halt"] is None
