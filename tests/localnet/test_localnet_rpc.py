"""The JSON-RPC surface: the public Solana client reads every answer, and errors are those of a node."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from solana.rpc.commitment import Confirmed, Processed
from solana.rpc.core import RPCException
from solana.rpc.models import MemcmpOpts, TokenAccountOpts, TxOpts
from solders.compute_budget import set_compute_unit_price
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction
from solders.transaction_status import TransactionConfirmationStatus

from activities.venues.mint import NATIVE_MINT, TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from activities.venues.raydium import cpmm
from deploy.localnet.node import Node
from deploy.localnet.rpc.dispatch import METHODS, answer
from deploy.localnet.server import open_node
from deploy.localnet.settings import LocalnetSettings
from tests.localnet.chain import FEE, MEMO_PROGRAM, USDC, Chain, RpcFailure, ata, memo

CLOCK = "SysvarC1ock11111111111111111111111111111111"


async def test_the_client_reads_the_clusters_state(still: Chain) -> None:
    client = still.client
    await still.rpc("localnet_warpSlots", 40)
    epoch = (await client.get_epoch_info(Processed)).value
    latest = (await client.get_latest_blockhash(Processed)).value

    assert await client.is_connected()
    assert (await client.get_slot(Processed)).value == epoch.absolute_slot
    assert (await client.get_block_height(Processed)).value == epoch.block_height
    assert latest.last_valid_block_height == epoch.block_height + 150
    assert (await client.get_version()).value.solana_core
    assert len(bytes((await client.get_genesis_hash()).value)) == 32
    assert (await client.get_block_time(epoch.absolute_slot)).value
    assert (await client.get_blocks(epoch.absolute_slot - 40)).value[-1] == epoch.absolute_slot - 32
    assert (await client.get_minimum_balance_for_rent_exemption(165)).value == 2_039_280
    assert (await client.get_transaction_count()).value == 0


async def test_the_client_reads_accounts_in_every_encoding(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    usdc = ata(wallet, USDC)
    raw = (await still.client.get_account_info(usdc, encoding="base64")).value
    parsed: Any = (await still.client.get_account_info_json_parsed(usdc)).value
    many = (await still.client.get_multiple_accounts([wallet, usdc, Keypair().pubkey()])).value
    balance = (await still.client.get_token_account_balance(usdc)).value
    program = (await still.client.get_account_info(TOKEN_PROGRAM, encoding="base64")).value

    assert raw is not None
    assert (raw.owner, len(raw.data)) == (TOKEN_PROGRAM, 165)
    assert parsed is not None
    assert parsed.data.parsed["info"]["tokenAmount"]["amount"] == balance.amount == str(10**14)
    assert balance.ui_amount_string == "100000000"
    assert [account is None for account in many] == [False, False, True]
    assert program is not None
    assert program.executable
    base58 = await still.rpc("getAccountInfo", str(usdc), {"dataSlice": {"offset": 64, "length": 8}})
    assert isinstance(base58["value"]["data"], str)
    assert base58["value"]["space"] == 165


async def test_mints_are_parsed(still: Chain) -> None:
    info = await still.rpc("getAccountInfo", str(FEE), {"encoding": "jsonParsed"})
    data = info["value"]["data"]

    assert (data["program"], data["parsed"]["type"]) == ("spl-token-2022", "mint")
    assert data["parsed"]["info"]["decimals"] == 6
    held = sum(int(row["account"]["data"]["parsed"]["info"]["tokenAmount"]["amount"]) for row in await holders(still))
    assert int(data["parsed"]["info"]["supply"]) == held


async def holders(chain: Chain) -> Any:
    """Every account of the token with the transfer fee."""
    filters = [{"memcmp": {"offset": 0, "bytes": str(FEE)}}]
    return await chain.rpc(
        "getProgramAccounts", str(TOKEN_2022_PROGRAM), {"encoding": "jsonParsed", "filters": filters}
    )


async def test_program_accounts_are_filtered(still: Chain) -> None:
    client = still.client
    by_size = (await client.get_program_accounts(cpmm.PROGRAM, encoding="base64", filters=[637])).value
    of_sol = (
        await client.get_program_accounts(
            cpmm.PROGRAM, encoding="base64", filters=[637, MemcmpOpts(offset=168, bytes=str(NATIVE_MINT))]
        )
    ).value
    in_base64 = {"offset": 168, "bytes": base64.b64encode(bytes(NATIVE_MINT)).decode(), "encoding": "base64"}
    options = {"encoding": "base64", "withContext": True, "filters": [{"dataSize": 637}, {"memcmp": in_base64}]}
    with_context = await still.rpc("getProgramAccounts", str(cpmm.PROGRAM), options)

    assert 0 < len(of_sol) < len(by_size)
    assert {row["pubkey"] for row in with_context["value"]} == {str(row.pubkey) for row in of_sol}
    assert with_context["context"]["slot"] == await still.rpc("getSlot")


async def test_token_accounts_are_found_by_owner(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    by_mint = (await still.client.get_token_accounts_by_owner(wallet, TokenAccountOpts(mint=USDC))).value
    of_program = TokenAccountOpts(program_id=TOKEN_PROGRAM)
    parsed: Any = (await still.client.get_token_accounts_by_owner_json_parsed(wallet, of_program)).value
    mints = {row.account.data.parsed["info"]["mint"] for row in parsed}

    assert [row.pubkey for row in by_mint] == [ata(wallet, USDC)]
    assert str(USDC) in mints
    assert str(FEE) not in mints


async def test_the_client_sends_and_follows_a_transaction(still: Chain) -> None:
    wallet, to = still.wallet(), Keypair().pubkey()
    pay = transfer(TransferParams(from_pubkey=wallet.pubkey(), to_pubkey=to, lamports=10**9))
    transaction = await still.sign([pay, memo("hello")])
    assert isinstance(transaction.message, MessageV0)
    fee = (await still.client.get_fee_for_message(transaction.message, Processed)).value

    signature = (await still.client.send_transaction(transaction, TxOpts(preflight_commitment=Processed))).value
    await still.rpc("localnet_warpSlots", 1)
    confirmed = (await still.client.confirm_transaction(signature, Confirmed)).value[0]
    assert confirmed is not None
    assert confirmed.confirmation_status == TransactionConfirmationStatus.Confirmed
    for encoding in ("json", "jsonParsed", "base64", "base58"):
        found = await still.client.get_transaction(signature, encoding, Confirmed, 0)
        assert found.value is not None
        meta = found.value.transaction.meta
        assert meta is not None
        assert meta.fee == fee == 5_000
        assert meta.pre_balances[0] - meta.post_balances[0] == 10**9 + 5_000
    history = (await still.client.get_signatures_for_address(to, commitment=Confirmed)).value
    assert [entry.memo for entry in history] == ["[5] hello"]


async def test_the_client_reads_a_failed_preflight(still: Chain) -> None:
    wallet = still.wallet()
    pay = transfer(TransferParams(from_pubkey=wallet.pubkey(), to_pubkey=USDC, lamports=10**18))
    transaction = await still.sign([memo("first"), pay])

    with pytest.raises(RPCException) as failure:
        await still.client.send_transaction(transaction, TxOpts(preflight_commitment=Processed))

    (message,) = failure.value.args
    assert message.message.endswith("Error processing Instruction 1: custom program error: 0x1")
    assert any("insufficient lamports" in line for line in message.data.logs)
    assert message.data.units_consumed > 0


async def test_simulation_replaces_the_blockhash_on_request(still: Chain) -> None:
    transaction = await still.sign([memo("hello")])
    await still.rpc("localnet_warpSlots", 200)

    stale = (await still.client.simulate_transaction(transaction, commitment=Processed)).value
    fresh = (
        await still.client.simulate_transaction(transaction, commitment=Processed, replace_recent_blockhash=True)
    ).value

    assert str(stale.err) == "TransactionErrorFieldless.BlockhashNotFound"
    assert fresh.err is None
    assert fresh.logs is not None
    assert f"Program {MEMO_PROGRAM} success" in fresh.logs
    assert fresh.replacement_blockhash is not None


async def test_simulation_verifies_signatures_on_request(still: Chain) -> None:
    good = await still.sign([memo("hello")])
    forged = type(good).populate(good.message, [Signature.default()])

    unverified = (await still.client.simulate_transaction(forged, commitment=Processed)).value
    verified = (await still.client.simulate_transaction(forged, sig_verify=True, commitment=Processed)).value

    assert unverified.err is None
    assert str(verified.err) == "TransactionErrorFieldless.SignatureFailure"


async def test_the_lowest_priority_fees_of_block_and_account_are_reported(still: Chain) -> None:
    dear, cheap = still.wallet(), still.wallet("poor")
    await still.send(await still.sign([set_compute_unit_price(9_000), memo("more urgent")], dear))
    await still.send(await still.sign([set_compute_unit_price(7_000), memo("urgent")], dear))
    await still.send(await still.sign([set_compute_unit_price(50), memo("whenever")], cheap))
    slot = await still.rpc("getSlot", {"commitment": "processed"})

    async def paid(*accounts: Pubkey) -> dict[int, int]:
        fees = (await still.client.get_recent_prioritization_fees(list(accounts))).value
        return {fee.slot: fee.prioritization_fee for fee in fees}

    assert (await paid())[slot] == (await paid(cheap.pubkey()))[slot] == (await paid(USDC))[slot] == 50
    assert (await paid(dear.pubkey()))[slot] == (await paid(cheap.pubkey(), dear.pubkey()))[slot] == 7_000
    assert set(await paid()) == set(range(slot - 149, slot + 1))


@pytest.mark.parametrize(
    ("method", "params", "code", "words"),
    [
        ("getNothing", [], -32601, "Method not found"),
        ("getBalance", [], -32602, "invalid length 0"),
        ("getBalance", ["short"], -32602, "Invalid param: WrongSize"),
        ("getBalance", [7], -32602, "expected a string"),
        ("getAccountInfo", [CLOCK, {"encoding": "rot13"}], -32602, "unknown variant `rot13`"),
        ("getAccountInfo", [CLOCK, {"commitment": "maybe"}], -32602, "unknown variant `maybe`"),
        ("getAccountInfo", [CLOCK, {"minContextSlot": 10**12}], -32016, "Minimum context slot has not been reached"),
        ("getSlot", [{"minContextSlot": 10**12}], -32016, "Minimum context slot has not been reached"),
        ("getMultipleAccounts", [[CLOCK] * 101], -32602, "Too many inputs provided; max 100"),
        ("getSignatureStatuses", [[str(Signature.default())] * 257], -32602, "Too many inputs provided; max 256"),
        ("getSignaturesForAddress", [CLOCK, {"limit": 1001}], -32602, "Invalid limit; max 1000"),
        ("getSignaturesForAddress", [CLOCK, {"commitment": "processed"}], -32602, "commitment below `confirmed`"),
        ("getTokenAccountBalance", [CLOCK], -32602, "could not find account"),
        ("getTokenAccountBalance", [str(USDC)], -32602, "not a Token account"),
        ("getTokenAccountsByOwner", [CLOCK, {}], -32602, "expected either `mint` or `programId`"),
        ("getProgramAccounts", [CLOCK, {"filters": [{"dataSize": 1}] * 5}], -32602, "Too many filters provided; max 4"),
        ("sendTransaction", ["!"], -32602, "invalid base58 encoding"),
        ("sendTransaction", ["%", {"encoding": "base64"}], -32602, "invalid base64 encoding"),
        ("sendTransaction", ["A" * 1648, {"encoding": "base64"}], -32602, "too large: 1648 bytes"),
        ("sendTransaction", ["AAAA", {"encoding": "base64"}], -32602, "failed to deserialize"),
        ("isBlockhashValid", ["x"], -32602, "Invalid param"),
    ],
)
async def test_errors_have_the_codes_of_a_node(
    still: Chain, method: str, params: list[Any], code: int, words: str
) -> None:
    with pytest.raises(RpcFailure) as failure:
        await still.rpc(method, *params)

    assert failure.value.code == code
    assert words in str(failure.value)


async def test_a_node_behind_the_context_slot_says_where_it_is(still: Chain) -> None:
    with pytest.raises(RpcFailure) as failure:
        await still.rpc("getBalance", str(USDC), {"minContextSlot": 10**12, "commitment": "processed"})

    assert failure.value.data == {"contextSlot": await still.rpc("getSlot", {"commitment": "processed"})}


async def test_batches_are_answered_call_by_call(still: Chain) -> None:
    calls = [
        {"jsonrpc": "2.0", "id": "a", "method": "getHealth"},
        {"jsonrpc": "2.0", "id": 2, "method": "getNothing", "params": []},
        {"jsonrpc": "2.0", "id": 3, "method": "getSlot", "params": [{"commitment": "processed"}]},
    ]
    async with httpx.AsyncClient() as http:
        answers = (await http.post(still.url, json=calls)).json()
        broken = (await http.post(still.url, content=b"{")).json()
        empty = (await http.post(still.url, json=[])).json()

    assert [answer["id"] for answer in answers] == ["a", 2, 3]
    assert answers[0]["result"] == "ok"
    assert answers[1]["error"]["code"] == -32601
    assert answers[2]["result"] > 0
    assert (broken["error"]["code"], empty["error"]["code"]) == (-32700, -32600)


async def test_health_is_answered_over_plain_http(still: Chain) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{still.url}/health")

    assert (answer.status_code, answer.text) == (200, "ok")


async def test_programs_read_the_clusters_clock(still: Chain) -> None:
    before = await still.clock()
    await still.rpc("localnet_warpSlots", 3)
    after = await still.clock()

    assert after.slot - before.slot == 3
    assert after.slot == await still.rpc("getSlot", {"commitment": "processed"})
    assert after.unix_timestamp == await still.rpc("getBlockTime", after.slot)


async def test_an_account_can_be_set_and_removed(still: Chain) -> None:
    address = Pubkey.new_unique()
    account = {
        "lamports": 10**9,
        "data": [base64.b64encode(b"hello").decode(), "base64"],
        "owner": str(TOKEN_PROGRAM),
        "executable": False,
        "rentEpoch": 0,
        "space": 5,
    }
    await still.rpc("localnet_setAccount", str(address), account)
    found = await still.account(address)
    assert found is not None
    assert (found.data, found.owner, found.lamports) == (b"hello", TOKEN_PROGRAM, 10**9)

    await still.rpc("localnet_setAccount", str(address), None)
    assert await still.account(address) is None


SOMETHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.text(max_size=50),
    st.sampled_from([CLOCK, str(USDC), str(cpmm.PROGRAM), str(Signature.default()), "AQ==", "base64", "processed"]),
)
KEYS = ["encoding", "commitment", "filters", "dataSlice", "minContextSlot", "mint", "limit", "before", "accounts"]
ANYTHING = st.recursive(
    SOMETHING,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=st.sampled_from(sorted(METHODS)), params=st.one_of(st.lists(ANYTHING, max_size=4), ANYTHING))
def test_no_parameters_break_a_method(node: Node, method: str, params: Any) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()

    reply = json.loads(answer(node, body))

    assert reply.get("error", {}).get("code") != -32603, reply


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6), cut=st.booleans())
def test_no_bytes_break_the_methods_that_take_transactions(
    node: Node, changes: list[tuple[int, int]], cut: bool
) -> None:
    payer = node.faucet
    pay = transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=USDC, lamports=1))
    message = MessageV0.try_compile(payer.pubkey(), [memo("hello"), pay], [], Hash.default())
    wire = bytearray(bytes(VersionedTransaction(message, [payer])))
    for at, value in changes:
        wire[at % len(wire)] = value
    wire = wire[: changes[0][0]] if cut else wire
    text, body = base64.b64encode(wire).decode(), base64.b64encode(wire[65:]).decode()
    options = {"encoding": "base64", "skipPreflight": True, "replaceRecentBlockhash": True}
    for method, param in (("sendTransaction", text), ("simulateTransaction", text), ("getFeeForMessage", body)):
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": [param, options]}

        reply = json.loads(answer(node, json.dumps(call).encode()))

        assert reply.get("error", {}).get("code") != -32603, reply


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node without a server."""
    node = open_node(LocalnetSettings(data_dir=tmp_path))
    yield node
    node.ledger.close()
