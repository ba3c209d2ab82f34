"""Every type of order through the whole stack, and requests that are repeated while processes are killed."""

import asyncio
import json
import os
import signal
import subprocess
from typing import Any

import httpx
import pytest

from api.examples import ORDER_EXAMPLES
from tests.e2e.stack import COMMAND, Stack, check_story, follow

SELL_SOL = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.25", "slippageBps": 100}

# How localnet's market stands: a SOL is worth about 150 USDC.
OUTCOMES = {
    "market": "confirmed",
    "market, exact out": "confirmed",
    "limit": "open",
    "limit until a date": "open",
    "limit, now or never": "expired",
    "limit, exact out": "open",
    "stop": "open",
    "stop limit": "open",
    "take profit": "open",
}


async def becomes(client: httpx.AsyncClient, order_id: str, status: str) -> dict[str, Any]:
    while True:
        order: dict[str, Any] = (await client.get(f"/api/orders/{order_id}")).json()
        if order["status"] == status:
            return order
        await asyncio.sleep(0.05)


async def post(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    answer = await client.post("/api/orders", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["orderId"])


@pytest.mark.parametrize("name", ORDER_EXAMPLES)
async def test_every_example_works_as_pasted(stack: Stack, name: str) -> None:
    async with stack.client() as client:
        order_id = await post(client, ORDER_EXAMPLES[name]["value"])
        await becomes(client, order_id, OUTCOMES[name])
        if OUTCOMES[name] == "open":
            canceled = (await client.post(f"/api/orders/{order_id}/cancel")).json()
            assert (canceled["result"], canceled["status"]) == ("canceled", "canceled")


async def test_an_order_fills_when_somebody_else_moves_the_price(stack: Stack) -> None:
    async with stack.client() as client:
        quote = (await client.post("/api/quotes", json=SELL_SOL)).json()["best"]
        paid = float(quote["amountOut"]) / 0.25
        order_id = await post(client, SELL_SOL | {"type": "limit", "limitPrice": f"{paid * 1.0002:.6f}"})
        await becomes(client, order_id, "open")
        # In portions that no check of the price impact refuses, pool after pool.
        buy = {"tokenIn": "USDC", "tokenOut": "SOL", "amount": "100000", "slippageBps": 1000}
        while (await client.get(f"/api/orders/{order_id}")).json()["status"] == "open":
            await becomes(client, await post(client, buy), "confirmed")
        order = await becomes(client, order_id, "confirmed")
        assert float(order["averagePrice"]) >= float(order["limitPrice"])
    assert (await stack.landed())[order_id] == 1


async def test_fifty_identical_requests_while_processes_are_killed_are_one_order(stack: Stack) -> None:
    headers = {"Idempotency-Key": f"fifty-{os.getpid()}"}

    async def insist(client: httpx.AsyncClient) -> httpx.Response:
        while True:
            try:
                answer = await client.post("/api/orders", json=SELL_SOL, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code < 500:
                return answer
            await asyncio.sleep(0.05)

    async with stack.client() as client:
        asking = [asyncio.create_task(insist(client)) for _ in range(50)]
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        for name in ("api", "worker-1", "worker-2"):
            os.kill(stack.pid(name), signal.SIGKILL)
        answers = await asyncio.gather(*asking)
        assert {answer.status_code for answer in answers} <= {200, 202}
        (order_id,) = {answer.json()["orderId"] for answer in answers}
        assert check_story(await follow(stack.api, order_id)) == "confirmed"
        again = await insist(client)
    assert (again.status_code, again.json()["status"]) == (200, "confirmed")
    assert again.headers["idempotency-replayed"] == "true"
    assert (await stack.landed())[order_id] == 1


async def test_a_resting_order_outlives_its_workers(stack: Stack) -> None:
    async with stack.client() as client:
        order_id = await post(client, SELL_SOL | {"type": "limit", "limitPrice": "400"})
        await becomes(client, order_id, "open")
        for name in ("worker-1", "worker-2"):
            os.kill(stack.pid(name), signal.SIGKILL)
        headers = {"If-Match": "*"}
        while True:
            answer = await client.patch(f"/api/orders/{order_id}", json={"limitPrice": "100"}, headers=headers)
            # Until a worker is back, nobody can tell; the change may have been made then.
            if answer.status_code != 503:
                assert answer.status_code in (200, 409)
                break
        assert check_story(await follow(stack.api, order_id)) == "confirmed"
    assert (await stack.landed())[order_id] == 1


async def test_orders_are_canceled_from_the_console(stack: Stack) -> None:
    async with stack.client() as client:
        order_id = await post(client, SELL_SOL | {"type": "limit", "limitPrice": "400"})
        await becomes(client, order_id, "open")
    command = [*COMMAND, "order", "cancel", order_id, "--api-url", stack.api]
    first = await asyncio.to_thread(subprocess.run, [*command, "--json"], capture_output=True, text=True, check=False)
    assert (first.returncode, json.loads(first.stdout)["result"]) == (0, "canceled")
    again = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert again.returncode != 0
    assert "is canceled" in again.stderr
