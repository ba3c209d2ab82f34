"""Temporal breaks: an order is accepted, refused, or said to be unknown, and never the wrong one of these."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from api.engine import Engine
from api.settings import ApiSettings
from db.database import Database
from db.registry import TokenRepository
from tests.api.broken_line import Line
from tests.api.running import Api, order_body, serving
from tests.samples import SOL, USDC
from workflows.domain.ids import workflow_id
from workflows.domain.order import OrderTerms


@pytest.fixture
async def line(temporal_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    """The line to Temporal, and little patience at it."""
    line = Line(temporal_server.client.service_client.config.target_host)
    await line.open()
    monkeypatch.setenv("TEMPORAL_ADDRESS", line.address)
    monkeypatch.setattr("api.engine._START_TIMEOUT", timedelta(seconds=0.5))
    monkeypatch.setattr("api.engine._READ_TIMEOUT", timedelta(seconds=0.5))
    yield line
    await line.cut()


@pytest.fixture
async def api(line: Line, api_settings: ApiSettings, task_queue: str, database: Database) -> AsyncIterator[Api]:
    """The API at the end of the line."""
    await TokenRepository(database).upsert([SOL, USDC])
    async with serving(api_settings) as api:
        yield api


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[OrderTerms]:
    """Every order that was given to the engine."""
    orders: list[OrderTerms] = []
    start = Engine.start

    async def remember(self: Engine, terms: OrderTerms) -> OrderTerms:
        orders.append(terms)
        return await start(self, terms)

    monkeypatch.setattr(Engine, "start", remember)
    return orders


async def exists(client: Client, order_id: str) -> bool:
    """Whether Temporal has the order's workflow."""
    try:
        await client.get_workflow_handle(workflow_id(order_id)).describe()
    except RPCError:
        return False
    return True


def accept_with_deaf_line(line: Line, monkeypatch: pytest.MonkeyPatch, then: Any) -> None:
    """Let the line go deaf right before the workflow is started, and `then` happen before anyone asks again."""
    start_workflow, find_out = Client.start_workflow, Engine._find_out

    async def start(*arguments: Any, **options: Any) -> Any:
        line.deafen()
        return await start_workflow(*arguments, **options)

    async def ask(*arguments: Any) -> None:
        await then()
        await find_out(*arguments)

    monkeypatch.setattr(Client, "start_workflow", start)
    monkeypatch.setattr(Engine, "_find_out", ask)


async def test_while_temporal_is_away_nothing_is_created(api: Api, line: Line, given, temporal_server, monkeypatch):
    monkeypatch.setattr("api.engine._TRUST_SECONDS", 0.0)
    await api.submit()
    await line.cut()
    for _ in range(2):
        answer = await api.http.post("/api/orders", json=order_body())
        assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert "orderId" not in answer.json()
    await line.open()
    for terms in given[1:]:
        assert not await exists(temporal_server.client, terms.order_id)
    assert (await api.submit())["status"] == "pending"


async def test_a_temporal_that_hangs_is_noticed_before_anything_is_sent(api: Api, line: Line, monkeypatch):
    monkeypatch.setattr("api.engine._TRUST_SECONDS", 0.0)
    await api.submit()
    line.deafen()
    answer = await api.http.post("/api/orders", json=order_body())
    assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")


async def test_an_order_whose_answer_was_lost_is_accepted(api: Api, line: Line, given, monkeypatch, temporal_server):
    accept_with_deaf_line(line, monkeypatch, then=line.open)
    order = await api.submit()
    assert [terms.order_id for terms in given] == [order["orderId"]]
    assert await exists(temporal_server.client, order["orderId"])


async def test_an_order_of_which_nothing_can_be_learned_is_unknown(
    api: Api, line: Line, given, monkeypatch, temporal_server
):
    accept_with_deaf_line(line, monkeypatch, then=line.cut)
    answer = await api.http.post("/api/orders", json=order_body())
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (503, "acceptance_unknown")
    assert problem["orderId"] == given[0].order_id
    assert "before you send another" in problem["advice"]
    # And it does.
    assert await exists(temporal_server.client, problem["orderId"])
    await line.open()
    assert (await api.http.get(f"/api/orders/{problem['orderId']}")).json()["status"] == "pending"


async def test_an_order_that_never_arrived_is_refused(api: Api, line: Line, given, monkeypatch, temporal_server):
    start_workflow, find_out = Client.start_workflow, Engine._find_out

    async def start(*arguments: Any, **options: Any) -> Any:
        await line.cut()
        return await start_workflow(*arguments, **options)

    async def ask(*arguments: Any) -> None:
        await line.open()
        await find_out(*arguments)

    monkeypatch.setattr(Client, "start_workflow", start)
    monkeypatch.setattr(Engine, "_find_out", ask)
    answer = await api.http.post("/api/orders", json=order_body())
    assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")
    assert not await exists(temporal_server.client, given[0].order_id)


async def test_the_api_starts_and_answers_without_temporal(
    line: Line, api_settings: ApiSettings, task_queue: str, database: Database
):
    await line.cut()
    await TokenRepository(database).upsert([SOL, USDC])
    async with serving(api_settings) as api:
        assert (await api.http.get("/healthz")).json() == {"status": "alive"}
        readiness = await api.http.get("/readyz")
        assert (readiness.status_code, readiness.json()["status"]) == (503, "unavailable")
        assert readiness.json()["checks"]["temporal"] == {"state": "down", "detail": "Temporal does not answer"}
        assert (await api.http.get("/api/tokens")).status_code == 200
        for path in ("/api/orders", "/api/quotes"):
            answer = await api.http.post(path, json=order_body())
            assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")
        # It might be an order that is accepted and not yet stored.
        answer = await api.http.get("/api/orders/018f0000-0000-7000-8000-000000000000")
        assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")
        await line.open()
        await api.becomes("ready")
        assert (await api.submit())["status"] == "pending"


async def test_a_namespace_without_the_search_attributes_refuses(api: Api, given, monkeypatch, temporal_server):
    from temporalio.common import SearchAttributeKey

    monkeypatch.setattr("workflows.starting.ORDER_PAIR", SearchAttributeKey.for_keyword("NoSuchAttribute"))
    answer = await api.http.post("/api/orders", json=order_body())
    assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")
    assert not await exists(temporal_server.client, given[0].order_id)
