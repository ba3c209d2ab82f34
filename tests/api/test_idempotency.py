"""The same request, any number of times: one order, and never the wrong one."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from api.settings import ApiSettings
from db.database import Database
from db.orders import OrderRepository
from db.registry import TokenRepository
from tests.api.running import Api, RunWorker, order_body, serving
from tests.samples import SOL, USDC, order_event
from tests.servers import PostgresServer, free_port
from tests.workflows.histories import until
from tests.workflows.scripted import Script
from workflows.domain.ids import derived_order_id, workflow_id
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms


@pytest.fixture
def mine() -> str:
    """A name that no other test has given: the session's Temporal remembers all of them."""
    return f"mine-{uuid4()}"


async def post(api: Api, key: str | None = None, **changes: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key is not None else {}
    return await api.http.post("/api/orders", json=order_body(**changes), headers=headers)


async def test_the_same_request_again_is_the_same_order(api: Api, mine: str):
    first = await post(api, mine)
    assert first.status_code == 202
    assert "idempotency-replayed" not in first.headers
    order_id = first.json()["orderId"]
    assert order_id == derived_order_id("local", mine)
    assert first.json()["clientOrderId"] == mine
    ways = [
        await post(api, mine),
        await post(api, f'"{mine}"'),
        await post(api, None, clientOrderId=mine),
        await post(api, mine, clientOrderId=mine),
        # The same meaning in other words.
        await post(api, mine, amount="1.500", tokenIn=SOL.mint, slippageBps=50, timeInForce="ioc", type="market"),
    ]
    for again in ways:
        assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true"), again.text
        assert again.json()["orderId"] == order_id
        assert again.headers["location"] == f"/api/orders/{order_id}"


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "1.6"},
        {"tokenIn": "USDC", "tokenOut": "SOL"},
        {"slippageBps": 51},
        {"wallet": "other"},
        {"maxAttempts": 4},
        {"deadline": "2035-01-01T00:00:00Z"},
        {"type": "limit", "limitPrice": "1"},
        {"amount": None, "amountOut": "1", "maxAmountIn": "1.5"},
        {"timeInForce": "gtc"},
    ],
)
async def test_another_request_under_the_same_name_is_refused(api: Api, changes: dict[str, Any], mine: str):
    first = await post(api, mine)
    other = await post(api, mine, **changes)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert other.json()["orderId"] == first.json()["orderId"]


async def test_two_names_at_once_are_refused(refusing_api: Api):
    answer = await post(refusing_api, "one", clientOrderId="two")
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


@pytest.mark.parametrize("key", ["", "a b", "a/b", "a" * 129])
async def test_what_is_no_key(refusing_api: Api, key: str):
    answer = await post(refusing_api, key)
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


async def test_orders_without_a_name_are_orders_of_their_own(api: Api):
    assert (await post(api)).json()["orderId"] != (await post(api)).json()["orderId"]


async def test_a_repetition_shows_the_order_as_it_stands(api: Api, run_worker: RunWorker, mine: str):
    order_id = (await post(api, mine)).json()["orderId"]
    async with run_worker(Script()), api.stream(order_id) as stream:
        await stream.rest()
    again = await post(api, mine)
    assert (again.status_code, again.json()["status"], again.json()["filledOut"]) == (200, "confirmed", "290")


async def test_a_repetition_may_come_when_its_times_are_over(api: Api, database: Database, mine: str):
    body = {"type": "limit", "limitPrice": "200", "timeInForce": "gtd", "expireAt": "2035-01-01T00:00:00Z"}
    order = (await post(api, mine, **body)).json()
    terms = await stored(api, database, order["orderId"])
    assert terms.expire_at is not None
    with pytest.MonkeyPatch.context() as patch:
        # Whatever is too late for a new order is fine for one that is there.
        patch.setattr("api.terms._LONGEST", terms.expire_at - terms.expire_at)
        assert (await post(api, "other", **body)).status_code == 422
        assert (await post(api, mine, **body)).status_code == 200


async def stored(api: Api, database: Database, order_id: str) -> OrderTerms:
    """Store the order as its workflow would."""
    terms = await api.services.engine.accepted(order_id)
    assert terms is not None
    await OrderRepository(database).create_order(terms, (order_event(1, Status.PENDING),))
    return terms


class TestWhatRemembers:
    async def test_postgresql_still_knows_what_temporal_has_forgotten(
        self, api: Api, database: Database, temporal_server: WorkflowEnvironment, api_settings: ApiSettings, mine: str
    ):
        order = (await post(api, mine)).json()
        await stored(api, database, order["orderId"])
        await forget(temporal_server, order["orderId"])
        async with serving(api_settings.model_copy(update={"api_port": free_port()})) as other:
            again, another = await post(other, mine), await post(other, mine, amount="9")
        assert (again.status_code, again.json()["orderId"]) == (200, order["orderId"])
        assert another.json()["code"] == "idempotency_key_reused"

    async def test_temporal_knows_what_is_not_stored_yet(self, api: Api, postgres_server: PostgresServer, mine: str):
        order = (await post(api, mine)).json()
        await postgres_server.stop()
        try:
            again, another = await post(api, mine), await post(api, mine, amount="9")
        finally:
            await postgres_server.start()
        assert (again.status_code, again.json()["orderId"]) == (200, order["orderId"])
        assert another.json()["code"] == "idempotency_key_reused"

    async def test_where_nobody_can_tell_nothing_is_created(
        self, api: Api, postgres_server: PostgresServer, temporal_server: WorkflowEnvironment, mine: str
    ):
        # The tokens are known from here on.
        await post(api)
        await postgres_server.stop()
        try:
            answer = await post(api, mine)
        finally:
            await postgres_server.start()
        assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        order_id = derived_order_id("local", mine)
        assert await api.services.engine.accepted(order_id) is None


async def forget(server: WorkflowEnvironment, order_id: str) -> None:
    """What the end of the retention does."""
    client, execution = server.client, WorkflowExecution(workflow_id=workflow_id(order_id))
    request = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
    await client.workflow_service.delete_workflow_execution(request)

    async def gone() -> bool:
        try:
            await client.get_workflow_handle(workflow_id(order_id)).describe()
        except RPCError as error:
            return error.status is RPCStatusCode.NOT_FOUND
        return False

    await until(gone)


async def test_fifty_at_once_over_two_apis_are_one_order(
    api: Api, api_settings: ApiSettings, run_worker: RunWorker, database: Database, mine: str
):
    await TokenRepository(database).upsert([SOL, USDC])
    async with (
        serving(api_settings.model_copy(update={"api_port": free_port()})) as other,
        run_worker(Script()) as steps,
    ):
        answers = await asyncio.gather(*(post(one, mine) for one in (api, other) * 25))
        order_id = derived_order_id("local", mine)
        async with api.stream(order_id) as stream:
            await stream.rest()
    assert {answer.json()["orderId"] for answer in answers} == {order_id}
    assert sorted({answer.status_code for answer in answers}) == [200, 202]
    assert [answer.status_code for answer in answers].count(202) == 1
    assert len(steps.chain.sent[order_id]) == 1
