"""Placing every type of order: what is accepted, what it means, and what does not go together."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from api.examples import ORDER_EXAMPLES
from tests.api.running import Api, order_body

LATER = "2035-01-31T12:00:00+02:00"


@pytest.mark.parametrize("name", ORDER_EXAMPLES)
async def test_every_example_is_accepted(api: Api, name: str):
    answer = await api.http.post("/api/orders", json=ORDER_EXAMPLES[name]["value"])
    assert answer.status_code == 202, answer.text
    assert answer.headers["etag"] == '"0"'


async def test_the_description_shows_the_examples(api: Api):
    described = (await api.http.get("/openapi.json")).json()
    content = described["paths"]["/api/orders"]["post"]["requestBody"]["content"]["application/json"]
    assert content["examples"] == ORDER_EXAMPLES


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, {"type": "market", "timeInForce": "ioc", "expireAt": None, "deadline": None, "amountOut": None}),
        (
            {"type": "limit", "limitPrice": 151.250},
            {"type": "limit", "limitPrice": "151.25", "timeInForce": "gtc", "stopPrice": None},
        ),
        (
            {"type": "stop_limit", "limitPrice": "1e-6", "stopPrice": "2E2", "timeInForce": "gtd", "expireAt": LATER},
            {"limitPrice": "0.000001", "stopPrice": "200", "expireAt": "2035-01-31T10:00:00Z"},
        ),
        ({"deadline": LATER, "maxAttempts": 7}, {"deadline": "2035-01-31T10:00:00Z", "maxAttempts": 7}),
        (
            {"amount": None, "amountOut": "2.5", "maxAmountIn": "1"},
            {"amount": "1", "amountBaseUnits": "1000000000", "amountOut": "2.5", "amountOutBaseUnits": "2500000"},
        ),
        ({"clientOrderId": "a.b_c~d:e-1"}, {"clientOrderId": "a.b_c~d:e-1"}),
    ],
)
async def test_an_order_shows_what_was_asked_for(api: Api, asked: dict[str, Any], told: dict[str, Any]):
    order = await api.submit(**asked)
    assert {name: order[name] for name in told} == told
    shown = (await api.http.get(f"/api/orders/{order['orderId']}")).json()
    assert {name: shown[name] for name in told} == told


async def test_a_day_order_ends_with_the_day_of_its_acceptance(api: Api):
    order = await api.submit(type="limit", limitPrice="200", timeInForce="day")
    created, expires = datetime.fromisoformat(order["createdAt"]), datetime.fromisoformat(order["expireAt"])
    assert (expires.hour, expires.minute, expires.second, expires.microsecond) == (0, 0, 0, 0)
    assert expires.tzinfo is not None
    assert expires.utcoffset() == timedelta(0)
    assert created < expires <= created + timedelta(days=1)


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        ({"type": "iceberg"}, "request_invalid", "type"),
        ({"type": "limit"}, "request_invalid", "limitPrice"),
        ({"limitPrice": "3"}, "request_invalid", "limitPrice"),
        ({"type": "stop"}, "request_invalid", "stopPrice"),
        ({"type": "stop", "stopPrice": "1", "limitPrice": "1"}, "request_invalid", "limitPrice"),
        ({"type": "stop_limit", "stopPrice": "1"}, "request_invalid", "limitPrice"),
        ({"type": "take_profit", "limitPrice": "1", "stopPrice": "1"}, "request_invalid", "limitPrice"),
        ({"type": "stop", "stopPrice": "1", "timeInForce": "ioc"}, "request_invalid", "timeInForce"),
        ({"timeInForce": "forever"}, "request_invalid", "timeInForce"),
        ({"timeInForce": "gtd"}, "request_invalid", "expireAt"),
        ({"expireAt": LATER}, "request_invalid", "expireAt"),
        ({"timeInForce": "gtd", "expireAt": "2001-01-01T00:00:00Z"}, "request_invalid", "expireAt"),
        ({"timeInForce": "gtd", "expireAt": "2101-01-01T00:00:00Z"}, "request_invalid", "expireAt"),
        ({"timeInForce": "gtd", "expireAt": "2035-01-01T00:00:00"}, "request_invalid", "expireAt"),
        ({"timeInForce": "gtd", "expireAt": 2_000_000_000}, "request_invalid", "expireAt"),
        ({"deadline": "tomorrow"}, "request_invalid", "deadline"),
        ({"maxAttempts": 0}, "request_invalid", "maxAttempts"),
        ({"maxAttempts": 101}, "request_invalid", "maxAttempts"),
        ({"amount": None}, "request_invalid", "amount"),
        ({"amountOut": "1", "maxAmountIn": "1"}, "request_invalid", "amountOut"),
        ({"maxAmountIn": "1"}, "request_invalid", "maxAmountIn"),
        ({"amount": None, "amountOut": "1"}, "request_invalid", "maxAmountIn"),
        ({"amount": None, "amountOut": "0", "maxAmountIn": "1"}, "amount_not_positive", "amountOut"),
        ({"amount": None, "amountOut": "1", "maxAmountIn": "x"}, "amount_invalid", "maxAmountIn"),
        ({"type": "limit", "limitPrice": "0"}, "price_invalid", "limitPrice"),
        ({"type": "limit", "limitPrice": "NaN"}, "price_invalid", "limitPrice"),
        ({"type": "limit", "limitPrice": "1e25"}, "price_invalid", "limitPrice"),
        ({"type": "stop", "stopPrice": "-1"}, "price_invalid", "stopPrice"),
        ({"clientOrderId": ""}, "request_invalid", "clientOrderId"),
        ({"clientOrderId": "a/b"}, "request_invalid", "clientOrderId"),
        ({"clientOrderId": "a" * 129}, "request_invalid", "clientOrderId"),
    ],
)
async def test_what_does_not_go_together_is_named(refusing_api: Api, asked: dict[str, Any], code: str, field: str):
    answer = await refusing_api.http.post("/api/orders", json=order_body(**asked))
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert [each["field"] for each in answer.json()["errors"]] == [field]
