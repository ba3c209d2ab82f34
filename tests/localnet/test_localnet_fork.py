"""Forks: slots that are not final vanish with everything in them."""

from pathlib import Path
from typing import Any

import pytest
from solders.compute_budget import set_compute_unit_price
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from activities.venues.mint import NATIVE_MINT
from activities.venues.pool import UserAccounts
from activities.venues.raydium import cpmm
from tests.localnet.chain import USDC, Chain, RpcFailure, ata, deepest, memo, quoted, running, wrap
from tests.localnet.payments import AMOUNT, payee, payment, send, signature_of, status

CONFIRMED = {"commitment": "confirmed", "maxSupportedTransactionVersion": 0}


async def known(chain: Chain, address: Pubkey) -> list[str]:
    """The signatures that getSignaturesForAddress finds."""
    return [row["signature"] for row in await chain.rpc("getSignaturesForAddress", str(address), CONFIRMED)]


async def test_a_confirmed_transaction_vanishes_with_everything_it_did(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    before = await still.lamports(wallet)
    transaction = await payment(still)
    to = payee(transaction)
    await send(still, transaction)
    await still.rpc("localnet_warpSlots", 3)
    assert (await status(still, transaction))["confirmationStatus"] == "confirmed"
    assert await known(still, to) == [signature_of(transaction)]
    slot, height = await still.rpc("getSlot"), await still.rpc("getBlockHeight")
    count = await still.rpc("getTransactionCount", {"commitment": "processed"})

    vanished = await still.rpc("localnet_fork", 4)

    assert vanished["signatures"] == [signature_of(transaction)]
    assert await status(still, transaction) is None
    assert await status(still, transaction, search=True) is None
    assert await still.rpc("getTransaction", signature_of(transaction), CONFIRMED) is None
    assert await known(still, to) == []
    assert signature_of(transaction) not in await known(still, wallet)
    assert await still.lamports(to) == 0
    assert await still.account(to) is None
    assert await still.lamports(wallet) == before
    assert await still.rpc("getSlot") == slot
    assert await still.rpc("getBlockHeight") == height
    assert await still.rpc("getTransactionCount", {"commitment": "processed"}) == count - 1


async def test_the_same_bytes_land_once_more_after_a_fork(still: Chain) -> None:
    transaction = await payment(still)
    await send(still, transaction)
    await still.rpc("localnet_fork", 1)
    await still.rpc("localnet_warpSlots", 2)
    slot = await still.rpc("getSlot", {"commitment": "processed"})

    await send(still, transaction)
    await send(still, transaction)

    assert (await status(still, transaction))["slot"] == slot
    assert await still.lamports(payee(transaction)) == AMOUNT


async def test_a_forked_transaction_is_dead_with_its_blockhash(still: Chain) -> None:
    transaction = await payment(still)
    await still.rpc("localnet_warpSlots", 149)
    await send(still, transaction)
    await still.rpc("localnet_fork", 1)
    await still.rpc("localnet_warpSlots", 2)

    await send(still, transaction)

    assert await status(still, transaction, search=True) is None


@pytest.mark.parametrize(("again", "lands"), [(3, True), (30, True), (151, False)])
async def test_a_forked_transaction_may_come_again_by_itself(still: Chain, again: int, lands: bool) -> None:
    transaction = await payment(still)
    await send(still, transaction)
    slot = await still.rpc("getSlot", {"commitment": "processed"})
    await still.rpc("localnet_fork", 1, again)
    assert await status(still, transaction) is None
    await still.rpc("localnet_warpSlots", again - 1)
    assert await status(still, transaction) is None

    await still.rpc("localnet_warpSlots", 1)

    found = await status(still, transaction)
    assert (found is not None and found["slot"] == slot + again) is lands
    assert await still.lamports(payee(transaction)) == (AMOUNT if lands else 0)


async def test_only_the_newest_slots_are_undone(still: Chain) -> None:
    first, second, third = [await payment(still) for _ in range(3)]
    for transaction in (first, second, third):
        await still.rpc("localnet_warpSlots", 2)
        await send(still, transaction)

    vanished = await still.rpc("localnet_fork", 3)

    assert vanished["signatures"] == [signature_of(second), signature_of(third)]
    assert await status(still, first) is not None
    assert [await still.lamports(payee(each)) for each in (first, second, third)] == [AMOUNT, 0, 0]


async def test_what_was_built_on_it_vanishes_too(still: Chain) -> None:
    heir = Keypair()
    first = await payment(still, heir.pubkey(), 2 * AMOUNT)
    await send(still, first)
    await still.rpc("localnet_warpSlots", 1)
    passed_on = await still.sign([memo("built on it")], heir)
    await send(still, passed_on)
    assert await status(still, passed_on) is not None

    await still.rpc("localnet_fork", 2)

    assert await status(still, passed_on) is None
    assert await still.account(heir.pubkey()) is None
    # Alone it can no longer pay its fee.
    await send(still, passed_on)
    assert await status(still, passed_on) is None


async def test_a_forked_swap_leaves_pool_and_wallet_as_they_were(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, "cpmm")
    accounts = await still.pool_accounts(cpmm.KIND, pool.address)
    usdc = await still.account(ata(wallet, USDC))
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(wallet, "order", 0)
    swap = pool.instruction(quote, 1, UserAccounts(wallet, ata(wallet, USDC), wrapped))
    transaction = await still.sign([*making, swap])
    await send(still, transaction)
    assert await still.pool_accounts(cpmm.KIND, pool.address) != accounts

    await still.rpc("localnet_fork", 1)

    assert await still.pool_accounts(cpmm.KIND, pool.address) == accounts
    assert await still.account(ata(wallet, USDC)) == usdc
    assert await still.account(wrapped) is None
    # The same swap gives the same again.
    await send(still, transaction)
    assert await still.tokens(wrapped) == quote.amount_out


async def test_a_fork_fault_strikes_so_many_slots_after_landing(still: Chain) -> None:
    await still.rpc("localnet_setFaults", [{"kind": "fork", "slots": 4, "again": 2, "times": 1}])
    doomed, later = await payment(still), await payment(still)
    await send(still, doomed)
    slot = await still.rpc("getSlot", {"commitment": "processed"})
    await still.rpc("localnet_warpSlots", 3)
    await send(still, later)
    assert (await status(still, doomed))["confirmationStatus"] == "confirmed"

    await still.rpc("localnet_warpSlots", 1)
    assert [await status(still, each) for each in (doomed, later)] == [None, None]
    await still.rpc("localnet_warpSlots", 50)

    assert [(await status(still, each))["slot"] for each in (doomed, later)] == [slot + 6, slot + 6]


async def test_a_fork_fault_strikes_however_late_somebody_looks(still: Chain) -> None:
    await still.rpc("localnet_setFaults", [{"kind": "fork", "slots": 31}])
    transaction = await payment(still)
    await send(still, transaction)
    await still.rpc("localnet_warpSlots", 5_000)

    assert await status(still, transaction, search=True) is None
    assert await still.lamports(payee(transaction)) == 0


async def test_what_is_final_stays(still: Chain) -> None:
    transaction = await payment(still)
    await send(still, transaction)
    await still.rpc("localnet_warpSlots", 32)
    assert (await status(still, transaction))["confirmationStatus"] == "finalized"

    for slots in (0, 33, 10**30):
        with pytest.raises(RpcFailure, match=r"a fork can undo 1 to 32 slots|expected u64"):
            await still.rpc("localnet_fork", slots)
    await still.rpc("localnet_fork", 32)

    assert await status(still, transaction) is not None


async def test_a_fork_fault_that_would_come_too_late_is_refused(still: Chain) -> None:
    with pytest.raises(RpcFailure, match="a fork must come before the 32 slots after which a transaction is final"):
        await still.rpc("localnet_setFaults", [{"kind": "fork", "slots": 32}])


async def test_accounts_overwritten_from_outside_are_undone_with_their_slot(still: Chain) -> None:
    to = Keypair().pubkey()
    account: Any = {"lamports": 7, "data": ["", "base64"], "owner": "11111111111111111111111111111111"}
    await still.rpc("localnet_setAccount", str(to), account)
    await still.rpc("localnet_warpSlots", 1)
    await still.rpc("localnet_setAccount", str(to), {**account, "lamports": 8})

    await still.rpc("localnet_fork", 1)
    assert await still.lamports(to) == 7
    await still.rpc("localnet_fork", 2)
    assert await still.account(to) is None


async def test_a_forked_ledger_restarts_as_it_was(tmp_path: Path) -> None:
    async with running(tmp_path, slot_ms=60_000) as chain:
        wallet = chain.wallet().pubkey()
        kept, gone = await payment(chain), await payment(chain)
        await send(chain, kept)
        await chain.rpc("localnet_warpSlots", 1)
        await send(chain, gone)
        await chain.rpc("localnet_fork", 1)
        lamports = await chain.lamports(wallet)
        # Takes the place of the one that vanished.
        other = await payment(chain)
        await send(chain, other)
        await chain.rpc("localnet_warpSlots", 2)

    async with running(tmp_path, slot_ms=60_000) as chain:
        assert await chain.lamports(wallet) == lamports - AMOUNT - 5_000
        assert await chain.account(payee(gone)) is None
        assert await status(chain, gone, search=True) is None
        assert await known(chain, payee(gone)) == []
        assert await known(chain, payee(other)) == [signature_of(other)]
        assert await known(chain, wallet) == [signature_of(other), signature_of(kept)]
        # What landed before the start stays.
        assert (await chain.rpc("localnet_fork", 32))["signatures"] == []
        await send(chain, gone)
        assert (await status(chain, gone))["err"] is None


async def test_a_fee_of_a_forked_slot_is_forgotten(still: Chain) -> None:
    signature = await still.send(await still.sign([set_compute_unit_price(777), memo("dear")]))
    assert await still.error_of(signature) is None
    assert max(row["prioritizationFee"] for row in await still.rpc("getRecentPrioritizationFees", [])) == 777

    await still.rpc("localnet_fork", 1)

    assert max(row["prioritizationFee"] for row in await still.rpc("getRecentPrioritizationFees", [])) == 0


async def test_the_wrapped_sol_of_a_pool_is_restored_with_its_lamports(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, "damm_v2")
    quote = await quoted(still, pool, NATIVE_MINT, AMOUNT)
    wrapped, making = wrap(wallet, "order", AMOUNT)
    lamports = await still.lamports(wallet)
    swap = pool.instruction(quote, 1, UserAccounts(wallet, wrapped, ata(wallet, USDC)))
    await send(still, await still.sign([*making, swap]))
    assert await still.lamports(wallet) < lamports - AMOUNT

    await still.rpc("localnet_fork", 1)

    assert await still.lamports(wallet) == lamports
    assert await still.pool(pool.kind, pool.address) == pool


async def test_a_second_fork_knows_nothing_of_what_the_first_undid(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    before = await still.lamports(wallet)
    await send(still, await payment(still))
    await still.rpc("localnet_warpSlots", 1)
    await send(still, await payment(still))
    await still.rpc("localnet_fork", 2)
    await send(still, await payment(still))

    await still.rpc("localnet_fork", 1)

    assert await still.lamports(wallet) == before
