"""Lists over HTTP: filters, cursors that go with them, and orders by their clients' names."""

from datetime import timedelta

import pytest

from db.database import Database
from db.orders import OrderRepository
from tests.api.running import Api
from tests.samples import BEGINNING, SOL, USDC, first_events, limit_order, order_event, order_terms
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms


@pytest.fixture
async def made(database: Database) -> list[OrderTerms]:
    """A market order that failed, a limit order of another wallet that rests, and one of the other way."""
    orders = OrderRepository(database)
    made = [
        order_terms(),
        limit_order(created_at=BEGINNING + timedelta(hours=1), wallet="cold"),
        order_terms(created_at=BEGINNING + timedelta(hours=2), token_in=USDC, token_out=SOL),
    ]
    for terms in made:
        await orders.create_order(terms, first_events())
    await orders.append_event(made[0].order_id, order_event(3, Status.FAILED, venue="raydium+meteora"))
    await orders.append_event(made[1].order_id, order_event(3, Status.OPEN))
    return made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [2, 1, 0]),
        ("status=failed", [0]),
        ("status=failed&status=open", [1, 0]),
        ("phase=PENDING", [1]),
        ("phase=FAILED&status=open", []),
        ("type=limit", [1]),
        ("type=limit&type=market", [2, 1, 0]),
        ("pair=usdc/SOL", [2, 1, 0]),
        ("wallet=cold", [1]),
        ("venue=meteora", [0]),
        ("createdAfter=2026-03-04T06:06:07.890123Z", [2, 1]),
        ("createdBefore=2026-03-04T06:06:07.890123Z", [0]),
        ("createdAfter=2026-03-04T06:00:00Z&createdBefore=2026-03-04T07:00:00Z&phase=PENDING", [1]),
        ("parentId=018f0000-0000-7000-8000-000000000000", []),
    ],
)
async def test_each_filter(api: Api, made: list[OrderTerms], query: str, expected: list[int]):
    answer = await api.http.get(f"/api/orders?{query}")
    assert [order["orderId"] for order in answer.json()["orders"]] == [made[at].order_id for at in expected]


async def test_a_cursor_goes_with_its_filters(api: Api, made: list[OrderTerms]):
    first = (await api.http.get("/api/orders?limit=1&pair=SOL/USDC&status=open&status=routing")).json()
    same = {"cursor": first["nextCursor"], "pair": "USDC/sol", "status": ["routing", "open"]}
    (second,) = (await api.http.get("/api/orders", params=same)).json()["orders"]
    assert second["orderId"] == made[1].order_id
    for others in ({}, {"pair": "SOL/USDC"}, same | {"wallet": "cold"}, same | {"status": "open"}):
        answer = await api.http.get("/api/orders", params={"cursor": first["nextCursor"]} | others)
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid")
        assert "other filters" in answer.json()["detail"]


async def test_an_order_is_found_by_its_clients_name(api: Api):
    order = await api.submit(clientOrderId="events")
    answer = await api.http.get("/api/orders/by-client-order-id/events")
    assert (answer.status_code, answer.json()["orderId"], answer.headers["etag"]) == (200, order["orderId"], '"0"')
    missing = await api.http.get("/api/orders/by-client-order-id/never-placed")
    assert (missing.status_code, missing.json()["code"]) == (404, "order_not_found")


async def test_a_problem_leads_to_what_its_code_means(api: Api):
    problem = (await api.http.get("/api/orders/nonsense")).json()
    meant = (await api.http.get(problem["type"])).json()
    assert (meant["code"], meant["status"], meant["type"]) == (problem["code"], 404, problem["type"])
    assert (meant["retryable"], meant["advice"]) == (problem["retryable"], problem["advice"])
    table = (await api.http.get("/api/errors")).json()["errors"]
    assert [each["code"] for each in table] == list(ErrorCode)
    assert meant in table
    unknown = await api.http.get("/api/errors/nonsense")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "resource_not_found")
