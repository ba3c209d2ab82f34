"""Accepting orders, and refusing bad input without a trace."""

import asyncio
import json

import pytest
from temporalio.testing import WorkflowEnvironment

from tests.api.running import Api, RunWorker, order_body
from tests.samples import SOL, USDC
from tests.workflows.scripted import Script
from workflows.domain.ids import is_order_id, workflow_id
from workflows.names import ORDER_ACCOUNT, ORDER_PAIR, ORDER_TYPE


async def test_an_order_is_accepted_once_its_workflow_is_there(api: Api, temporal_server: WorkflowEnvironment):
    answer = await api.http.post("/api/orders", json=order_body(slippageBps=30))
    assert answer.status_code == 202
    order = answer.json()
    assert is_order_id(order["orderId"])
    assert answer.headers["location"] == f"/api/orders/{order['orderId']}" == order["links"]["self"]
    expected = {
        "status": "pending",
        "phase": "PENDING",
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "tokenInMint": SOL.mint,
        "amount": "1.5",
        "amountBaseUnits": "1500000000",
        "slippageBps": 30,
        "lastSeq": 0,
        "signature": None,
    }
    assert {name: order[name] for name in expected} == expected
    assert order["createdAt"].endswith("Z")
    workflow = await temporal_server.client.get_workflow_handle(workflow_id(order["orderId"])).describe()
    assert await workflow.static_summary() == "sell 1.5 SOL for USDC, market"
    attributes = workflow.typed_search_attributes
    assert [attributes[key] for key in (ORDER_PAIR, ORDER_TYPE, ORDER_ACCOUNT)] == ["SOL/USDC", "market", "local"]


@pytest.mark.parametrize("path", ["/order", "/api/orders/execute"])
async def test_the_paths_of_the_first_version_accept_orders(api: Api, path: str):
    answer = await api.http.post(path, json=order_body())
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/orders/{answer.json()['orderId']}"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ('"1.5"', "1.5"),
        ("1.5", "1.5"),
        ("2", "2"),
        ("1e1", "10"),
        ('"0.000000001"', "0.000000001"),
        # As a float this would be 0.30000000000000004 or lose its last digits.
        ("9007199254.740993001", "9007199254.740993001"),
    ],
)
async def test_the_amount_is_taken_digit_by_digit(api: Api, raw: str, shown: str):
    body = f'{{"tokenIn": "SOL", "tokenOut": "USDC", "amount": {raw}}}'
    answer = await api.http.post("/api/orders", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 202, answer.text
    assert answer.json()["amount"] == shown


@pytest.mark.parametrize("names", [("sol", "Usdc"), (SOL.mint, USDC.mint), ("SOL", USDC.mint)])
async def test_tokens_are_named_by_symbol_or_mint(api: Api, names: tuple[str, str]):
    order = await api.submit(tokenIn=names[0], tokenOut=names[1])
    assert (order["tokenInMint"], order["tokenOutMint"]) == (SOL.mint, USDC.mint)


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
async def test_a_bad_field_is_refused_by_name(api: Api, nothing_created: None, changes, code, field):
    answer = await api.http.post(
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
async def test_a_broken_body_is_malformed(api: Api, nothing_created: None, content: bytes):
    answer = await api.http.post("/api/orders", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "request_malformed")


async def test_a_body_that_is_too_large_is_refused(api: Api, nothing_created: None):
    content = json.dumps(order_body(wallet="x" * 1_000_000)).encode()
    answer = await api.http.post("/api/orders", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
    assert (await api.http.get("/healthz")).status_code == 200


async def test_a_large_body_in_chunks_is_refused_before_it_ends(api: Api, nothing_created: None):
    sent = 0

    async def chunks():
        nonlocal sent
        yield b'{"tokenIn": "'
        for _ in range(1_000):
            sent += 1
            yield b"x" * 1_000

    answer = await api.http.post("/api/orders", content=chunks(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
async def test_another_media_type_is_refused(api: Api, nothing_created: None, media_type: str):
    content = json.dumps(order_body())
    answer = await api.http.post("/api/orders", content=content, headers={"content-type": media_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "request_media_type")


async def test_the_media_type_may_name_its_encoding(api: Api):
    headers = {"content-type": "application/json; charset=utf-8"}
    answer = await api.http.post("/api/orders", content=json.dumps(order_body()), headers=headers)
    assert answer.status_code == 202


async def test_orders_at_once_are_orders_of_their_own(api: Api, run_worker: RunWorker):
    async with run_worker(Script()):
        accepted = await asyncio.gather(*(api.submit() for _ in range(30)))
        assert len({order["orderId"] for order in accepted}) == 30
        for order in accepted:
            async with api.stream(order["orderId"]) as stream:
                messages, code = await stream.rest()
                assert (messages[-1]["status"], code) == ("confirmed", 1000)
