"""The kill switch on a running stack with two workers, as an operator throws it."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from deploy.local import state
from deploy.local.postgres import libpq_url
from tests.e2e.stack import COMMAND, ROOT, Stack, check_story, follow

SELL_SOL = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.25", "slippageBps": 100}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own: a halt stops everybody's orders."""
    limits = {"ORDER_ENGINE_RISK_MAX_ORDER_NOTIONAL": "1000"}
    running = Stack.start(tmp_path_factory.mktemp("halt"), "--workers", "2", environment=limits)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
async def _trading(stack: Stack) -> Any:
    """Trading goes on for the next test."""
    yield
    await stack.ask_chain("localnet_setFaults", [])
    run(stack, "resume")


def run(stack: Stack, *arguments: str) -> str:
    """What a command on the stack's data directory prints; it has to succeed."""
    environment = {**os.environ, "ORDER_ENGINE_DATA_DIR": str(stack.data_dir)}
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def post(client: httpx.AsyncClient, **changes: str) -> str:
    answer = await client.post("/api/orders", json=SELL_SOL | changes)
    assert answer.status_code == 202, answer.text
    return answer.json()["orderId"]


async def end(stack: Stack, order_id: str) -> tuple[str, str | None, str | None]:
    """How the order ends: status, reason and detail."""
    messages = await follow(stack.api, order_id)
    return check_story(messages), messages[-1]["reason"], messages[-1]["data"].get("detail")


@pytest.mark.usefixtures("_trading")
async def test_orders_under_a_halt_are_rejected_and_those_after_it_trade(stack: Stack) -> None:
    assert run(stack, "halt", "--reason", "a drill") == "trading is halted; order-engine resume ends it\n"
    assert run(stack, "halt", "--reason", "again").endswith(": a drill\n")
    assert ": a drill" in run(stack, "status").splitlines()[-1]
    async with stack.client() as client:
        status, reason, detail = await end(stack, await post(client))
        assert (status, reason) == ("rejected", "trading_halted")
        assert detail is not None
        assert detail.endswith(": a drill")
        assert run(stack, "resume").startswith("trading goes on")
        assert run(stack, "resume") == "trading is not halted\n"
        assert run(stack, "status").splitlines()[-1] == "trading not halted"
        # A worker may hear of it a moment later; then orders trade.
        while (await end(stack, await post(client)))[0] != "confirmed":
            pass


@pytest.mark.usefixtures("_trading")
async def test_a_halt_under_load_lets_nothing_new_out(stack: Stack) -> None:
    ends: dict[str, tuple[str, str | None, str | None]] = {}

    async def trade(client: httpx.AsyncClient) -> None:
        """One order after the other until one is rejected."""
        while True:
            order_id = await post(client)
            ends[order_id] = await end(stack, order_id)
            if ends[order_id][0] == "rejected":
                return

    async with stack.client() as client:
        trading = [asyncio.create_task(trade(client)) for _ in range(10)]
        await asyncio.to_thread(run, stack, "halt")
        recorded = await signatures(stack)
        assert recorded
        await asyncio.gather(*trading)
    # When the command returned, everything that could ever be sent had been recorded.
    assert await signatures(stack) == recorded
    landed = await stack.landed()
    for order_id, (status, reason, _) in ends.items():
        assert landed[order_id] == (status == "confirmed")
        assert reason == (None if status == "confirmed" else "trading_halted")


async def signatures(stack: Stack) -> set[str]:
    """Every signature that may have been broadcast."""
    found = state.read(stack.data_dir)
    assert found is not None
    address = libpq_url(found.environment["ORDER_ENGINE_DATABASE_URL"])
    async with await psycopg.AsyncConnection.connect(address) as connection:
        rows = await connection.execute("SELECT signature FROM swap_attempts")
        return {row[0] async for row in rows}


async def test_an_order_beyond_the_limit_is_rejected(stack: Stack) -> None:
    async with stack.client() as client:
        status, reason, detail = await end(stack, await post(client, amount="10"))
    assert (status, reason) == ("rejected", "notional_too_large")
    assert detail is not None
    assert detail.endswith("one order may be worth 1000 USDC")
