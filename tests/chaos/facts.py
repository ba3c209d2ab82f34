"""What PostgreSQL, Temporal and the chain say about every order of a stack, read when all is quiet."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import dict_row
from temporalio.client import Client

from deploy.local import state
from deploy.local.postgres import libpq_url
from tests.e2e.stack import Stack
from workflows.domain.ids import parse_memo
from workflows.plugin import order_engine_plugin

WALLETS = ("default", "poor")

_SOL = "So11111111111111111111111111111111111111112"
_PAGE = 1_000
_SIDE_BY_SIDE = 16


@dataclass(frozen=True, slots=True)
class OnChain:
    """A transaction with an order's memo; `error` is the chain's, None when it executed."""

    order_id: str
    attempt: int
    signature: str
    error: Any


@dataclass(slots=True)
class Facts:
    """Rows by order id, as the tables have them; transactions by signature; amounts (paid, received) by signature."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    attempts: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    workflows: dict[str, str] = field(default_factory=dict)
    chain: dict[str, OnChain] = field(default_factory=dict)
    amounts: dict[str, tuple[int, int]] = field(default_factory=dict)


def environment(stack: Stack) -> dict[str, str]:
    """How to reach the servers of the stack."""
    found = state.read(stack.data_dir)
    assert found is not None, "the stack has no state file"
    return dict(found.environment)


async def rows(stack: Stack, query: str, *parameters: Any) -> list[dict[str, Any]]:
    """The answer of the stack's database."""
    url = libpq_url(environment(stack)["ORDER_ENGINE_DATABASE_URL"])
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=5, row_factory=dict_row) as connection:
        return await (await connection.execute(query, parameters)).fetchall()


async def temporal(stack: Stack) -> Client:
    """A client of the stack's Temporal."""
    settings = environment(stack)
    return await Client.connect(
        settings["TEMPORAL_ADDRESS"], namespace=settings["TEMPORAL_NAMESPACE"], plugins=[order_engine_plugin()]
    )


async def gather(stack: Stack) -> Facts:
    """Read everything."""
    facts = Facts()
    for row in await rows(stack, "SELECT * FROM orders"):
        facts.orders[str(row["id"])] = row
    for row in await rows(stack, "SELECT * FROM order_events ORDER BY order_id, seq"):
        facts.events[str(row["order_id"])].append(row)
    for row in await rows(stack, "SELECT * FROM swap_attempts ORDER BY order_id, attempt"):
        facts.attempts[str(row["order_id"])].append(row)
    facts.workflows = await workflows(stack)
    for wallet in WALLETS:
        async for found in _with_memo(stack, stack.wallet(wallet)):
            facts.chain[found.signature] = found
    confirmed = [(row["signature"], row) for row in facts.orders.values() if row["status"] == "confirmed"]
    facts.amounts = await _amounts(stack, confirmed)
    return facts


async def workflows(stack: Stack) -> dict[str, str]:
    """The state of each order's workflow by order id, as Temporal lists them."""
    client = await temporal(stack)
    listed = client.list_workflows("WorkflowType = 'OrderWorkflow'")
    return {each.id.removeprefix("order-"): each.status.name if each.status else "unknown" async for each in listed}


async def _with_memo(stack: Stack, address: str) -> AsyncIterator[OnChain]:
    before: dict[str, str] = {}
    while True:
        options = {"limit": _PAGE, "commitment": "confirmed"} | before
        page = await stack.ask_chain("getSignaturesForAddress", address, options)
        for entry in page:
            if named := parse_memo(entry["memo"] or ""):
                yield OnChain(*named, entry["signature"], entry["err"])
        if len(page) < _PAGE:
            return
        before = {"before": page[-1]["signature"]}


async def _amounts(stack: Stack, orders: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, tuple[int, int]]:
    gate = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def of(signature: str, order: dict[str, Any]) -> tuple[str, tuple[int, int]]:
        options = {"maxSupportedTransactionVersion": 0, "encoding": "json", "commitment": "confirmed"}
        async with gate:
            transaction = await stack.ask_chain("getTransaction", signature, options)
        wallet = stack.wallet(order["wallet"])
        paid, received = (_gain(transaction["meta"], order[side], wallet) for side in ("token_in", "token_out"))
        return signature, (-paid, received)

    return dict(await asyncio.gather(*(of(signature, order) for signature, order in orders if signature)))


def _gain(meta: dict[str, Any], mint: str, wallet: str) -> int:
    """By how many base units the wallet's holding rose.

    Wrapped SOL is gone before the transaction ends: there what everybody else lost is what the wallet gained.
    """
    by_others = mint == _SOL

    def held(balances: Sequence[dict[str, Any]]) -> int:
        return sum(
            int(balance["uiTokenAmount"]["amount"])
            for balance in balances
            if balance["mint"] == mint and (balance["owner"] != wallet) == by_others
        )

    gain = held(meta["postTokenBalances"]) - held(meta["preTokenBalances"])
    return -gain if by_others else gain
