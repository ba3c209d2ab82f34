"""The dead man's switch over the API: armed, renewed, switched off, and fired while the API is dead."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment

from activities.dead_mans_switch import DeadMansSwitchActivities
from api.settings import ApiSettings
from db.database import Database
from db.live_orders import LiveOrderReader
from db.orders import OrderRepository
from db.registry import TokenRepository
from db.views import OrderReader
from tests.api.running import Api, RunWorker, StoringActivities, serving
from tests.api.test_changes import AT_150, becomes, opened, show
from tests.api.trader import trader
from tests.samples import SOL, USDC, first_events, order_event, order_terms
from tests.workflows.histories import until
from tests.workflows.scripted import Script, landed
from workflows.domain.access import LOCAL
from workflows.domain.ids import switch_id
from workflows.domain.lifecycle import Status
from workflows.names import ORDER_ACCOUNT
from workflows.switch_messages import CancelOrders, OrdersAsked


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> str:
    """An account of the test's own, for whoever calls without a key: a switch may outlive its test."""
    name = f"desk-{uuid4()}"
    monkeypatch.setattr("api.access.LOCAL", LOCAL.model_copy(update={"account": name}))
    return name


@pytest.fixture
async def worker(run_worker: RunWorker) -> AsyncIterator[StoringActivities]:
    async with run_worker(AT_150) as activities:
        yield activities


async def arm(api: Api, seconds: int) -> dict[str, Any]:
    answer = await api.http.post("/api/orders/cancel-all-after", json={"seconds": seconds})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_it_tells_when_it_fires(api: Api, account: str, temporal_server: WorkflowEnvironment):
    told = await arm(api, 60)
    current, trigger = (datetime.fromisoformat(told[name]) for name in ("currentTime", "triggerTime"))
    assert (told["account"], (trigger - current).total_seconds()) == (account, 60)
    workflow = await temporal_server.client.get_workflow_handle(switch_id(account)).describe()
    assert await workflow.static_summary() == f"cancel all orders of {account} unless renewed"
    assert workflow.typed_search_attributes[ORDER_ACCOUNT] == account
    async with trader(api) as bot:
        again = (await bot.ask("cancelAllAfter", seconds=90))["result"]
        assert datetime.fromisoformat(again["triggerTime"]) > trigger
        assert (await bot.ask("cancelAllAfter", seconds=0))["result"]["triggerTime"] is None


async def test_one_that_is_off_can_be_switched_off(api: Api, account: str):
    assert (await arm(api, 0))["triggerTime"] is None


async def test_it_fires_though_the_api_that_took_it_is_dead(
    api_settings: ApiSettings, task_queue: str, database: Database, worker: StoringActivities, account: str
):
    await TokenRepository(database).upsert([SOL, USDC])
    async with serving(api_settings) as api:
        resting = [await opened(api) for _ in range(3)]
        await arm(api, 1)
    reader = OrderReader(database)

    async def canceled() -> bool:
        orders = [await reader.order(order_id) for order_id in resting]
        return all(order is not None and order.status is Status.CANCELED for order in orders)

    await until(canceled)
    # What comes after it has fired is not touched.
    async with serving(api_settings) as api:
        later = await opened(api)
        assert (await show(api, later))["status"] == "open"


class TestThePass:
    """One pass over the orders of an account."""

    @pytest.fixture
    async def switch(self, database: Database, temporal_server: WorkflowEnvironment) -> DeadMansSwitchActivities:
        return DeadMansSwitchActivities(LiveOrderReader(database))

    async def cancel(
        self, server: WorkflowEnvironment, activities: DeadMansSwitchActivities, account: str
    ) -> OrdersAsked:
        request = CancelOrders(account=account, accepted_by=datetime.now(UTC))
        return await ActivityEnvironment(client=server.client).run(activities.cancel_orders, request)

    async def test_an_order_that_nobody_has_stored_yet_is_asked(
        self, api: Api, account: str, switch: DeadMansSwitchActivities, temporal_server: WorkflowEnvironment, run_worker
    ):
        order_id = (await api.submit())["orderId"]

        async def found() -> bool:
            return await self.cancel(temporal_server, switch, account) == OrdersAsked(asked=1, left=1)

        # The server's list is a moment old.
        await until(found)
        async with run_worker(AT_150) as steps:
            await becomes(api, order_id, "canceled")
        assert steps.chain.sent[order_id] == []

    async def test_one_that_is_too_late_is_left_to_the_chain(
        self, api: Api, account: str, switch: DeadMansSwitchActivities, temporal_server: WorkflowEnvironment, run_worker
    ):
        async with run_worker(Script(outcomes=(landed(),))) as steps:
            steps.may_settle.clear()
            order_id = (await api.submit())["orderId"]
            await steps.executing.wait()
            assert (await self.cancel(temporal_server, switch, account)).asked == 1
            await becomes(api, order_id, "pending_cancel")
            assert await self.cancel(temporal_server, switch, account) == OrdersAsked(asked=0, left=0)
            steps.may_settle.set()
            await becomes(api, order_id, "confirmed")

    async def test_orders_of_others_and_later_ones_are_not_asked(
        self, api: Api, account: str, switch: DeadMansSwitchActivities, temporal_server: WorkflowEnvironment, worker
    ):
        fired = datetime.now(UTC)
        order_id = await opened(api)
        environment = ActivityEnvironment(client=temporal_server.client)
        for request in (
            CancelOrders(account=account, accepted_by=fired),
            CancelOrders(account="other", accepted_by=datetime.now(UTC)),
        ):
            assert await environment.run(switch.cancel_orders, request) == OrdersAsked(asked=0, left=0)
        assert (await show(api, order_id))["status"] == "open"

    async def test_what_postgresql_does_not_tell_is_asked_of_temporal(
        self, api: Api, account: str, switch: DeadMansSwitchActivities, temporal_server: WorkflowEnvironment, worker
    ):
        order_id = await opened(api)

        class Away:
            async def of_account(self, account: str, accepted_by: datetime) -> Any:
                raise ConnectionError("PostgreSQL is away")

        blind = DeadMansSwitchActivities(Away())

        async def canceled() -> bool:
            with pytest.raises(ConnectionError):
                await self.cancel(temporal_server, blind, account)
            return bool((await show(api, order_id))["status"] == "canceled")

        await until(canceled)

    async def test_an_order_whose_workflow_is_lost_is_still_left(
        self, database: Database, account: str, switch: DeadMansSwitchActivities, temporal_server: WorkflowEnvironment
    ):
        terms = order_terms(account=account, created_at=datetime.now(UTC))
        await OrderRepository(database).create_order(terms, first_events())
        assert await self.cancel(temporal_server, switch, account) == OrdersAsked(asked=0, left=1)
        await OrderRepository(database).append_event(terms.order_id, order_event(3, Status.CANCELED))
        assert await self.cancel(temporal_server, switch, account) == OrdersAsked(asked=0, left=0)


async def test_without_temporal_nobody_can_tell(api: Api, account: str, monkeypatch: pytest.MonkeyPatch):
    async def silent(*_: Any, **__: Any) -> None:
        raise RPCError("no answer", RPCStatusCode.UNAVAILABLE, b"")

    monkeypatch.setattr(Client, "start_workflow", silent)
    answer = await api.http.post("/api/orders/cancel-all-after", json={"seconds": 5})
    assert (answer.status_code, answer.json()["code"]) == (503, "switch_unknown")
    assert answer.headers["retry-after"]
