"""Swaps on the simulated cluster: through every kind, to the unit, alone and among other instructions."""

import pytest
from solana.rpc.commitment import Processed
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from activities.venues import kinds
from activities.venues.mint import NATIVE_MINT, TOKEN_2022_PROGRAM, Mint
from activities.venues.pool import Mode, Swap, UserAccounts
from tests.localnet.chain import FEE, USDC, Chain, ata, deepest, memo, quoted, unwrap, wrap

KINDS = [kind.name for kind in kinds.KINDS]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sells_sol", [True, False])
async def test_a_swap_pays_what_the_venue_code_quotes(still: Chain, kind: str, sells_sol: bool) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, kind)
    amount = 3_141_592_653 if sells_sol else 271_828_182
    quote = await quoted(still, pool, NATIVE_MINT if sells_sol else USDC, amount)
    wrapped, making = wrap(wallet, "order", amount if sells_sol else 0)
    usdc = ata(wallet, USDC)
    user = UserAccounts(wallet, wrapped, usdc) if sells_sol else UserAccounts(wallet, usdc, wrapped)
    before = await still.tokens(usdc)

    meta = await still.land([*making, pool.instruction(quote, quote.amount_out, user)])

    assert meta["err"] is None
    paid, received = await still.tokens(usdc) - before, await still.tokens(wrapped)
    assert quote.amount_out > 0
    assert (received, paid) == ((0, quote.amount_out) if sells_sol else (quote.amount_out, -amount))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_swap_leaves_the_pool_as_the_venue_code_foresees(still: Chain, kind: str) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, kind)
    quote = await quoted(still, pool, USDC, 50_000_000_000)
    clock = await still.clock()
    foreseen = pool.after(quote, clock)
    wrapped, making = wrap(wallet, "order", 0)
    limit = quote.amount_out

    meta = await still.land([*making, pool.instruction(quote, limit, UserAccounts(wallet, ata(wallet, USDC), wrapped))])

    assert meta["err"] is None
    left = await still.pool(kinds.by_name(kind), pool.address)
    assert left.spot_price() == foreseen.spot_price()
    for a_to_b in (True, False):
        for amount in (1_000_003, 1_000_000_007, 90_000_000_001):
            swap = Swap(a_to_b, Mode.EXACT_IN, amount)
            assert left.quote(swap, clock).amount_out == foreseen.quote(swap, clock).amount_out


@pytest.mark.parametrize("kind", ["cpmm", "damm_v2"])
async def test_an_exact_output_costs_what_was_quoted(still: Chain, kind: str) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, kind)
    quote = await quoted(still, pool, USDC, 5_000_000_001, Mode.EXACT_OUT)
    wrapped, making = wrap(wallet, "order", 0)
    usdc = ata(wallet, USDC)
    before = await still.tokens(usdc)

    await still.land([*making, pool.instruction(quote, quote.amount_in, UserAccounts(wallet, usdc, wrapped))])

    assert await still.tokens(wrapped) == 5_000_000_001
    assert before - await still.tokens(usdc) == quote.amount_in


@pytest.mark.parametrize(("kind", "code"), [("cpmm", 6005), ("damm_v2", 6002), ("amm_v4", 30), ("damm_v1", 6004)])
async def test_a_limit_that_is_not_met_fails_with_the_programs_code(still: Chain, kind: str, code: int) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, kind)
    quote = await quoted(still, pool, USDC, 1_000_000)
    wrapped, making = wrap(wallet, "order", 0)
    user = UserAccounts(wallet, ata(wallet, USDC), wrapped)

    meta = await still.land([*making, pool.instruction(quote, quote.amount_out + 2, user)])

    assert meta["err"] == {"InstructionError": [2, {"Custom": code}]}
    assert meta["logMessages"][-1] == f"Program {pool.kind.program_id} failed: custom program error: {code:#x}"
    assert await still.account(wrapped) is None
    assert await still.pool(kinds.by_name(kind), pool.address) == pool


async def test_sol_is_wrapped_sold_and_unwrapped_in_one_transaction(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, "cpmm")
    amount = 10**9
    quote = await quoted(still, pool, NATIVE_MINT, amount)
    wrapped, making = wrap(wallet, "order", amount)
    swap = pool.instruction(quote, quote.amount_out, UserAccounts(wallet, wrapped, ata(wallet, USDC)))
    budget = [set_compute_unit_limit(120_000), set_compute_unit_price(50_000)]
    lamports = await still.lamports(wallet)

    meta = await still.land([*budget, *making, swap, unwrap(wallet, wrapped), memo("order-1")])

    assert meta["err"] is None
    assert meta["fee"] == 5_000 + 120_000 * 50_000 // 1_000_000
    assert await still.lamports(wallet) == lamports - amount - meta["fee"]
    assert await still.account(wrapped) is None
    assert quote.compute_units < meta["computeUnitsConsumed"] < 120_000


async def test_a_wallet_may_be_short_of_rent_until_its_wrapped_sol_comes_back(still: Chain) -> None:
    wallet = still.wallet("poor")
    pool = await deepest(still, "cpmm")
    lamports = await still.lamports(wallet.pubkey())
    amount = lamports - 2_039_280 - 5_000 - 1_000
    quote = await quoted(still, pool, NATIVE_MINT, amount)
    wrapped, making = wrap(wallet.pubkey(), "order", amount)
    swap = pool.instruction(quote, 1, UserAccounts(wallet.pubkey(), wrapped, ata(wallet.pubkey(), USDC)))

    meta = await still.land([*making, swap, unwrap(wallet.pubkey(), wrapped)], wallet)

    assert meta["err"] is None
    assert meta["postBalances"][0] == 2_039_280 + 1_000


async def test_two_swaps_on_one_pool_follow_each_other(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, "cpmm")
    clock = await still.clock()
    first = await quoted(still, pool, USDC, 40_000_000_000)
    between = pool.after(first, clock)
    second = between.quote(Swap(first.swap.a_to_b, Mode.EXACT_IN, 40_000_000_000), clock)
    third = between.after(second, clock).quote(Swap(not first.swap.a_to_b, Mode.EXACT_IN, second.amount_out), clock)
    wrapped, making = wrap(wallet, "order", 0)
    usdc = ata(wallet, USDC)
    user, back = UserAccounts(wallet, usdc, wrapped), UserAccounts(wallet, wrapped, usdc)
    before = await still.tokens(usdc)

    meta = await still.land(
        [
            *making,
            pool.instruction(first, first.amount_out, user),
            memo("between"),
            between.instruction(second, second.amount_out, user),
            between.instruction(third, third.amount_out, back),
        ]
    )

    assert meta["err"] is None
    assert second.amount_out < first.amount_out
    assert await still.tokens(wrapped) == first.amount_out
    assert await still.tokens(usdc) - before == third.amount_out - 80_000_000_000


async def test_a_swap_sees_what_an_earlier_instruction_did_to_the_vault(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, "cpmm")
    usdc = ata(wallet, USDC)
    vault = next(
        meta.pubkey
        for meta in pool.instruction(
            await quoted(still, pool, USDC, 10**6), 1, UserAccounts(wallet, usdc, usdc)
        ).accounts[6:7]
    )
    gift = 1_000_000_000_000
    metas = [AccountMeta(usdc, False, True), AccountMeta(vault, False, True), AccountMeta(wallet, True, False)]
    give = Instruction(
        Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"),
        bytes([3]) + gift.to_bytes(8, "little"),
        metas,
    )
    quote = await quoted(still, pool, USDC, 1_000_000_000)
    wrapped, making = wrap(wallet, "order", 0)

    meta = await still.land([*making, give, pool.instruction(quote, 1, UserAccounts(wallet, usdc, wrapped))])

    assert meta["err"] is None
    assert 0 < await still.tokens(wrapped) < quote.amount_out


async def test_a_failing_instruction_behind_the_swap_undoes_it(still: Chain) -> None:
    wallet = still.wallet()
    pool = await deepest(still, "damm_v2")
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(wallet.pubkey(), "order", 0)
    usdc = ata(wallet.pubkey(), USDC)
    swap = pool.instruction(quote, 1, UserAccounts(wallet.pubkey(), usdc, wrapped))
    too_much = transfer(TransferParams(from_pubkey=wallet.pubkey(), to_pubkey=usdc, lamports=10**18))
    tokens = await still.tokens(usdc)
    lamports = await still.lamports(wallet.pubkey())

    meta = await still.land([*making, swap, too_much])

    assert meta["err"] == {"InstructionError": [3, {"Custom": 1}]}
    assert await still.tokens(usdc) == tokens
    assert await still.account(wrapped) is None
    assert await still.pool(kinds.by_name("damm_v2"), pool.address) == pool
    assert await still.lamports(wallet.pubkey()) == lamports - 5_000


async def test_a_wallet_without_the_tokens_cannot_sell_them(still: Chain) -> None:
    wallet = still.wallet("poor")
    pool = await deepest(still, "cpmm")
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(wallet.pubkey(), "order", 0)
    user = UserAccounts(wallet.pubkey(), ata(wallet.pubkey(), USDC), wrapped)

    meta = await still.land([*making, pool.instruction(quote, 1, user)], wallet)

    assert meta["err"] == {"InstructionError": [2, {"Custom": 1}]}


async def test_nobody_can_sell_somebody_elses_tokens(still: Chain) -> None:
    thief, owner = still.wallet("poor"), still.wallet().pubkey()
    pool = await deepest(still, "cpmm")
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(thief.pubkey(), "order", 0)
    before = await still.tokens(ata(owner, USDC))

    meta = await still.land(
        [*making, pool.instruction(quote, 1, UserAccounts(thief.pubkey(), ata(owner, USDC), wrapped))], thief
    )

    assert meta["err"] == {"InstructionError": [2, {"Custom": 4}]}
    assert await still.tokens(ata(owner, USDC)) == before


@pytest.mark.parametrize("kind", ["cpmm", "damm_v2", "amm_v4", "damm_v1"])
async def test_a_wrong_account_is_refused(still: Chain, kind: str) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, kind)
    quote = await quoted(still, pool, USDC, 10**6)
    wrapped, making = wrap(wallet, "order", 0)
    good = pool.instruction(quote, 1, UserAccounts(wallet, ata(wallet, USDC), wrapped))
    spared = {pool.address, wallet, wrapped, ata(wallet, USDC)}
    at = next(at for at, meta in enumerate(good.accounts) if meta.is_writable and meta.pubkey not in spared)
    metas = list(good.accounts)
    metas[at] = AccountMeta(Pubkey.new_unique(), metas[at].is_signer, metas[at].is_writable)

    meta = await still.land([*making, Instruction(good.program_id, good.data, metas)])

    assert meta["err"]["InstructionError"][0] == 2


async def test_a_swap_that_needs_more_compute_than_allowed_fails(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, "cpmm")
    quote = await quoted(still, pool, USDC, 10**6)
    wrapped, making = wrap(wallet, "order", 0)
    swap = pool.instruction(quote, 1, UserAccounts(wallet, ata(wallet, USDC), wrapped))

    meta = await still.land([set_compute_unit_limit(quote.compute_units), *making, swap])

    assert meta["err"] == {"InstructionError": [3, "ProgramFailedToComplete"]}
    assert meta["computeUnitsConsumed"] == quote.compute_units
    assert meta["logMessages"][-1].endswith("failed: exceeded CUs meter at BPF instruction")


async def test_an_instruction_behind_the_swap_fails_when_the_swap_used_the_compute_up(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, "cpmm")
    quote = await quoted(still, pool, USDC, 10**6)
    usdc, wrapped, making = ata(wallet, USDC), *wrap(wallet, "order", 0)
    swap = pool.instruction(quote, 1, UserAccounts(wallet, usdc, wrapped))
    before = await still.tokens(usdc)

    meta = await still.land([set_compute_unit_limit(quote.compute_units + 700), *making, swap, memo("x" * 200)])

    assert meta["err"] == {"InstructionError": [4, "ProgramFailedToComplete"]}
    assert await still.tokens(usdc) == before
    assert await still.pool(kinds.by_name("cpmm"), pool.address) == pool


@pytest.mark.parametrize("kind", ["cpmm", "damm_v2"])
@pytest.mark.parametrize("sells_fee_token", [True, False])
async def test_transfer_fees_are_withheld_as_quoted(still: Chain, kind: str, sells_fee_token: bool) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, kind, FEE, NATIVE_MINT)
    amount = 5_000_000_000
    quote = await quoted(still, pool, FEE if sells_fee_token else NATIVE_MINT, amount)
    wrapped, making = wrap(wallet, "order", 0 if sells_fee_token else amount)
    fee_account = ata(wallet, FEE, TOKEN_2022_PROGRAM)
    user = UserAccounts(wallet, fee_account, wrapped) if sells_fee_token else UserAccounts(wallet, wrapped, fee_account)
    before = await still.tokens(fee_account)

    meta = await still.land([*making, pool.instruction(quote, quote.amount_out, user)])

    assert meta["err"] is None
    mint: Mint = pool.mint_in(quote.swap) if sells_fee_token else pool.mint_out(quote.swap)
    assert mint.newer is not None
    assert quote.transfer_fee_in if sells_fee_token else quote.transfer_fee_out
    moved = await still.tokens(fee_account) - before
    assert moved == (-amount if sells_fee_token else quote.amount_out)
    assert await still.tokens(wrapped) == (quote.amount_out if sells_fee_token else 0)


async def test_the_vault_keeps_no_trace_of_the_settlement(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, "cpmm")
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(wallet, "order", 0)
    swap = pool.instruction(quote, 1, UserAccounts(wallet, ata(wallet, USDC), wrapped))
    vault = swap.accounts[7].pubkey
    before = await still.account(vault)
    assert before is not None

    await still.land([*making, swap])

    after = await still.account(vault)
    assert after is not None
    assert (
        int.from_bytes(before.data[64:72], "little") - int.from_bytes(after.data[64:72], "little") == quote.amount_out
    )
    assert after.data[72:] == before.data[72:]
    assert before.lamports - after.lamports == quote.amount_out


async def test_simulation_tells_the_amounts_and_changes_nothing(still: Chain) -> None:
    wallet = still.wallet().pubkey()
    pool = await deepest(still, "damm_v2")
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(wallet, "order", 0)
    swap = pool.instruction(quote, 1, UserAccounts(wallet, ata(wallet, USDC), wrapped))
    transaction = await still.sign([*making, swap])

    answer = await still.client.simulate_transaction(transaction, commitment=Processed, accounts_addresses=[wrapped])

    assert answer.value.err is None
    assert answer.value.accounts is not None
    (account,) = answer.value.accounts
    assert account is not None
    assert int.from_bytes(bytes(account.data)[64:72], "little") == quote.amount_out
    assert await still.account(wrapped) is None
    assert await still.pool(kinds.by_name("damm_v2"), pool.address) == pool
