"""Showing orders: from PostgreSQL, and from their workflows when PostgreSQL has nothing to say."""

import asyncio
from datetime import timedelta

import pytest

from db.database import Database
from db.orders import OrderRepository
from tests.api.running import Api, RunWorker
from tests.samples import BEGINNING, EXPIRED, FILL, LANDED, first_events, order_event, order_terms, swap_attempt
from tests.servers import PostgresServer
from tests.workflows.scripted import Script, landed, reverted
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms

UNKNOWN = ["018f0000-0000-7000-8000-000000000000", "018F0000-0000-7000-8000-000000000000", "nonsense", "1", "%00"]


@pytest.fixture
def orders(database: Database) -> OrderRepository:
    return OrderRepository(database)


async def traded(orders: OrderRepository) -> OrderTerms:
    """An order that traded at its second attempt."""
    terms = order_terms()
    first, second = swap_attempt(terms.order_id), swap_attempt(terms.order_id, 2, quoted_out=300_000_000)
    await orders.create_order(terms, first_events())
    await orders.record_attempt(first, order_event(3, Status.SUBMITTED, venue="raydium", signature=first.signature))
    await orders.settle_attempt(first, EXPIRED)
    await orders.append_event(terms.order_id, order_event(4, Status.ROUTING, attempt=2, reason="blockhash_expired"))
    await orders.record_attempt(second, order_event(5, Status.SUBMITTED, attempt=2))
    await orders.settle_attempt(second, LANDED)
    await orders.append_event(
        terms.order_id,
        order_event(
            6, Status.CONFIRMED, attempt=2, fill=FILL, venue="meteora", signature=second.signature, data={"kind": "x"}
        ),
    )
    return terms


class TestOneOrder:
    async def test_a_traded_order_in_token_units(self, api: Api, orders):
        terms = await traded(orders)
        order = (await api.http.get(f"/api/orders/{terms.order_id}")).json()
        expected = {
            "orderId": terms.order_id,
            "status": "confirmed",
            "phase": "COMPLETED",
            "lastSeq": 6,
            "attempt": 2,
            "maxAttempts": 3,
            "reason": None,
            "venue": "meteora",
            "signature": f"signature of {terms.order_id} 2",
            "amount": "1.5",
            "filledIn": "1.5",
            "filledInBaseUnits": "1500000000",
            "filledOut": "18446744073709.551615",
            "filledOutBaseUnits": "18446744073709551615",
            "averagePrice": "12297829382473.0344",
            "feeLamports": "5000",
            "slot": 2**40,
            "createdAt": "2026-03-04T05:06:07.890123Z",
            "updatedAt": "2026-03-04T05:06:13.890123Z",
        }
        assert {name: order[name] for name in expected} == expected
        page = f"http://temporal.example:8233/namespaces/default/workflows/order-{terms.order_id}"
        assert order["links"]["temporalUi"] == page

    @pytest.mark.parametrize("path", ["", "/workflow", "/events", "/attempts"])
    @pytest.mark.parametrize("order_id", UNKNOWN)
    async def test_an_unknown_order_is_not_found(self, api: Api, order_id: str, path: str):
        answer = await api.http.get(f"/api/orders/{order_id}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")

    async def test_before_the_first_write_the_workflow_answers(self, api: Api, run_worker: RunWorker, database):
        from sqlalchemy import text

        async with run_worker(Script()) as activities:
            activities.may_settle.clear()
            order_id = (await api.submit())["orderId"]
            await activities.executing.wait()
            await database.fetch(text("TRUNCATE orders CASCADE"))
            order = (await api.http.get(f"/api/orders/{order_id}")).json()
            assert (order["status"], order["lastSeq"], order["venue"]) == ("submitted", 4, "raydium")

    async def test_without_a_worker_an_accepted_order_is_pending(self, api: Api):
        accepted = await api.submit()
        order = (await api.http.get(f"/api/orders/{accepted['orderId']}")).json()
        assert order == accepted

    async def test_an_accepted_order_is_known_to_every_process(self, api: Api, api_settings, monkeypatch):
        from tests.api.running import serving
        from tests.servers import free_port

        accepted = await api.submit()
        async with serving(api_settings.model_copy(update={"api_port": free_port()})) as other:
            assert (await other.http.get(f"/api/orders/{accepted['orderId']}")).json() == accepted

    async def test_while_postgresql_is_away_the_workflow_answers(
        self, api: Api, run_worker: RunWorker, postgres_server: PostgresServer
    ):
        async with run_worker(Script()) as activities:
            activities.may_settle.clear()
            order_id = (await api.submit())["orderId"]
            await activities.executing.wait()
            await postgres_server.stop()
            try:
                order = (await api.http.get(f"/api/orders/{order_id}")).json()
                assert order["status"] == "submitted"
                for path in ("events", "attempts"):
                    answer = await api.http.get(f"/api/orders/{order_id}/{path}")
                    assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")
                # It may be an order that Temporal has forgotten.
                answer = await api.http.get(f"/api/orders/{UNKNOWN[0]}")
                assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")
                assert int(answer.headers["retry-after"]) > 0
            finally:
                await postgres_server.start()
            activities.may_settle.set()
            async with api.stream(order_id) as stream:
                messages, _ = await stream.rest()
            assert messages[-1]["status"] == "confirmed"

    async def test_orders_are_accepted_while_postgresql_is_away(
        self, api: Api, run_worker: RunWorker, postgres_server: PostgresServer
    ):
        await api.submit()
        await postgres_server.stop()
        try:
            order_id = (await api.submit())["orderId"]
        finally:
            await postgres_server.start()
        async with run_worker(Script()), api.stream(order_id) as stream:
            messages, _ = await stream.rest()
        assert messages[-1]["status"] == "confirmed"


class TestWorkflow:
    async def test_the_live_view_of_an_order(self, api: Api, run_worker: RunWorker):
        async with run_worker(Script()) as activities:
            activities.may_settle.clear()
            order_id = (await api.submit())["orderId"]
            await activities.executing.wait()
            workflow = (await api.http.get(f"/api/orders/{order_id}/workflow")).json()
        state = workflow["state"]
        assert workflow["workflowId"] == f"order-{order_id}"
        assert workflow["webUrl"].endswith(f"/workflows/order-{order_id}/{workflow['runId']}/history")
        assert (state["step"], state["status"], state["attempt"], state["seq"]) == ("execute swap", "submitted", 1, 4)
        assert [venue["quotes"][0]["amountOut"] for venue in state["venues"]] == ["291000000", "290000000"]
        assert state["decision"]["route"]["legs"][0]["venue"] == "raydium"
        assert state["prepared"]["swap"]["signature"] == f"signature 1 of {order_id}"
        assert "transaction" not in state["prepared"]["swap"]

    async def test_without_a_worker_nobody_can_answer(self, api: Api):
        order_id = (await api.submit())["orderId"]
        answer = await api.http.get(f"/api/orders/{order_id}/workflow")
        assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")
        assert "no worker" in answer.json()["detail"]


class TestEventsAndAttempts:
    async def test_events_after_a_seq(self, api: Api, orders):
        terms = await traded(orders)
        listed = (await api.http.get(f"/api/orders/{terms.order_id}/events", params={"after": 4})).json()
        assert (listed["orderId"], listed["lastSeq"]) == (terms.order_id, 6)
        submitted, confirmed = listed["events"]
        assert (submitted["seq"], submitted["status"], submitted["phase"]) == (5, "submitted", "PROCESSING")
        assert confirmed == {
            "seq": 6,
            "status": "confirmed",
            "phase": "COMPLETED",
            "at": "2026-03-04T05:06:13.890123Z",
            "attempt": 2,
            "reason": None,
            "venue": "meteora",
            "signature": f"signature of {terms.order_id} 2",
            "filledIn": "1.5",
            "filledOut": "18446744073709.551615",
            "data": {"kind": "x"},
        }
        everything = (await api.http.get(f"/api/orders/{terms.order_id}/events")).json()
        assert [event["seq"] for event in everything["events"]] == [1, 2, 3, 4, 5, 6]

    async def test_an_accepted_order_has_no_events_yet(self, api: Api):
        order_id = (await api.submit())["orderId"]
        listed = (await api.http.get(f"/api/orders/{order_id}/events")).json()
        assert listed == {"orderId": order_id, "lastSeq": 0, "events": []}

    async def test_attempts_with_their_outcomes(self, api: Api, orders):
        terms = await traded(orders)
        listed = (await api.http.get(f"/api/orders/{terms.order_id}/attempts")).json()
        first, second = listed["attempts"]
        assert (first["outcome"], first["reason"], first["filledOut"]) == ("expired", "blockhash_expired", None)
        assert (second["outcome"], second["quotedOut"], second["leastOut"]) == ("landed", "300", "0.000001")
        assert (second["filledIn"], second["feeLamports"], second["slot"]) == ("1.5", "5000", 2**40)
        assert "transaction" not in first


class TestList:
    async def test_pages_lead_from_the_newest_to_the_oldest(self, api: Api, orders):
        made = [order_terms(created_at=BEGINNING + timedelta(microseconds=number)) for number in range(5)]
        for terms in made:
            await orders.create_order(terms, first_events())
        seen, cursor = [], None
        for expected in (2, 2, 1):
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await api.http.get("/api/orders", params=query)).json()
            assert len(page["orders"]) == expected
            seen += [order["orderId"] for order in page["orders"]]
            cursor = page["nextCursor"]
        assert cursor is None
        assert seen == [terms.order_id for terms in reversed(made)]

    async def test_a_full_last_page_is_the_last(self, api: Api, orders):
        for _ in range(2):
            await orders.create_order(order_terms(), first_events())
        page = (await api.http.get("/api/orders", params={"limit": 2})).json()
        assert (len(page["orders"]), page["nextCursor"]) == (2, None)

    async def test_orders_of_one_status(self, api: Api, orders):
        ended = await traded(orders)
        await orders.create_order(order_terms(), first_events())
        page = (await api.http.get("/api/orders", params={"status": "confirmed"})).json()
        assert [order["orderId"] for order in page["orders"]] == [ended.order_id]

    async def test_orders_of_another_account_are_not_shown(self, api: Api, orders):
        terms = order_terms(account="another")
        await orders.create_order(terms, first_events())
        assert (await api.http.get("/api/orders")).json() == {"orders": [], "nextCursor": None}
        assert (await api.http.get(f"/api/orders/{terms.order_id}")).status_code == 404


async def test_the_whole_way_with_a_second_attempt(api: Api, run_worker: RunWorker):
    async with run_worker(Script(outcomes=(reverted(), landed(290_500_000)))):
        order_id = (await api.submit())["orderId"]
        async with api.stream(order_id) as stream:
            await stream.rest()
        order = (await api.http.get(f"/api/orders/{order_id}")).json()
        attempts = (await api.http.get(f"/api/orders/{order_id}/attempts")).json()["attempts"]
    assert (order["status"], order["attempt"], order["filledOut"]) == ("confirmed", 2, "290.5")
    assert order["averagePrice"] == "193.666666666666667"
    assert [attempt["outcome"] for attempt in attempts] == ["reverted", "landed"]


async def test_gets_at_once_of_an_order_that_is_being_written(api: Api, run_worker: RunWorker):
    async with run_worker(Script()):
        order_id = (await api.submit())["orderId"]
        answers = await asyncio.gather(*(api.http.get(f"/api/orders/{order_id}") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
