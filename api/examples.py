"""Requests that work as pasted on the local stack, one for each way to order; the tests send them all."""

from typing import Any

_SELL_SOL: dict[str, Any] = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5", "slippageBps": 50}


def _example(summary: str, **body: Any) -> dict[str, Any]:
    return {"summary": summary, "value": body}


ORDER_EXAMPLES: dict[str, Any] = {
    "market": _example("Sell 1.5 SOL at the best price now", **_SELL_SOL),
    "market, exact out": _example(
        "Buy exactly 100 USDC for at most 1 SOL",
        tokenIn="SOL",
        tokenOut="USDC",
        amountOut="100",
        maxAmountIn="1",
    ),
    "limit": _example("Sell 1.5 SOL for 400 USDC each or more", **_SELL_SOL, type="limit", limitPrice="400"),
    "limit until a date": _example(
        "The same until a date",
        **_SELL_SOL,
        type="limit",
        limitPrice="400",
        timeInForce="gtd",
        expireAt="2030-01-31T12:00:00Z",
    ),
    "limit, now or never": _example(
        "Sell 1.5 SOL for 400 USDC each or more, now or not at all",
        **_SELL_SOL,
        type="limit",
        limitPrice="400",
        timeInForce="fok",
    ),
    "limit, exact out": _example(
        "Buy exactly 1 SOL for at most 20 USDC, whenever that is possible today",
        tokenIn="USDC",
        tokenOut="SOL",
        amountOut="1",
        maxAmountIn="20",
        type="limit",
        limitPrice="0.05",
        timeInForce="day",
    ),
    "stop": _example("Sell 1.5 SOL once a SOL brings only 20 USDC", **_SELL_SOL, type="stop", stopPrice="20"),
    "stop limit": _example(
        "The same, but not below 18 USDC each", **_SELL_SOL, type="stop_limit", stopPrice="20", limitPrice="18"
    ),
    "take profit": _example(
        "Sell 1.5 SOL once a SOL brings 400 USDC", **_SELL_SOL, type="take_profit", stopPrice="400"
    ),
}

AMEND_EXAMPLES: dict[str, Any] = {
    "price": _example("Ask for less", limitPrice="390"),
    "slippage": _example("Allow 1 % of slippage", slippageBps=100),
}

CANCEL_ALL_EXAMPLES: dict[str, Any] = {
    "pair": _example("The resting limit orders of one pair", pair="SOL/USDC", type="limit"),
    "everything": _example("All orders of the account"),
}

CANCEL_ALL_AFTER_EXAMPLES: dict[str, Any] = {
    "set": _example("Cancel everything in a minute unless this is asked for again", seconds=60),
    "off": _example("Switch it off", seconds=0),
}

QUOTE_EXAMPLES: dict[str, Any] = {
    "exact in": _example("What 1.5 SOL bring", **_SELL_SOL),
    "exact out": _example("What 100 USDC cost", tokenIn="SOL", tokenOut="USDC", amountOut="100"),
}

HALT_EXAMPLES: dict[str, Any] = {"halt": _example("Stop all trading", reason="a drill")}
