"""Notifications from a real node hasten the questions; without them everything goes on as before."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from solders.signature import Signature
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from activities.solana.confirmation import Confirmations, Expired, Landed
from activities.solana.rpc import SolanaRpc
from activities.solana.subscriptions import SignatureHints, pubsub_url
from tests.localnet.chain import Chain, memo, running
from tests.servers import free_port


class Heard:
    """Keeps the hints, and can be waited for."""

    def __init__(self) -> None:
        self.hints: list[Signature] = []

    def __call__(self, signature: Signature) -> None:
        self.hints.append(signature)

    async def until(self, wanted: Signature) -> None:
        for _ in range(4_000):
            if wanted in self.hints:
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"heard of {self.hints} only")


@pytest.fixture(scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chain]:
    async with running(tmp_path_factory.mktemp("localnet")) as chain:
        yield chain


@pytest.fixture
async def hints(cluster: Chain) -> AsyncIterator[SignatureHints]:
    hints = SignatureHints(pubsub_url(cluster.url), Random(1))
    yield hints
    await hints.close()


async def connected(hints: SignatureHints) -> None:
    """Return once there is a connection."""
    for _ in range(1_000):
        if hints.live:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("no connection")


async def test_a_node_tells_when_a_signature_is_confirmed(cluster: Chain, hints: SignatureHints) -> None:
    heard, transaction = Heard(), await cluster.sign([memo("hint")])
    signature = transaction.signatures[0]
    hints.watch(signature, heard)
    await connected(hints)
    await cluster.send(transaction)
    await heard.until(signature)
    assert heard.hints == [signature]
    (status,) = (await cluster.rpc("getSignatureStatuses", [str(signature)]))["value"]
    assert status["confirmationStatus"] in ("confirmed", "finalized")


async def test_what_is_forgotten_is_not_told(cluster: Chain, hints: SignatureHints) -> None:
    forgotten, heard = Heard(), Heard()
    first, second = await cluster.sign([memo("first")]), await cluster.sign([memo("second")])
    hints.watch(first.signatures[0], forgotten)
    hints.watch(second.signatures[0], heard)
    await connected(hints)
    hints.forget(first.signatures[0])
    await cluster.send(first)
    await cluster.send(second)
    await heard.until(second.signatures[0])
    assert forgotten.hints == []


async def test_a_hint_settles_what_the_steady_pace_would_ask_for_much_later(
    cluster: Chain, hints: SignatureHints
) -> None:
    rpc = SolanaRpc(cluster.url)
    # A pace at which this test would be over its time.
    confirmations = Confirmations(rpc, poll_seconds=600, hints=hints)
    # The first question comes at once, and there is nothing to ask the second time but for the hints.
    transactions = [await cluster.sign([memo(f"swap {at}")]) for at in range(3)]
    last_valid = (await rpc.latest_blockhash()).last_valid_block_height
    hints.watch(Signature.new_unique(), Heard())
    await connected(hints)
    for transaction in transactions:
        outcome = await confirmations.settle(transaction.signatures[0], bytes(transaction), last_valid)
        assert isinstance(outcome, Landed)
        assert outcome.error is None
    await confirmations.close()
    await rpc.close()


async def test_without_notifications_everything_goes_on(cluster: Chain) -> None:
    rpc = SolanaRpc(cluster.url)
    confirmations = Confirmations(rpc, 0.02, hints=SignatureHints(f"ws://127.0.0.1:{free_port()}", Random(1)))
    transaction = await cluster.sign([memo("alone")])
    latest = await rpc.latest_blockhash()
    outcome = await confirmations.settle(
        transaction.signatures[0], bytes(transaction), latest.last_valid_block_height, signing_slot=latest.slot
    )
    assert isinstance(outcome, Landed)
    await confirmations.close()
    await rpc.close()


async def test_a_connection_that_breaks_is_made_again_with_all_that_is_watched(tmp_path: Path) -> None:
    connections, asked = 0, list[str]()
    both = asyncio.Event()

    async def handle(connection: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        async for message in connection:
            asked.append(str(message))
            if len(asked) == 1:
                await connection.close()
            if len(asked) == 2:
                both.set()

    signature = Signature.new_unique()
    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        hints = SignatureHints(f"ws://127.0.0.1:{port}", Random(1))
        hints.watch(signature, Heard())
        await both.wait()
        await hints.close()
    assert connections == 2
    assert all(str(signature) in message for message in asked)


async def test_a_node_that_refuses_subscriptions_gives_no_hints(tmp_path: Path) -> None:
    refused = asyncio.Event()

    async def handle(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for _ in connection:
                await connection.send('{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}')
        refused.set()

    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        hints = SignatureHints(f"ws://127.0.0.1:{port}", Random(1))
        hints.watch(Signature.new_unique(), Heard())
        await refused.wait()
        assert not hints.live
        await hints.close()


async def test_expiry_needs_no_hint(cluster: Chain, hints: SignatureHints) -> None:
    rpc = SolanaRpc(cluster.url)
    confirmations = Confirmations(rpc, 0.02, hints=hints, may_broadcast=lambda: False)
    transaction = await cluster.sign([memo("never sent")])
    latest = await rpc.latest_blockhash()
    settling = asyncio.create_task(
        confirmations.settle(
            transaction.signatures[0], bytes(transaction), latest.last_valid_block_height, signing_slot=latest.slot
        )
    )
    await cluster.rpc("localnet_warpSlots", 400)
    assert isinstance(await settling, Expired)
    await confirmations.close()
    await rpc.close()


@pytest.mark.parametrize(
    ("rpc", "pubsub"),
    [
        ("http://127.0.0.1:8899", "ws://127.0.0.1:8900"),
        ("http://[::1]:8899/", "ws://[::1]:8900/"),
        ("https://node.example/key?x=1", "wss://node.example/key?x=1"),
        ("https://user:word@node.example:8443", "wss://user:word@node.example:8444"),
    ],
)
def test_where_subscriptions_are_served(rpc: str, pubsub: str) -> None:
    assert pubsub_url(rpc) == pubsub
