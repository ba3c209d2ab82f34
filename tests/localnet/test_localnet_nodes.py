"""Nodes of one cluster that lag, lie, lack history, or answer with errors, each on its own."""

import asyncio
import base64
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from solders.keypair import Keypair
from websockets.asyncio.client import connect

from activities.venues.pool import UserAccounts
from tests.localnet.chain import USDC, Chain, RpcFailure, ata, deepest, memo, quoted, running, unwrap, wrap
from tests.localnet.payments import AMOUNT, balance, payee, payment, send, signature_of, status

PROCESSED = {"commitment": "processed"}
CONFIRMED = {"commitment": "confirmed", "maxSupportedTransactionVersion": 0}


async def faulty(chain: Chain, name: str, **fault: Any) -> Chain:
    """The node `name`, now with one fault."""
    node = chain.node(name)
    await node.rpc("localnet_setFaults", [fault])
    return node


async def test_nodes_share_the_chain_and_not_their_faults(still: Chain) -> None:
    deaf = await faulty(still, "deaf", kind="drop")
    sound = still.node("sound")
    transaction = await payment(still)

    await send(deaf, transaction)
    assert [await status(node, transaction) for node in (still, deaf, sound)] == [None, None, None]
    await send(sound, transaction)

    for node in (still, deaf, sound):
        assert (await status(node, transaction))["err"] is None
        assert await balance(node, payee(transaction)) == AMOUNT
    assert await deaf.rpc("getGenesisHash") == await still.rpc("getGenesisHash")
    assert (await still.rpc("localnet_faults"))["faults"] == []


async def test_a_node_needs_a_proper_name(still: Chain) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "getSlot"}
    async with httpx.AsyncClient() as http:
        good = await http.post(f"{still.url}/node/a-1?key=x", json=body)
        health = await http.get(f"{still.url}/node/a-1/health")
        bad = [await http.post(f"{still.url}/node/{name}", json=body) for name in ("", "A", "a/b", "-a", "a" * 33)]

    assert (good.status_code, health.text) == (200, "ok")
    assert [reply.status_code for reply in bad] == [404] * 5


async def test_a_lagging_node_answers_everything_as_of_an_earlier_slot(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    to = Keypair().pubkey()
    old = await payment(still, to)
    await send(still, old)
    lamports, now = await balance(still, wallet), await still.rpc("getSlot", PROCESSED)
    before: dict[str, Any] = {
        method: await still.rpc(method, PROCESSED)
        for method in ("getSlot", "getBlockHeight", "getLatestBlockhash", "getEpochInfo", "getTransactionCount")
    }
    await still.rpc("localnet_warpSlots", 10)
    recent = await payment(still, to)
    await send(still, recent)
    node = await faulty(still, "slow", kind="lag", slots=10)

    assert {method: await node.rpc(method, PROCESSED) for method in before} == before
    assert await status(node, recent, search=True) is None
    found = await status(node, old)
    assert (found["slot"], found["confirmations"], found["confirmationStatus"]) == (now, 0, "processed")
    assert await node.rpc("getTransaction", signature_of(recent), CONFIRMED) is None
    assert await balance(node, to) == AMOUNT
    assert await balance(node, wallet) == lamports
    fees = await node.rpc("getRecentPrioritizationFees", [])
    assert fees[-1]["slot"] == now
    clock = await node.rpc("getAccountInfo", "SysvarC1ock11111111111111111111111111111111", {"encoding": "jsonParsed"})
    assert clock["context"]["slot"] == now - 32
    # The others are not held back by it.
    assert (await status(still, recent))["slot"] == now + 10
    assert await balance(still, to) == 2 * AMOUNT


async def test_a_lagging_node_shows_accounts_that_are_gone_and_none_that_are_new(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    wrapped, making = wrap(wallet, "order", 5)
    await send(still, await still.sign(making))
    await still.rpc("localnet_warpSlots", 3)
    other, making_other = wrap(wallet, "other", 7)
    await send(still, await still.sign([unwrap(wallet, wrapped), *making_other]))
    node = await faulty(still, "slow", kind="lag", slots=3)

    def owned(rows: Any) -> set[str]:
        return {row["pubkey"] for row in rows["value"]}

    query = (str(wallet), {"mint": "So11111111111111111111111111111111111111112"}, {"encoding": "base64"})
    assert owned(await node.rpc("getTokenAccountsByOwner", *query)) == {str(wrapped)}
    assert owned(await still.rpc("getTokenAccountsByOwner", *query)) == {str(other)}


async def test_a_lagging_node_does_not_know_a_fresh_blockhash(still: Chain) -> None:
    await still.rpc("localnet_warpSlots", 5)
    node = await faulty(still, "slow", kind="lag", slots=5)
    transaction = await payment(still)

    with pytest.raises(RpcFailure, match="Blockhash not found"):
        await send(node, transaction, skipPreflight=False, preflightCommitment="processed")
    assert await node.rpc("isBlockhashValid", str(transaction.message.recent_blockhash), PROCESSED) == {
        "context": {"apiVersion": "3.1.8", "slot": await node.rpc("getSlot", PROCESSED)},
        "value": False,
    }
    with pytest.raises(RpcFailure, match="Minimum context slot has not been reached"):
        await node.rpc("getSlot", {**PROCESSED, "minContextSlot": await still.rpc("getSlot", PROCESSED)})
    # Without preflight it passes it on, and the leader is not behind.
    await send(node, transaction)
    assert (await status(still, transaction))["slot"] == await still.rpc("getSlot", PROCESSED)
    assert await status(node, transaction) is None


async def test_a_lagging_node_simulates_on_its_old_state(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, "cpmm")
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(wallet, "first", 0)
    user = UserAccounts(wallet, ata(wallet, USDC), wrapped)
    transaction = await still.sign([*making, pool.instruction(quote, quote.amount_out, user)])
    await still.rpc("localnet_warpSlots", 1)
    other, making_other = wrap(wallet, "other", 0)
    other_user = UserAccounts(wallet, ata(wallet, USDC), other)
    await send(still, await still.sign([*making_other, pool.instruction(quote, 1, other_user)]))
    left = await still.pool(pool.kind, pool.address)
    node = await faulty(still, "slow", kind="lag", slots=1)

    now, then = await simulated(still, transaction), await simulated(node, transaction)

    assert now["err"] == {"InstructionError": [2, {"Custom": 6005}]}
    assert then["err"] is None
    assert await still.pool(pool.kind, pool.address) == left


async def simulated(node: Chain, transaction: Any) -> Any:
    """The value of simulateTransaction at a node."""
    text = base64.b64encode(bytes(transaction)).decode()
    return (await node.rpc("simulateTransaction", text, {"encoding": "base64", **PROCESSED}))["value"]


async def test_a_lying_node_knows_nothing_at_the_present_slot(still: Chain) -> None:
    transaction = await payment(still)
    await send(still, transaction)
    await still.rpc("localnet_warpSlots", 3)
    liar = await faulty(still, "liar", kind="lie")

    answer = await liar.rpc("getSignatureStatuses", [signature_of(transaction)], {"searchTransactionHistory": True})

    assert answer["value"] == [None]
    assert answer["context"]["slot"] == await still.rpc("getSlot", PROCESSED)
    assert await liar.rpc("getTransaction", signature_of(transaction), CONFIRMED) is None
    assert await liar.rpc("getSignaturesForAddress", str(payee(transaction)), CONFIRMED) == []
    assert await balance(liar, payee(transaction)) == AMOUNT
    assert await status(still, transaction) is not None


async def test_a_lie_may_be_told_about_one_method_and_now_and_then(still: Chain) -> None:
    transaction = await payment(still)
    await send(still, transaction)
    liar = await faulty(still, "liar", kind="lie", methods=["getSignatureStatuses"], probability=0.5)
    told = [await status(liar, transaction) is None for _ in range(40)]

    assert set(told) == {True, False}
    assert (await liar.rpc("localnet_faults"))["faults"] == [
        {
            "kind": "lie",
            "methods": ["getSignatureStatuses"],
            "probability": 0.5,
            "calls": 40,
            "hits": told.count(True),
        }
    ]


async def test_a_pruned_node_searches_only_what_it_kept(still: Chain) -> None:
    old = await payment(still)
    await send(still, old)
    await still.rpc("localnet_warpSlots", 400)
    recent = await payment(still)
    await send(still, recent)
    await still.rpc("localnet_warpSlots", 40)
    now = await still.rpc("getSlot", PROCESSED)
    node = await faulty(still, "pruned", kind="pruned", slots=100)

    assert await node.rpc("getFirstAvailableBlock") == now - 99
    assert await node.rpc("minimumLedgerSlot") == now - 99
    assert await status(node, old, search=True) is None
    assert await status(node, recent, search=True) is not None
    assert await node.rpc("getTransaction", signature_of(old), CONFIRMED) is None
    assert await node.rpc("getSignaturesForAddress", str(payee(old)), CONFIRMED) == []
    assert [
        row["signature"] for row in await node.rpc("getSignaturesForAddress", str(still.wallet().pubkey()), CONFIRMED)
    ] == [signature_of(recent)]
    with pytest.raises(RpcFailure, match="cleaned up") as failure:
        await node.rpc("getBlockTime", now - 100)
    assert failure.value.code == -32001
    assert (await node.rpc("getBlocks", 0))[0] == now - 99
    assert await status(still, old, search=True) is not None
    assert await still.rpc("getFirstAvailableBlock") == 1_000


async def test_a_node_without_history_says_so(still: Chain) -> None:
    transaction = await payment(still)
    await send(still, transaction)
    node = await faulty(still, "short", kind="no_history")

    for call in (
        ("getTransaction", signature_of(transaction), CONFIRMED),
        ("getSignaturesForAddress", str(payee(transaction)), CONFIRMED),
        ("getSignatureStatuses", [signature_of(transaction)], {"searchTransactionHistory": True}),
    ):
        with pytest.raises(RpcFailure, match="Transaction history is not available from this node") as failure:
            await node.rpc(*call)
        assert failure.value.code == -32011
    assert (await status(node, transaction))["err"] is None


async def test_faults_of_an_answer_add_up(still: Chain) -> None:
    transaction = await payment(still)
    await send(still, transaction)
    await still.rpc("localnet_warpSlots", 9)
    node = still.node("both")
    await node.rpc("localnet_setFaults", [{"kind": "lag", "slots": 4}, {"kind": "lie"}])
    now = await still.rpc("getSlot", PROCESSED)

    answer = await node.rpc("getSignatureStatuses", [signature_of(transaction)])

    assert (answer["context"]["slot"], answer["value"]) == (now - 4, [None])


async def post(node: Chain, method: str, *params: Any, patience: float = 10) -> httpx.Response:
    """One raw call over a connection of its own."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    async with httpx.AsyncClient() as http:
        return await http.post(node.url, json=body, timeout=patience)


async def sending(node: Chain, transaction: Any, patience: float = 10) -> httpx.Response:
    """Send a transaction by `post`."""
    options = {"encoding": "base64", "skipPreflight": True}
    return await post(
        node, "sendTransaction", base64.b64encode(bytes(transaction)).decode(), options, patience=patience
    )


async def test_a_rate_limit_says_when_to_come_back(still: Chain) -> None:
    node = await faulty(still, "busy", kind="rate_limit", retry_after=7)
    transaction = await payment(still)

    reply = await sending(node, transaction)

    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")
    assert await status(still, transaction) is None
    unset = await faulty(still, "busy", kind="rate_limit")
    assert "retry-after" not in (await post(unset, "getSlot")).headers


@pytest.mark.parametrize("after", [False, True])
async def test_a_server_error_may_come_before_or_after_the_work(still: Chain, after: bool) -> None:
    node = await faulty(still, "broken", kind="server_error", status=502, after=after)
    transaction = await payment(still)

    reply = await sending(node, transaction)

    assert (reply.status_code, reply.text) == (502, "Bad Gateway")
    assert (await status(still, transaction) is not None) is after


@pytest.mark.parametrize("after", [False, True])
async def test_a_connection_may_break_before_or_after_the_work(still: Chain, after: bool) -> None:
    node = await faulty(still, "broken", kind="disconnect", after=after)
    transaction = await payment(still)

    with pytest.raises(httpx.RemoteProtocolError):
        await sending(node, transaction)

    assert (await status(still, transaction) is not None) is after


@pytest.mark.parametrize("after", [False, True])
async def test_a_hanging_node_never_answers(still: Chain, after: bool) -> None:
    node = await faulty(still, "stuck", kind="hang", after=after)
    transaction = await payment(still)

    with pytest.raises(httpx.ReadTimeout):
        await sending(node, transaction, patience=0.3)

    assert (await status(still, transaction) is not None) is after


async def test_a_hanging_node_can_be_stopped(tmp_path: Path) -> None:
    async with running(tmp_path, slot_ms=60_000) as chain:
        node = await faulty(chain, "stuck", kind="hang")
        waiting = asyncio.create_task(post(node, "getSlot", patience=30))
        async with asyncio.timeout(10):
            # Each question lets the other request come closer.
            while not (await node.rpc("localnet_faults"))["faults"][0]["hits"]:
                pass

    with pytest.raises(httpx.RemoteProtocolError):
        await asyncio.wait_for(waiting, 10)


async def test_a_malformed_answer_breaks_off_after_the_work(still: Chain) -> None:
    node = await faulty(still, "garbled", kind="malformed")
    transaction = await payment(still)

    reply = await sending(node, transaction)

    assert reply.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        reply.json()
    assert await status(still, transaction) is not None


async def test_a_transaction_may_land_after_its_client_gave_up(still: Chain) -> None:
    node = still.node("late")
    await node.rpc("localnet_setFaults", [{"kind": "delay", "slots": 20}, {"kind": "disconnect", "after": True}])
    transaction = await payment(still)
    with pytest.raises(httpx.RemoteProtocolError):
        await sending(node, transaction)
    assert await status(still, transaction) is None

    await still.rpc("localnet_warpSlots", 20)

    assert (await status(still, transaction))["err"] is None


async def test_a_node_whose_every_answer_is_faulty_can_be_mended(still: Chain) -> None:
    node = await faulty(still, "hopeless", kind="disconnect")
    await node.rpc("localnet_setFaults", [{"kind": "unhealthy"}, {"kind": "hang"}])

    await node.rpc("localnet_setFaults", [])

    assert await node.rpc("getHealth") == "ok"


async def subscribed(chain: Chain, name: str, transaction: Any) -> Any:
    """A connection to a node's subscriptions that waits for a signature to be processed."""
    url, _, port = chain.url.rpartition(":")
    connection = await connect(f"ws{url.removeprefix('http')}:{int(port) + 1}/node/{name}")
    params = [signature_of(transaction), PROCESSED]
    await connection.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "signatureSubscribe", "params": params}))
    assert isinstance(json.loads(await asyncio.wait_for(connection.recv(), 10))["result"], int)
    return connection


async def test_nodes_notify_as_they_see_the_chain(still: Chain) -> None:
    await faulty(still, "liar", kind="lie")
    await faulty(still, "slow", kind="lag", slots=10)
    transaction = await payment(still)
    connections = {name: await subscribed(still, name, transaction) for name in ("sound", "slow", "liar")}
    try:
        await send(still, transaction)
        await asyncio.wait_for(connections["sound"].recv(), 10)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connections["slow"].recv(), 0.2)
        await still.rpc("localnet_warpSlots", 10)
        # Whatever lands makes the cluster look at its subscribers.
        await send(still, await still.sign([memo("wake up")]))
        notified = json.loads(await asyncio.wait_for(connections["slow"].recv(), 10))
        assert notified["params"]["result"]["value"] == {"err": None}
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connections["liar"].recv(), 0.2)
    finally:
        for connection in connections.values():
            await connection.close()


async def test_a_lagging_node_lags_while_slots_pass(chain: Chain) -> None:
    node = await faulty(chain, "slow", kind="lag", slots=20)
    seen = [(await chain.rpc("getSlot", PROCESSED), await node.rpc("getSlot", PROCESSED))]
    deadline = time.monotonic() + 10
    while seen[-1][0] == seen[0][0] and time.monotonic() < deadline:
        seen.append((await chain.rpc("getSlot", PROCESSED), await node.rpc("getSlot", PROCESSED)))

    assert seen[-1][0] > seen[0][0]
    assert all(now - 20 <= slow for now, slow in seen)
    assert seen[-1][1] <= await chain.rpc("getSlot", PROCESSED) - 20
