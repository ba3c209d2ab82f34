"""The trace of an order, from the request to each call of a node and of PostgreSQL."""

from collections import Counter

from tests.e2e.stack import Stack, check_story, follow
from tests.telemetry.collector import Collector, Seen

SELL_SOL = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.25", "slippageBps": 100}


async def place(stack: Stack, headers: dict[str, str] | None = None) -> str:
    async with stack.client() as client:
        answer = await client.post("/api/orders", json=SELL_SOL, headers=headers)
        assert answer.status_code == 202, answer.text
        order_id: str = answer.json()["orderId"]
    return order_id


def trace_of(collector: Collector, order_id: str, end: str) -> list[Seen]:
    """All spans of the trace that the order's first request began, once the step that ends it is among them."""

    def of_order(spans: list[Seen]) -> list[Seen]:
        return [span for span in spans if span.attributes.get("order.id") == order_id]

    def complete(spans: list[Seen]) -> bool:
        found = of_order(spans)
        names = {span.name for span in found}
        ended = any(span.attributes.get("order.status") == end for span in found)
        return ended and {"POST /api/orders", "RunWorkflow:OrderWorkflow", "CompleteWorkflow:OrderWorkflow"} <= names

    collector.wait_for(complete)
    (trace,) = {span.trace for span in of_order(collector.spans) if span.name == "POST /api/orders"}
    return sorted((span for span in collector.spans if span.trace == trace), key=lambda span: span.start)


async def test_an_order_with_two_retries_is_understood_from_its_trace_alone(
    watched_stack: Stack, collector: Collector
) -> None:
    await watched_stack.ask_chain("localnet_setFaults", [{"kind": "revert", "times": 2, "custom_error": 30}])
    order_id = await place(watched_stack)
    assert check_story(await follow(watched_stack.api, order_id)) == "confirmed"
    spans = trace_of(collector, order_id, "confirmed")

    executed = [span for span in spans if span.name == "RunActivity:execute_swap"]
    assert [span.attributes["order.attempt"] for span in executed] == [1, 2, 3]
    assert [span.attributes["order.outcome"] for span in executed] == ["reverted", "reverted", "landed"]
    reasons = [span.attributes.get("order.reason") for span in executed]
    assert reasons[0] == reasons[1] != reasons[2] is None
    published = [span.attributes for span in spans if span.name == "RunActivity:publish_status"]
    assert [(each["order.status"], each.get("order.reason")) for each in published] == [
        ("routing", reasons[0]),
        ("routing", reasons[1]),
        ("confirmed", None),
    ]
    # Each attempt says where it went and why, and which signature stands for it on the chain.
    chosen = [span.attributes for span in spans if span.name == "RunActivity:choose_route"]
    prepared = [span.attributes for span in spans if span.name == "RunActivity:prepare_swap"]
    assert len(chosen) == len(prepared) == 3
    assert all(each["order.venue"] and each["order.pool"] and each["order.why"] for each in chosen)
    assert len({each["order.signature"] for each in prepared}) == 3
    assert executed[2].attributes["order.filled_out"].isdigit()


async def test_the_trace_leads_from_the_request_to_each_call(watched_stack: Stack, collector: Collector) -> None:
    order_id = await place(watched_stack)
    assert check_story(await follow(watched_stack.api, order_id)) == "confirmed"
    spans = trace_of(collector, order_id, "confirmed")
    by_id = {span.span: span for span in spans}

    (root,) = [span for span in spans if not span.parent]
    assert (root.name, root.process) == ("POST /api/orders", "order-engine-api")
    assert [span.name for span in spans if span.parent and span.parent not in by_id] == []
    assert [span for span in spans if span.attributes.get("order.id") != order_id] == []

    def above(span: Seen) -> str:
        return by_id[span.parent].name

    started = next(span for span in spans if span.name == "StartWorkflow:OrderWorkflow")
    assert above(started) == "POST /api/orders"
    steps = Counter(span.name for span in spans if span.name.startswith("RunActivity:"))
    assert set(steps) >= {
        f"RunActivity:{name}"
        for name in (
            "persist_order",
            "fetch_raydium_quote",
            "fetch_meteora_quote",
            "choose_route",
            "prepare_swap",
            "execute_swap",
            "publish_status",
        )
    }
    statements = [span for span in spans if span.name.startswith("SQL ")]
    assert {"RunActivity:persist_order", "RunActivity:execute_swap", "RunActivity:publish_status"} <= {
        above(span) for span in statements
    }
    assert all(order_id not in span.attributes["db.query.text"] for span in statements)
    sent = [span for span in spans if span.name == "sendTransaction"]
    assert {above(span) for span in sent} == {"RunActivity:execute_swap"}
    assert {span.attributes["server.address"] for span in sent} == {watched_stack.rpc.removeprefix("http://")}
    simulated = [span for span in spans if span.name == "simulateTransaction"]
    assert {above(span) for span in simulated} == {"RunActivity:prepare_swap"}


async def test_a_trace_that_the_caller_began_goes_on(watched_stack: Stack, collector: Collector) -> None:
    trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    order_id = await place(watched_stack, {"traceparent": f"00-{trace}-{caller}-01"})
    assert check_story(await follow(watched_stack.api, order_id)) == "confirmed"
    spans = trace_of(collector, order_id, "confirmed")
    assert {span.trace for span in spans} == {trace}
    (request,) = [span for span in spans if span.name == "POST /api/orders"]
    assert request.parent == caller


async def test_a_refused_order_says_so_in_its_trace(watched_stack: Stack, collector: Collector) -> None:
    async with watched_stack.client() as client:
        answer = await client.post("/api/orders", json=SELL_SOL | {"wallet": "poor"})
    order_id = answer.json()["orderId"]
    assert check_story(await follow(watched_stack.api, order_id)) in ("failed", "rejected")

    def refused(spans: list[Seen]) -> bool:
        return any(
            span.attributes.get("order.id") == order_id and span.attributes.get("order.reason") == "insufficient_funds"
            for span in spans
        )

    assert refused(collector.wait_for(refused))
