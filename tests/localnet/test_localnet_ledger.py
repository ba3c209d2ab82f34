"""What becomes of sent transactions: age, duplicates, fees, atomicity, statuses and history."""

import base64
from typing import Any

import pytest
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from tests.localnet.chain import Chain, RpcFailure, memo

LOOKUP_TABLES = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")


def pay(payer: Keypair, to: Pubkey, lamports: int = 10**9) -> Instruction:
    """A native transfer."""
    return transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=to, lamports=lamports))


async def status(chain: Chain, signature: Signature, *, search: bool = False) -> Any:
    """The entry of getSignatureStatuses."""
    options = {"searchTransactionHistory": search}
    (entry,) = (await chain.rpc("getSignatureStatuses", [str(signature)], options))["value"]
    return entry


@pytest.mark.parametrize(("age", "lands"), [(0, True), (150, True), (151, False), (299, False), (1_000, False)])
async def test_a_blockhash_is_good_for_150_blocks(still: Chain, age: int, lands: bool) -> None:
    to = Keypair().pubkey()
    latest = await still.rpc("getLatestBlockhash", {"commitment": "processed"})
    transaction = await still.sign([pay(still.wallet(), to)])
    assert str(transaction.message.recent_blockhash) == latest["value"]["blockhash"]
    await still.rpc("localnet_warpSlots", age)

    height = await still.rpc("getBlockHeight", {"commitment": "processed"})
    valid = await still.rpc("isBlockhashValid", latest["value"]["blockhash"], {"commitment": "processed"})
    await still.send(transaction)

    assert (height <= latest["value"]["lastValidBlockHeight"]) is lands
    assert valid["value"] is lands
    assert await still.lamports(to) == (10**9 if lands else 0)


async def test_block_height_is_not_the_slot(still: Chain) -> None:
    assert await still.rpc("getBlockHeight") < await still.rpc("getSlot")


async def test_an_expired_transaction_is_refused_by_preflight(still: Chain) -> None:
    transaction = await still.sign([memo("late")])
    await still.rpc("localnet_warpSlots", 151)

    with pytest.raises(RpcFailure, match="Transaction simulation failed: Blockhash not found") as failure:
        await send_raw(still, transaction)

    assert failure.value.code == -32002
    assert failure.value.data["err"] == "BlockhashNotFound"


async def test_a_blockhash_is_unknown_to_a_bank_that_is_behind_it(still: Chain) -> None:
    transaction = await still.sign([memo("early")])

    with pytest.raises(RpcFailure, match="Blockhash not found"):
        await send_raw(still, transaction, preflightCommitment="finalized")
    await still.rpc("localnet_warpSlots", 32)

    assert await send_raw(still, transaction, preflightCommitment="finalized") == str(transaction.signatures[0])


async def test_the_same_transaction_runs_once(still: Chain) -> None:
    to = Keypair().pubkey()
    transaction = await still.sign([pay(still.wallet(), to)])

    assert await still.send(transaction) == await still.send(transaction)
    await still.rpc("localnet_warpSlots", 100)
    await still.send(transaction)
    with pytest.raises(RpcFailure) as while_alive:
        await send_raw(still, transaction)
    await still.rpc("localnet_warpSlots", 60)
    with pytest.raises(RpcFailure) as afterwards:
        await send_raw(still, transaction)

    assert await still.lamports(to) == 10**9
    assert while_alive.value.data["err"] == "AlreadyProcessed"
    assert afterwards.value.data["err"] == "BlockhashNotFound"


async def test_a_new_blockhash_makes_another_transaction(still: Chain) -> None:
    to = Keypair().pubkey()
    await still.send(await still.sign([pay(still.wallet(), to)]))
    await still.rpc("localnet_warpSlots", 1)
    await still.send(await still.sign([pay(still.wallet(), to)]))

    assert await still.lamports(to) == 2 * 10**9


async def test_a_failed_transaction_is_undone_and_pays_its_fee(still: Chain) -> None:
    wallet, to = still.wallet(), Keypair().pubkey()
    before = await still.lamports(wallet.pubkey())

    meta = await still.land([pay(wallet, to), pay(wallet, to, 10**18)])

    assert meta["err"] == {"InstructionError": [1, {"Custom": 1}]}
    assert meta["status"] == {"Err": meta["err"]}
    assert await still.lamports(to) == 0
    assert await still.lamports(wallet.pubkey()) == before - 5_000 == meta["postBalances"][0]


async def test_a_transaction_that_cannot_pay_its_fee_vanishes(still: Chain) -> None:
    stranger = Keypair()
    signature = await still.send(await still.sign([memo("hello")], stranger))

    assert await status(still, signature, search=True) is None


@pytest.mark.parametrize("legacy", [True, False])
async def test_a_wrong_signature_is_refused_or_ignored(still: Chain, legacy: bool) -> None:
    wallet, to = still.wallet(), Keypair().pubkey()
    good = await still.sign([pay(wallet, to)], legacy=legacy)
    forged = VersionedTransaction.populate(good.message, [Signature.new_unique()])

    with pytest.raises(RpcFailure, match="Transaction signature verification failure") as failure:
        await send_raw(still, forged)
    await still.send(forged)

    assert failure.value.code == -32003
    assert await still.lamports(to) == 0


async def test_every_required_signature_is_verified(still: Chain) -> None:
    wallet, other = still.wallet(), Keypair()
    await still.send(await still.sign([pay(wallet, other.pubkey(), 10**9)]))
    good = await still.sign([pay(other, wallet.pubkey(), 10**8)], wallet, other)
    forged = VersionedTransaction.populate(good.message, [good.signatures[0], good.signatures[0]])

    await still.send(forged)

    assert await still.lamports(other.pubkey()) == 10**9


async def test_two_signatures_cost_twice_the_fee(still: Chain) -> None:
    wallet, other = still.wallet(), Keypair()
    await still.send(await still.sign([pay(wallet, other.pubkey())]))

    meta = await still.land([pay(other, wallet.pubkey(), 10**8)], wallet, other)

    assert (meta["err"], meta["fee"]) == (None, 10_000)


async def test_a_transaction_becomes_final_slot_by_slot(still: Chain) -> None:
    signature = await still.send(await still.sign([memo("order")]))
    seen = []
    for slots in (0, 1, 30, 1, 1):
        await still.rpc("localnet_warpSlots", slots)
        entry = await status(still, signature)
        seen.append((entry["confirmationStatus"], entry["confirmations"]))

    assert seen == [
        ("processed", 0),
        ("confirmed", 1),
        ("confirmed", 31),
        ("finalized", None),
        ("finalized", None),
    ]


async def test_commitments_are_slots_apart(still: Chain) -> None:
    heights = [await still.rpc("getBlockHeight", {"commitment": level}) for level in LEVELS]
    slots = [await still.rpc("getSlot", {"commitment": level}) for level in LEVELS]
    newest, newest_height = slots[0], heights[0]

    assert slots == [newest, newest - 1, newest - 32]
    assert heights == [newest_height, newest_height - 1, newest_height - 32]
    assert await still.rpc("getSlot") == newest - 32


LEVELS = ("processed", "confirmed", "finalized")


async def test_old_statuses_need_a_search_of_the_history(still: Chain) -> None:
    signature = await still.send(await still.sign([memo("order")]))
    await still.rpc("localnet_warpSlots", 331)
    assert await status(still, signature) is not None
    await still.rpc("localnet_warpSlots", 1)

    assert await status(still, signature) is None
    assert (await status(still, signature, search=True))["confirmationStatus"] == "finalized"
    assert await status(still, Signature.new_unique(), search=True) is None


async def test_get_transaction_waits_for_its_commitment(still: Chain) -> None:
    signature = await still.send(await still.sign([memo("order")]))

    async def found(commitment: str) -> bool:
        options = {"commitment": commitment, "maxSupportedTransactionVersion": 0}
        return await still.rpc("getTransaction", str(signature), options) is not None

    seen = [(await found("confirmed"), await found("finalized"))]
    for slots in (1, 31):
        await still.rpc("localnet_warpSlots", slots)
        seen.append((await found("confirmed"), await found("finalized")))

    assert seen == [(False, False), (True, False), (True, True)]
    with pytest.raises(RpcFailure, match="does not support commitment below"):
        await found("processed")


async def test_a_versioned_transaction_is_only_shown_to_clients_that_know_it(still: Chain) -> None:
    versioned = await still.send(await still.sign([memo("new")]))
    legacy = await still.send(await still.sign([memo("old")], legacy=True))
    await still.rpc("localnet_warpSlots", 32)

    with pytest.raises(RpcFailure, match=r"Transaction version \(0\) is not supported") as failure:
        await still.rpc("getTransaction", str(versioned))

    assert failure.value.code == -32015
    assert "version" not in await still.rpc("getTransaction", str(legacy))
    shown = await still.rpc("getTransaction", str(legacy), {"maxSupportedTransactionVersion": 0})
    assert shown["version"] == "legacy"


async def test_memos_stand_in_the_history_of_an_address(still: Chain) -> None:
    wallet = still.wallet()
    await still.send(await still.sign([memo("order-1"), memo("zwölf")]))
    await still.send(await still.sign([pay(wallet, Keypair().pubkey())]))
    await still.send(await still.sign([memo("order-2"), pay(wallet, wallet.pubkey(), 10**18)]))
    await still.rpc("localnet_warpSlots", 32)

    entries = await still.rpc("getSignaturesForAddress", str(wallet.pubkey()))

    assert [entry["memo"] for entry in entries] == ["[7] order-2", None, "[7] order-1; [6] zwölf"]
    assert [entry["err"] for entry in entries] == [{"InstructionError": [1, {"Custom": 1}]}, None, None]
    assert {entry["confirmationStatus"] for entry in entries} == {"finalized"}


async def test_the_history_of_an_address_comes_in_pages(still: Chain) -> None:
    to = Keypair().pubkey()
    sent = [str(await still.send(await still.sign([pay(still.wallet(), to, 10**9 + at)]))) for at in range(6)]
    await still.rpc("localnet_warpSlots", 32)

    async def page(**options: Any) -> list[str]:
        return [entry["signature"] for entry in await still.rpc("getSignaturesForAddress", str(to), options)]

    assert await page() == sent[::-1]
    assert await page(limit=2) == [sent[5], sent[4]]
    assert await page(before=sent[4], limit=2) == [sent[3], sent[2]]
    assert await page(before=sent[4], until=sent[1]) == [sent[3], sent[2]]
    assert await page(until=sent[4]) == [sent[5]]


async def test_a_lookup_table_stands_for_its_addresses(still: Chain) -> None:
    wallet, to = still.wallet(), Keypair().pubkey()
    slot = await still.rpc("getSlot", {"commitment": "confirmed"})
    seeds = [bytes(wallet.pubkey()), slot.to_bytes(8, "little")]
    table, bump = Pubkey.find_program_address(seeds, LOOKUP_TABLES)
    owner = AccountMeta(wallet.pubkey(), True, True)
    system = AccountMeta(Pubkey.default(), False, False)
    metas = [AccountMeta(table, False, True), owner, owner, system]
    create = bytes(4) + slot.to_bytes(8, "little") + bytes([bump])
    extend = (2).to_bytes(4, "little") + (1).to_bytes(8, "little") + bytes(to)
    made = await still.land([Instruction(LOOKUP_TABLES, create, metas), Instruction(LOOKUP_TABLES, extend, metas)])
    assert made["err"] is None
    lookup = AddressLookupTableAccount(table, [to])
    blockhash = Hash.from_string((await still.rpc("getLatestBlockhash"))["value"]["blockhash"])
    message = MessageV0.try_compile(wallet.pubkey(), [pay(wallet, to)], [lookup], blockhash)

    signature = await still.send(VersionedTransaction(message, [wallet]))
    landed = await still.transaction(signature)

    assert message.address_table_lookups
    assert landed["meta"]["err"] is None
    assert landed["meta"]["loadedAddresses"] == {"writable": [str(to)], "readonly": []}
    assert landed["transaction"]["message"]["addressTableLookups"][0]["accountKey"] == str(table)
    assert await still.lamports(to) == 10**9
    history = await still.rpc("getSignaturesForAddress", str(to), {"commitment": "confirmed"})
    assert [entry["signature"] for entry in history] == [str(signature)]


async def test_an_airdrop_is_a_transaction(still: Chain) -> None:
    to = Keypair().pubkey()
    first = await still.rpc("requestAirdrop", str(to), 10**9)
    second = await still.rpc("requestAirdrop", str(to), 10**9)

    assert first != second
    assert await still.lamports(to) == 2 * 10**9
    assert (await status(still, Signature.from_string(first)))["err"] is None


async def send_raw(chain: Chain, transaction: VersionedTransaction, **options: Any) -> Any:
    """Send with preflight at `processed`, in base64."""
    text = base64.b64encode(bytes(transaction)).decode()
    return await chain.rpc(
        "sendTransaction", text, {"encoding": "base64", "preflightCommitment": "processed", **options}
    )
