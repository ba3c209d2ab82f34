"""Bad input is answered with a problem document and creates nothing."""

import json

import pytest

from tests.api.running import Api, order_body
from tests.samples import SOL


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"tokenIn": "WAT"}, "token_unknown", "tokenIn"),
        ({"tokenOut": SOL.mint[:-1]}, "token_unknown", "tokenOut"),
        ({"tokenIn": "\ud800"}, "request_invalid", "tokenIn"),
        ({"tokenIn": "\0"}, "token_unknown", "tokenIn"),
        ({"tokenIn": "x" * 65}, "request_invalid", "tokenIn"),
        ({"tokenIn": ""}, "request_invalid", "tokenIn"),
        ({"tokenIn": None}, "request_invalid", "tokenIn"),
        ({"tokenIn": ["SOL"]}, "request_invalid", "tokenIn"),
        ({"tokenOut": "SOL"}, "tokens_identical", "tokenOut"),
        ({"tokenOut": "sol"}, "tokens_identical", "tokenOut"),
        ({"tokenOut": SOL.mint}, "tokens_identical", "tokenOut"),
        ({"amount": None}, "request_invalid", "amount"),
        ({"amount": True}, "request_invalid", "amount"),
        ({"amount": {}}, "request_invalid", "amount"),
        ({"amount": ""}, "amount_invalid", "amount"),
        ({"amount": "abc"}, "amount_invalid", "amount"),
        ({"amount": "1,5"}, "amount_invalid", "amount"),
        ({"amount": "1_5"}, "amount_invalid", "amount"),
        ({"amount": " 1.5"}, "amount_invalid", "amount"),
        ({"amount": "\uff11.\uff15"}, "amount_invalid", "amount"),
        ({"amount": "0x10"}, "amount_invalid", "amount"),
        ({"amount": "NaN"}, "amount_invalid", "amount"),
        ({"amount": "Infinity"}, "amount_invalid", "amount"),
        ({"amount": "0"}, "amount_not_positive", "amount"),
        ({"amount": 0}, "amount_not_positive", "amount"),
        ({"amount": "-1"}, "amount_not_positive", "amount"),
        ({"amount": -1}, "amount_not_positive", "amount"),
        ({"amount": "1.0000000001"}, "amount_too_precise", "amount"),
        ({"amount": "1e-4000"}, "amount_too_precise", "amount"),
        ({"amount": f"1.{'0' * 70}1"}, "amount_too_precise", "amount"),
        ({"amount": "1e30"}, "amount_too_large", "amount"),
        ({"amount": 10**30}, "amount_too_large", "amount"),
        ({"amount": "18446744073.709551616"}, "amount_too_large", "amount"),
        ({"slippageBps": -1}, "request_invalid", "slippageBps"),
        ({"slippageBps": 10_001}, "request_invalid", "slippageBps"),
        ({"slippageBps": "50"}, "request_invalid", "slippageBps"),
        ({"slippageBps": 50.5}, "request_invalid", "slippageBps"),
        ({"slippageBps": True}, "request_invalid", "slippageBps"),
        ({"wallet": "../secret"}, "request_invalid", "wallet"),
        ({"wallet": "default\n"}, "request_invalid", "wallet"),
        ({"side": "buy"}, "request_invalid", "side"),
        ({"token_in": "SOL"}, "request_invalid", "token_in"),
    ],
)
async def test_a_bad_field_is_refused_by_name(refusing_api: Api, changes, code, field):
    answer = await refusing_api.http.post(
        "/api/orders", content=json.dumps(order_body(**changes)), headers={"content-type": "application/json"}
    )
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["code"]) == (422, 422, code)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert problem["advice"]
    assert problem["instance"].startswith("urn:uuid:")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"order"',
        b"null",
        b'{"tokenIn": "SOL",}',
        b'{"amount": NaN}',
        b'{"amount": -Infinity}',
        b'{"amount": 1e99999999999999999999}',
        b'{"amount": ' + b"1" * 5_000 + b"}",
        b'{"amount": "1", "amount": "100"}',
        b'{"tokenIn": "\xff"}',
        '{"tokenIn": "SOL"}'.encode("utf-16"),
        b"[" * 50_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    ],
    ids=lambda content: content[:24],
)
async def test_a_broken_body_is_malformed(refusing_api: Api, content: bytes):
    answer = await refusing_api.http.post("/api/orders", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "request_malformed")


async def test_a_body_that_is_too_large_is_refused(refusing_api: Api):
    content = json.dumps(order_body(wallet="x" * 1_000_000)).encode()
    answer = await refusing_api.http.post("/api/orders", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
    assert (await refusing_api.http.get("/healthz")).status_code == 200


async def test_a_large_body_in_chunks_is_refused_before_it_ends(refusing_api: Api):
    sent = 0

    async def chunks():
        nonlocal sent
        yield b'{"tokenIn": "'
        for _ in range(1_000):
            sent += 1
            yield b"x" * 1_000

    answer = await refusing_api.http.post("/api/orders", content=chunks(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
async def test_another_media_type_is_refused(refusing_api: Api, media_type: str):
    content = json.dumps(order_body())
    answer = await refusing_api.http.post("/api/orders", content=content, headers={"content-type": media_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "request_media_type")


@pytest.mark.parametrize("path", ["/order", "/api/orders/execute", "/api/quotes"])
async def test_every_path_that_takes_a_swap_refuses_the_same(refusing_api: Api, path: str):
    answer = await refusing_api.http.post(path, json=order_body(amount="1e30"))
    assert (answer.status_code, answer.json()["code"]) == (422, "amount_too_large")


async def test_a_quote_names_no_wallet(refusing_api: Api):
    answer = await refusing_api.http.post("/api/quotes", json=order_body(wallet="default"))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "wallet")


async def test_an_answer_does_not_grow_with_the_mistakes(refusing_api: Api):
    answer = await refusing_api.http.post(
        "/api/orders", json={f"field {number} {'x' * 500}": 1 for number in range(99)}
    )
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 20
    assert len(answer.content) < 16_000


@pytest.mark.parametrize("path", ["/api", "/api/order", "/api/orders/", "/api/tokens/SOL", "/%00"])
async def test_what_is_not_there(refusing_api: Api, path: str):
    answer = await refusing_api.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "resource_not_found")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/orders", "GET, POST"),
        ("PUT", "/order", "POST"),
        ("POST", "/healthz", "GET"),
        ("GET", "/api/quotes", "POST"),
        ("PUT", "/api/orders/018f0000-0000-7000-8000-000000000000", "GET, PATCH"),
    ],
)
async def test_a_method_that_a_path_does_not_take(refusing_api: Api, method: str, path: str, allowed: str):
    answer = await refusing_api.http.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("status=traded", "status.0"),
        ("phase=failed", "phase"),
        ("stauts=open", "stauts"),
        ("wallet=%00", "wallet"),
        ("venue=orca", "venue"),
        ("type=iceberg", "type.0"),
        ("pair=SOL", "pair"),
        ("createdAfter=1", "createdAfter"),
        ("createdBefore=0001-01-01T00:00:00%2B14:00", "createdBefore"),
        ("parentId=1", "parentId"),
        ("cursor=" + "x" * 201, "cursor"),
    ],
)
async def test_a_bad_query_is_refused_by_name(refusing_api: Api, query: str, field: str):
    answer = await refusing_api.http.get(f"/api/orders?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "MS4y", "%ff", "\u00e9", "OTk5OTk5OTk5OTk5OTk5OTk5"])
async def test_a_cursor_of_another_making_is_refused(refusing_api: Api, cursor: str):
    answer = await refusing_api.http.get("/api/orders", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid")


@pytest.mark.parametrize("after", ["-1", "x", "2147483648", "1.5"])
async def test_events_after_what_is_no_seq_are_refused(refusing_api: Api, after: str):
    answer = await refusing_api.http.get(f"/api/orders/018f0000-0000-7000-8000-000000000000/events?after={after}")
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


async def test_an_unexpected_error_leaks_nothing_and_is_logged(
    refusing_api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async def fail(_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("api.tokens.TokenCatalog.all", fail)
    answer = await refusing_api.http.get("/api/tokens")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert answer.json()["instance"] in caplog.text
