"""Prices that move between quote and landing, by an outsider's swap, and moves that are asked for."""

from fractions import Fraction
from typing import Any

import pytest
from solders.pubkey import Pubkey

from activities.venues import kinds
from activities.venues.mint import NATIVE_MINT
from activities.venues.pool import Pool, UserAccounts
from tests.localnet.chain import BONK, USDC, Chain, RpcFailure, ata, deepest, quoted, unwrap, wrap
from tests.localnet.payments import payment, send, status

KINDS = [kind.name for kind in kinds.KINDS]


async def swap(chain: Chain, pool: Pool, *, sells_sol: bool, amount: int, slippage_bps: int) -> Any:
    """Sell `amount` into the pool as it is quoted now; gives the transaction's metadata and the quoted output."""
    wallet = chain.wallet().pubkey()
    quote = await quoted(chain, pool, NATIVE_MINT if sells_sol else USDC, amount)
    wrapped, making = wrap(wallet, "order", amount if sells_sol else 0)
    usdc = ata(wallet, USDC)
    user = UserAccounts(wallet, wrapped, usdc) if sells_sol else UserAccounts(wallet, usdc, wrapped)
    least = quote.amount_out * (10_000 - slippage_bps) // 10_000
    before = await chain.tokens(usdc)
    meta = await chain.land([*making, pool.instruction(quote, least, user), unwrap(wallet, wrapped)])
    return meta, await chain.tokens(usdc) - before, quote.amount_out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sells_sol", [True, False])
async def test_a_price_jump_beyond_the_slippage_fails_the_swap(still: Chain, kind: str, sells_sol: bool) -> None:
    pool = await deepest(still, kind)
    await still.rpc("localnet_setFaults", [{"kind": "price_jump", "bps": 100}])

    meta, _, _ = await swap(still, pool, sells_sol=sells_sol, amount=10**9, slippage_bps=50)

    assert meta["err"]["InstructionError"][0] == 2
    assert meta["err"]["InstructionError"][1]["Custom"] in pool.kind.slippage_codes
    moved = await still.pool(pool.kind, pool.address)
    change = moved.spot_price() / pool.spot_price() - 1
    sells_a = (pool.mint_a.address == NATIVE_MINT) is sells_sol
    assert (
        (Fraction(-12, 1000) < change <= Fraction(-1, 100))
        if sells_a
        else (Fraction(1, 100) <= change < Fraction(12, 1000))
    )


@pytest.mark.parametrize("bps", [30, -30])
async def test_a_price_jump_within_the_slippage_costs_or_gives_as_much(still: Chain, bps: int) -> None:
    pool = await deepest(still, "cpmm")
    await still.rpc("localnet_setFaults", [{"kind": "price_jump", "bps": bps, "times": 1}])

    meta, paid, expected = await swap(still, pool, sells_sol=True, amount=10**9, slippage_bps=50)

    assert meta["err"] is None
    ratio = Fraction(paid, expected)
    wanted = 1 - Fraction(bps, 10_000)
    assert abs(ratio - wanted) < Fraction(1, 10_000)


async def test_a_price_jump_strikes_swaps_of_its_pool_only(still: Chain) -> None:
    pool, other = await deepest(still, "cpmm"), await deepest(still, "damm_v2")
    await still.rpc("localnet_setFaults", [{"kind": "price_jump", "bps": 100, "pool": str(pool.address)}])

    await send(still, await payment(still))
    spared, _, _ = await swap(still, other, sells_sol=True, amount=10**9, slippage_bps=0)
    assert (await still.rpc("localnet_faults"))["faults"][0]["calls"] == 0
    hit, _, _ = await swap(still, pool, sells_sol=False, amount=10**9, slippage_bps=0)

    assert spared["err"] is None
    assert hit["err"] is not None
    assert (await still.rpc("localnet_faults"))["faults"][0]["hits"] == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bps", [1, -7, 250, -250])
async def test_an_asked_move_changes_the_price_by_as_much(still: Chain, kind: str, bps: int) -> None:
    pool = await deepest(still, kind)

    signatures = await still.rpc("localnet_movePrice", str(pool.address), bps)

    moved = await still.pool(pool.kind, pool.address)
    change = (moved.spot_price() / pool.spot_price() - 1) * 10_000
    # A pool of bins moves by whole bins of 10 bps.
    most = abs(bps) + (11 if kind == "dlmm" else Fraction(1, 100))
    assert abs(bps) <= abs(change) <= most
    assert (change > 0) is (bps > 0)
    (entry,) = (await still.rpc("getSignatureStatuses", signatures[:1]))["value"]
    assert entry["err"] is None
    # The pool is still one that trades as it is quoted.
    quote = await quoted(still, moved, USDC, 10**8)
    wrapped, making = wrap(still.wallet().pubkey(), "order", 0)
    user = UserAccounts(still.wallet().pubkey(), ata(still.wallet().pubkey(), USDC), wrapped)
    meta = await still.land([*making, moved.instruction(quote, quote.amount_out, user)])
    assert meta["err"] is None
    assert await still.tokens(wrapped) == quote.amount_out


async def test_moves_back_and_forth_end_where_they_began(still: Chain) -> None:
    pool = await deepest(still, "cpmm", BONK, USDC)
    for bps in (5_000, -3_333):
        await still.rpc("localnet_movePrice", str(pool.address), bps)

    moved = await still.pool(pool.kind, pool.address)
    assert abs(moved.spot_price() / pool.spot_price() - 1) < Fraction(2, 10_000)


async def test_a_move_waits_for_its_slot(still: Chain) -> None:
    pool = await deepest(still, "cpmm")
    slot = await still.rpc("getSlot", {"commitment": "processed"})

    assert await still.rpc("localnet_movePrice", str(pool.address), 100, slot + 5) == []
    await still.rpc("localnet_warpSlots", 4)
    assert await still.pool(pool.kind, pool.address) == pool
    await still.rpc("localnet_warpSlots", 1)

    assert (await still.pool(pool.kind, pool.address)).spot_price() >= pool.spot_price() * Fraction(101, 100)


async def test_a_forked_move_is_undone(still: Chain) -> None:
    pool = await deepest(still, "dlmm")
    (signature,) = await still.rpc("localnet_movePrice", str(pool.address), 30)

    assert (await still.rpc("localnet_fork", 1))["signatures"] == [signature]

    assert await still.pool(pool.kind, pool.address) == pool


async def test_the_supply_follows_what_the_outsider_brings(still: Chain) -> None:
    pool = await deepest(still, "cpmm", BONK, USDC)

    for bps in (500, -500):
        await still.rpc("localnet_movePrice", str(pool.address), bps)

    for mint in (BONK, USDC):
        supply = int((await still.rpc("getTokenSupply", str(mint)))["value"]["amount"])
        filters = [{"dataSize": 165}, {"memcmp": {"offset": 0, "bytes": list(bytes(mint))}}]
        program = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
        rows = await still.rpc("getProgramAccounts", program, {"encoding": "jsonParsed", "filters": filters})
        amounts = [int(row["account"]["data"]["parsed"]["info"]["tokenAmount"]["amount"]) for row in rows]
        assert sum(amounts) == supply


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ([str(USDC), 100], "is not a pool"),
        ([str(USDC), 100, 10**9], "is not a pool"),
        ([str(Pubkey.default()), 0], "bps is a whole number from -5000 to 5000, other than 0"),
        ([str(Pubkey.default()), 5_001], "bps is a whole number"),
        ([str(Pubkey.default()), "1"], "bps is a whole number"),
    ],
)
async def test_a_move_that_makes_no_sense_is_refused(still: Chain, params: list[Any], words: str) -> None:
    with pytest.raises(RpcFailure, match=words) as failure:
        await still.rpc("localnet_movePrice", *params)
    assert failure.value.code == -32602


async def test_a_swap_that_already_landed_is_not_jumped_again(still: Chain) -> None:
    pool = await deepest(still, "cpmm")
    wallet = still.wallet().pubkey()
    quote = await quoted(still, pool, USDC, 10**9)
    wrapped, making = wrap(wallet, "order", 0)
    user = UserAccounts(wallet, ata(wallet, USDC), wrapped)
    transaction = await still.sign([*making, pool.instruction(quote, 1, user)])
    await still.rpc("localnet_setFaults", [{"kind": "price_jump", "bps": 100}])

    for _ in range(3):
        await send(still, transaction)

    assert (await status(still, transaction))["err"] is None
    assert (await still.rpc("localnet_faults"))["faults"][0]["hits"] == 1
