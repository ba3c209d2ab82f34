"""Accepting orders."""

import json

import pytest
from temporalio.testing import WorkflowEnvironment

from tests.api.running import Api, order_body
from tests.samples import SOL, USDC
from workflows.domain.ids import is_order_id, workflow_id
from workflows.names import ORDER_ACCOUNT, ORDER_PAIR, ORDER_STATUS, ORDER_TYPE


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
    assert attributes[ORDER_STATUS] == "in_progress"


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


async def test_the_media_type_may_name_its_encoding(api: Api):
    headers = {"content-type": "application/json; charset=utf-8"}
    answer = await api.http.post("/api/orders", content=json.dumps(order_body()), headers=headers)
    assert answer.status_code == 202
