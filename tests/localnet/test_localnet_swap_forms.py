"""Swaps in the other forms that the programs take, and in transactions of other shapes."""

import base64

import pytest
from solana.rpc.commitment import Confirmed, Processed
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from activities.venues import kinds
from activities.venues.mint import TOKEN_PROGRAM
from activities.venues.pool import UserAccounts
from activities.venues.raydium.amm_v4 import AmmV4Pool
from tests.localnet.chain import USDC, Chain, ata, deepest, quoted, wrap

KINDS = [kind.name for kind in kinds.KINDS]
LOOKUP_TABLES = "AddressLookupTab1e1111111111111111111111111"


def _legacy_amm_v4(pool: AmmV4Pool, user: UserAccounts, amount: int, accounts: int) -> Instruction:
    """The order-book form of an AMM v4 swap; its market accounts do not exist here."""
    authority = Pubkey.from_string("5Q544fKrFoe6tsEbD7S8EmxGTJYAKtTVhAW5Q5pge4j1")
    market = [Pubkey.new_unique() for _ in range(8)]
    middle = [Pubkey.new_unique(), Pubkey.new_unique()] if accounts == 18 else [Pubkey.new_unique()]
    writable = [pool.address, *middle, pool.vault_a, pool.vault_b, user.source, user.destination]
    keys = [TOKEN_PROGRAM, pool.address, authority, *middle, pool.vault_a, pool.vault_b, *market]
    metas = [AccountMeta(key, False, key in writable) for key in (*keys, user.source, user.destination)]
    data = bytes([9]) + amount.to_bytes(8, "little") + (1).to_bytes(8, "little")
    return Instruction(pool.kind.program_id, data, [*metas, AccountMeta(user.owner, True, False)])


@pytest.mark.parametrize("accounts", [17, 18])
async def test_the_order_book_form_of_an_amm_v4_swap_is_accepted(still: Chain, accounts: int) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, "amm_v4")
    assert isinstance(pool, AmmV4Pool)
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(wallet, "order", 0)
    swap = _legacy_amm_v4(pool, UserAccounts(wallet, ata(wallet, USDC), wrapped), 10**9, accounts)

    meta = await still.land([*making, swap])

    assert meta["err"] is None
    assert await still.tokens(wrapped) == quote.amount_out


async def test_the_first_form_of_a_damm_v2_swap_is_accepted(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, "damm_v2")
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(wallet, "order", 0)
    second = pool.instruction(quote, 1, UserAccounts(wallet, ata(wallet, USDC), wrapped))
    data = bytes.fromhex("f8c69e91e17587c8") + (10**9).to_bytes(8, "little") + (1).to_bytes(8, "little")

    meta = await still.land([*making, Instruction(second.program_id, data, second.accounts)])

    assert meta["err"] is None
    assert await still.tokens(wrapped) == quote.amount_out


async def test_amm_v4_itself_refuses_more_than_the_user_has(still: Chain) -> None:
    wallet = still.wallet("poor")
    pool = await deepest(still, "amm_v4")
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(wallet.pubkey(), "order", 0)
    user = UserAccounts(wallet.pubkey(), ata(wallet.pubkey(), USDC), wrapped)

    meta = await still.land([*making, pool.instruction(quote, 1, user)], wallet)

    assert meta["err"] == {"InstructionError": [2, {"Custom": 40}]}


async def test_somebody_else_may_pay_the_fee_of_a_swap(still: Chain) -> None:
    payer, trader = still.wallet("poor"), still.wallet()
    pool = await deepest(still, "cpmm")
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(trader.pubkey(), "order", 0)
    user = UserAccounts(trader.pubkey(), ata(trader.pubkey(), USDC), wrapped)
    before = await still.lamports(payer.pubkey())

    meta = await still.land([*making, pool.instruction(quote, 1, user)], payer, trader)

    assert (meta["err"], meta["fee"]) == (None, 10_000)
    assert await still.lamports(payer.pubkey()) == before - 10_000
    assert await still.tokens(wrapped) == quote.amount_out


async def test_inner_instructions_show_the_transfers_as_the_program_makes_them(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, "cpmm")
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(wallet, "order", 0)
    swap = pool.instruction(quote, 1, UserAccounts(wallet, ata(wallet, USDC), wrapped))

    signature = await still.send(await still.sign([*making, swap]))
    landed = await still.transaction(signature)

    keys = landed["transaction"]["message"]["accountKeys"]
    (inner,) = [group for group in landed["meta"]["innerInstructions"] if group["index"] == 2]
    signers = [keys[call["accounts"][-1]] for call in inner["instructions"]]
    assert signers == [str(wallet), "GpMZbSM2GgvTKHJirzeGfMFoaZ8UR2X7F4v8vHTvxFbL"]
    assert {call["stackHeight"] for call in inner["instructions"]} == {2}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_swap_may_name_its_accounts_through_a_lookup_table(still: Chain, kind: str) -> None:
    wallet = still.wallet()
    pool = await deepest(still, kind)
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(wallet.pubkey(), "order", 0)
    swap = pool.instruction(quote, quote.amount_out, UserAccounts(wallet.pubkey(), ata(wallet.pubkey(), USDC), wrapped))
    listed = [meta.pubkey for meta in swap.accounts if not meta.is_signer and meta.pubkey != swap.program_id]
    # Type 1, never deactivated, extended in slot 0, no authority.
    header = (1).to_bytes(4, "little") + b"\xff" * 8 + bytes(8) + bytes(1) + bytes(35)
    table = Pubkey.new_unique()
    data = header + b"".join(map(bytes, listed))
    dumped = {"lamports": 10**9, "data": [base64.b64encode(data).decode(), "base64"], "owner": LOOKUP_TABLES}
    await still.rpc("localnet_setAccount", str(table), dumped)
    blockhash = (await still.client.get_latest_blockhash(Processed)).value.blockhash
    lookup = AddressLookupTableAccount(table, listed)
    message = MessageV0.try_compile(wallet.pubkey(), [*making, swap], [lookup], blockhash)

    signature = await still.send(VersionedTransaction(message, [wallet]))

    assert (await still.transaction(signature))["meta"]["err"] is None
    assert len(message.account_keys) < 10
    assert await still.tokens(wrapped) == quote.amount_out


async def test_the_client_reads_a_swaps_inner_instructions(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, "damm_v2")
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(wallet, "order", 0)
    swap = pool.instruction(quote, 1, UserAccounts(wallet, ata(wallet, USDC), wrapped))
    transaction = await still.sign([*making, swap])

    simulated = await still.client.simulate_transaction(transaction, commitment=Processed, inner_instructions=True)
    signature = await still.send(transaction)
    await still.rpc("localnet_warpSlots", 1)
    for encoding in ("json", "jsonParsed"):
        landed = (await still.client.get_transaction(signature, encoding, Confirmed, 0)).value
        assert landed is not None
        meta = landed.transaction.meta
        assert meta is not None
        assert meta.inner_instructions is not None
        assert [(group.index, len(group.instructions)) for group in meta.inner_instructions] == [(2, 2)]

    assert simulated.value.inner_instructions is not None
    assert [group.index for group in simulated.value.inner_instructions] == [2]
