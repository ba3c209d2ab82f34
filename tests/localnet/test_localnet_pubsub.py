"""WebSocket subscriptions, as the public client uses them."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from solana.rpc.commitment import Confirmed, Processed
from solana.rpc.websocket_api import SolanaWsClient
from solders.keypair import Keypair
from solders.system_program import TransferParams, transfer
from websockets.asyncio.client import connect

from tests.localnet.chain import Chain, memo, running


def ws_url(chain: Chain) -> str:
    """Where subscriptions are served: one port above."""
    host, _, port = chain.url.removeprefix("http://").rpartition(":")
    return f"ws://{host}:{int(port) + 1}"


async def heard(client: SolanaWsClient) -> Any:
    """The next notification."""
    return await asyncio.wait_for(client.recv(), 10)


async def test_the_client_hears_of_its_transaction(still: Chain) -> None:
    transaction = await still.sign([memo("hello")])
    async with SolanaWsClient(ws_url(still)) as client:
        processed = await client.signature_subscribe(signature=transaction.signatures[0], commitment=Processed)
        confirmed = await client.signature_subscribe(signature=transaction.signatures[0], commitment=Confirmed)
        await still.send(transaction)
        first = await heard(client)
        await still.rpc("localnet_warpSlots", 1)
        await still.send(await still.sign([memo("another")]))
        second = await heard(client)

    assert [first.subscription, second.subscription] == [processed.subscription_id, confirmed.subscription_id]
    assert first.result.value.err is None


async def test_slots_are_announced_one_by_one(chain: Chain) -> None:
    async with SolanaWsClient(ws_url(chain)) as client:
        await client.slot_subscribe()
        slots = [(await heard(client)).result for _ in range(4)]

    assert [slot.slot - slots[0].slot for slot in slots] == [0, 1, 2, 3]
    assert {slot.slot - slot.root for slot in slots} == {32}


async def test_a_changed_account_is_announced(still: Chain) -> None:
    wallet, to = still.wallet(), Keypair().pubkey()
    pay = transfer(TransferParams(from_pubkey=wallet.pubkey(), to_pubkey=to, lamports=10**9))
    async with SolanaWsClient(ws_url(still)) as client:
        await client.account_subscribe(pubkey=to, commitment=Processed, encoding="base64")
        await still.send(await still.sign([memo("nothing to see")]))
        await still.send(await still.sign([pay]))
        news = await heard(client)

    assert news.result.value.lamports == 10**9


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", -32700),
        ("[]", -32600),
        ('{"id": 1, "method": "voteSubscribe"}', -32601),
        ('{"id": 1, "method": "slot"}', -32601),
        ('{"id": 1, "method": "slotUnsubscribe", "params": [7]}', -32602),
        ('{"id": 1, "method": "signatureSubscribe", "params": ["x"]}', -32602),
    ],
)
async def test_wrong_subscriptions_are_answered_with_an_error(still: Chain, message: str, code: int) -> None:
    async with connect(ws_url(still)) as ws:
        await ws.send(message)
        answer: Any = json.loads(await asyncio.wait_for(ws.recv(), 10))

    assert answer["error"]["code"] == code


async def test_an_unsubscribed_client_hears_nothing_more(chain: Chain) -> None:
    async with connect(ws_url(chain)) as ws:
        await ws.send('{"jsonrpc": "2.0", "id": 1, "method": "slotSubscribe"}')
        number = json.loads(await asyncio.wait_for(ws.recv(), 10))["result"]
        await ws.send(json.dumps({"jsonrpc": "2.0", "id": 2, "method": "slotUnsubscribe", "params": [number]}))
        while "id" not in (answer := json.loads(await asyncio.wait_for(ws.recv(), 10))):
            pass
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ws.recv(), 0.2)

    assert answer["result"] is True


async def test_a_taken_port_above_costs_the_subscriptions_only(tmp_path: Path) -> None:
    lower, upper = neighbours()
    with upper:
        port = lower.getsockname()[1]
        lower.close()
        async with running(tmp_path, port=port) as chain:
            assert await chain.rpc("getHealth") == "ok"


def neighbours() -> tuple[socket.socket, socket.socket]:
    """Sockets on two ports in a row."""
    while True:
        lower = socket.create_server(("127.0.0.1", 0))
        try:
            return lower, socket.create_server(("127.0.0.1", lower.getsockname()[1] + 1))
        except (OSError, OverflowError):
            lower.close()
