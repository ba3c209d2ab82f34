"""Two hundred orders of every size and pair at once: each lands once, paid to the unit what its pools had to pay."""

import asyncio
import random
from typing import Any

import httpx
from solders.pubkey import Pubkey

from tests.e2e.market_replay import MarketReplay, chain_of
from tests.e2e.stack import Stack, check_story, follow

# Smallest and largest amounts, in hundredths of a token, so far apart that the best pool changes between them.
_SELLS = [
    ("SOL", "USDC", 1, 40_000),
    ("USDC", "SOL", 100, 6_000_000),
    ("BONK", "USDC", 10_000_000, 30_000_000_000),
    ("USDC", "BONK", 100, 700_000),
    ("SOL", "FEE", 1, 1_500),
    ("FEE", "SOL", 1_000, 400_000),
]
_SEED = 20_261


def _order(draw: random.Random) -> dict[str, Any]:
    # Most of the liquidity, and four of the kinds, are where SOL is traded for USDC.
    sell, buy, least, most = draw.choices(_SELLS, weights=(6, 6, 1, 1, 1, 1))[0]
    hundredths = round(least * (most / least) ** draw.random())
    return {
        "tokenIn": sell,
        "tokenOut": buy,
        "amount": f"{hundredths // 100}.{hundredths % 100:02}",
        "slippageBps": 500,
        # A blockhash lives for six seconds here, and a busy machine may take as long.
        "maxAttempts": 20,
    }


async def _insist(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    """The id of the accepted order; one that could not be taken is asked for again, under its name."""
    while True:
        answer = await client.post("/api/orders", json=body)
        if answer.status_code != 503:
            break
        await asyncio.sleep(float(answer.headers["Retry-After"]))
    assert answer.status_code in (200, 202), answer.text
    return str(answer.json()["orderId"])


async def test_200_mixed_orders_at_once_land_once_each_on_what_was_due_in_the_states_they_met(stack: Stack) -> None:
    draw = random.Random(_SEED)
    async with stack.client() as client, chain_of(stack) as chain:
        replay = await MarketReplay.begin(chain)
        bodies = [_order(draw) | {"clientOrderId": f"mixed-{number}"} for number in range(200)]
        order_ids = await asyncio.gather(*(_insist(client, body) for body in bodies))
        stories = await asyncio.gather(*(follow(stack.api, order_id) for order_id in order_ids))
        assert [check_story(story) for story in stories] == ["confirmed"] * 200
        landed = await stack.landed()
        assert [landed[order_id] for order_id in order_ids] == [1] * 200
        orders = [(await client.get(f"/api/orders/{order_id}")).json() for order_id in order_ids]
        due = await replay.outputs({order["orderId"]: Pubkey.from_string(order["tokenInMint"]) for order in orders})
    assert {order["orderId"]: int(order["filledOutBaseUnits"]) for order in orders} == due
    assert len(replay.kinds) >= 5, replay.kinds
