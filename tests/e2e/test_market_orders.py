"""Market orders through the whole stack: posted, followed, and counted on the chain."""

import asyncio
import os
import signal
from typing import Any

import httpx
import pytest

from tests.e2e.stack import Stack, check_story, follow

SELL_SOL = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.25", "slippageBps": 100}


async def post(client: httpx.AsyncClient, order: dict[str, Any] = SELL_SOL) -> str:
    answer = await client.post("/api/orders", json=order)
    assert answer.status_code == 202, answer.text
    return answer.json()["orderId"]


async def test_a_market_order_is_confirmed_with_the_amounts_of_the_chain(stack: Stack) -> None:
    async with stack.client() as client:
        order_id = await post(client)
        messages = await follow(stack.api, order_id)
        assert messages[0]["type"] == "snapshot"
        assert check_story(messages) == "confirmed"
        order = (await client.get(f"/api/orders/{order_id}")).json()
    assert (order["status"], order["phase"], order["filledIn"]) == ("confirmed", "COMPLETED", "0.25")
    assert (await stack.landed())[order_id] == 1
    transaction = await stack.ask_chain(
        "getTransaction",
        order["signature"],
        {"maxSupportedTransactionVersion": 0, "encoding": "json", "commitment": "confirmed"},
    )
    meta = transaction["meta"]
    held = [
        sum(
            int(balance["uiTokenAmount"]["amount"])
            for balance in meta[when]
            if balance["owner"] == stack.wallet() and balance["mint"] == order["tokenOutMint"]
        )
        for when in ("preTokenBalances", "postTokenBalances")
    ]
    assert f"{(held[1] - held[0]) / 10**6:.6f}".rstrip("0") == order["filledOut"].rstrip("0")


@pytest.mark.parametrize(
    ("sell", "buy", "amount"),
    [("USDC", "SOL", "75"), ("BONK", "USDC", "900000"), ("SOL", "FEE", "2"), ("FEE", "SOL", "9")],
)
async def test_every_pair_trades_in_both_kinds_of_token_account(stack: Stack, sell: str, buy: str, amount: str) -> None:
    async with stack.client() as client:
        order_id = await post(client, {"tokenIn": sell, "tokenOut": buy, "amount": amount, "slippageBps": 100})
        assert check_story(await follow(stack.api, order_id)) == "confirmed"
        order = (await client.get(f"/api/orders/{order_id}")).json()
    assert order["filledIn"] == amount


async def test_a_killed_worker_loses_and_doubles_nothing(stack: Stack) -> None:
    async with stack.client() as client:
        order_ids = await asyncio.gather(*(post(client) for _ in range(50)))
        following = [asyncio.create_task(follow(stack.api, order_id)) for order_id in order_ids]
        # In the middle: some orders are through, most are not.
        await asyncio.wait(following, return_when=asyncio.FIRST_COMPLETED)
        for name in ("worker-1", "worker-2"):
            os.kill(stack.pid(name), signal.SIGKILL)
        stories = await asyncio.gather(*following)
    assert [check_story(story) for story in stories] == ["confirmed"] * 50
    landed = await stack.landed()
    assert [landed[order_id] for order_id in order_ids] == [1] * 50


async def test_an_order_that_cannot_be_paid_is_rejected_with_the_reason_and_sends_nothing(stack: Stack) -> None:
    async with stack.client() as client:
        order_id = await post(client, SELL_SOL | {"wallet": "poor"})
        assert check_story(await follow(stack.api, order_id)) == "rejected"
        order = (await client.get(f"/api/orders/{order_id}")).json()
    assert (order["phase"], order["reason"]) == ("FAILED", "insufficient_funds")
