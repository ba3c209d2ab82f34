"""What preparing a swap asks, bids, tips and refuses, on a simulated cluster."""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from solders.compute_budget import ID as COMPUTE_BUDGET
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from temporalio.exceptions import ApplicationError

from activities.solana import fees as fees_module
from activities.solana.fees import Fees, Tip
from activities.solana.rpc import Blockhash, Simulation
from activities.solana.transaction import LAMPORTS_PER_SIGNATURE, priority_fee
from activities.venues import kinds
from activities.venues.pool import Accounts
from activities.venues.raydium.cpmm import KIND as CPMM
from tests.activities.desk import FEES, Desk, Worker, open_desk, transaction_of
from tests.localnet.chain import Chain
from tests.samples import SOL, USDC
from workflows.domain.attempt import OutcomeKind
from workflows.domain.error_table import may_retry
from workflows.domain.errors import ErrorCode
from workflows.domain.order import OrderTerms
from workflows.domain.routing import Route
from workflows.messages import PreparedSwap

SELLS_SOL: dict[str, Any] = {"token_in": SOL, "token_out": USDC, "amount_in": 1_500_000_000}
BUYS_SOL: dict[str, Any] = {"token_in": USDC, "token_out": SOL, "amount_in": 150_000_000}
TIP = 10_000


@asynccontextmanager
async def pricing(desk: Desk, fees: Fees) -> AsyncIterator[Worker]:
    """A worker that prices swaps in its own way."""
    worker = desk.new_worker(fees)
    try:
        yield worker
    finally:
        await worker.close()


async def prepared(
    desk: Desk, worker: Worker, attempt: int = 1, kind: str = "cpmm", **changes: Any
) -> tuple[OrderTerms, PreparedSwap]:
    """A signed swap of an order that sells SOL, unless told otherwise."""
    terms = await desk.accept(**SELLS_SOL | changes)
    return terms, await desk.prepare(terms, await desk.route(terms, kind), attempt, worker)


async def tip_account(chain: Chain) -> Pubkey:
    """An account that somebody has funded: nobody can tip one that does not keep its rent."""
    account = Pubkey.new_unique()
    await chain.rpc("requestAirdrop", str(account), 1_000_000)
    await chain.rpc("localnet_warpSlots", 2)
    return account


def budget(prepared: PreparedSwap) -> tuple[int, int]:
    """Compute unit limit and price as the signed bytes ask for them."""
    message = transaction_of(prepared.swap).message
    limit, price = (
        int.from_bytes(bytes(instruction.data)[1:], "little")
        for instruction in message.instructions
        if message.account_keys[instruction.program_id_index] == COMPUTE_BUDGET
    )
    return limit, price


class TestPrice:
    async def test_the_first_attempt_bids_what_recent_slots_took(self, tmp_path: Path) -> None:
        # A node remembers 150 slots: long ones, so that the first swap is among them on the slowest of machines.
        async with open_desk(tmp_path, slot_ms=400) as desk:
            async with pricing(desk, Fees(77_000, 15)) as rich:
                terms, ready = await prepared(desk, rich)
                assert (await desk.outcome(terms, ready.swap)).kind is OutcomeKind.LANDED
            async with pricing(desk, Fees(1_000, 15, percentile=100)) as worker:
                _, ready = await prepared(desk, worker)
        assert ready.compute_unit_price == 77_000
        assert budget(ready) == (ready.compute_unit_limit, 77_000)

    @pytest.mark.parametrize("kind", [kind.name for kind in kinds.KINDS])
    async def test_fees_are_asked_for_what_others_write_too(self, desk: Desk, kind: str) -> None:
        recent_fees, asked = desk.worker.rpc.recent_fees, list[Pubkey]()

        async def remembered(accounts: Sequence[Pubkey]) -> list[int]:
            asked.extend(accounts)
            return await recent_fees(accounts)

        desk.worker.rpc.recent_fees = remembered  # type: ignore[method-assign]
        _, ready = await prepared(desk, desk.worker, kind=kind)
        message = transaction_of(ready.swap).message
        (swap,) = (
            instruction
            for instruction in message.instructions
            if kinds.by_program(message.account_keys[instruction.program_id_index])
        )
        written = {message.account_keys[at] for at in swap.accounts if message.is_maybe_writable(at)}
        assert Pubkey.from_string(ready.swap.pool) in asked
        # The wallet and its two token accounts are nobody else's business.
        assert set(asked) < written
        assert len(written - set(asked)) == 3
        assert len(asked) >= 3

    async def test_each_further_attempt_bids_more(self, desk: Desk) -> None:
        fees = Fees(1_001, 15, percentile=0, bump_percent=50)
        async with pricing(desk, fees) as worker:
            bids = [(await prepared(desk, worker, attempt))[1].compute_unit_price for attempt in (1, 2, 3)]
        assert bids == [1_001, 1_501, 2_251]

    async def test_no_swap_pays_more_than_the_cap(self, desk: Desk) -> None:
        async with pricing(desk, Fees(5_000_000, 15, price_cap=5_000_000, lamports_cap=777)) as worker:
            terms, ready = await prepared(desk, worker)
        assert ready.fee_lamports == LAMPORTS_PER_SIGNATURE + priority_fee(*budget(ready))
        assert LAMPORTS_PER_SIGNATURE + 770 < ready.fee_lamports <= LAMPORTS_PER_SIGNATURE + 777
        fill = (await desk.outcome(terms, ready.swap)).fill
        assert fill is not None
        assert fill.fee_lamports == ready.fee_lamports

    async def test_a_node_that_tells_no_fees_leaves_the_floor(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        fault = {"kind": "rate_limit", "methods": ["getRecentPrioritizationFees"]}
        await desk.chain.rpc("localnet_setFaults", [fault])
        with caplog.at_level(logging.WARNING, fees_module.__name__):
            terms, ready = await prepared(desk, desk.worker)
        assert ready.compute_unit_price == FEES.compute_unit_price
        assert "swaps bid from the floor" in caplog.text
        assert (await desk.outcome(terms, ready.swap)).kind is OutcomeKind.LANDED

    async def test_the_limit_is_what_the_simulation_took_and_the_margin(self, desk: Desk) -> None:
        async with pricing(desk, Fees(1_000, 0)) as exact, pricing(desk, Fees(1_000, 50)) as ample:
            limits = [(await prepared(desk, worker))[1].compute_unit_limit for worker in (exact, ample)]
        assert limits[1] == limits[0] * 150 // 100


class TestTip:
    @pytest.mark.parametrize("order", [SELLS_SOL, BUYS_SOL], ids=["sells SOL", "buys SOL"])
    async def test_a_swap_that_lands_pays_the_tip_in_the_same_transaction(
        self, desk: Desk, order: dict[str, Any]
    ) -> None:
        account = await tip_account(desk.chain)
        async with pricing(desk, Fees(1_000, 15, tip=Tip(account, TIP))) as worker:
            terms, ready = await prepared(desk, worker, **order)
        assert (ready.tip_lamports, ready.tip_account) == (TIP, str(account))
        wallet = Pubkey.from_string(ready.swap.wallet_address)
        before, tipped = await desk.chain.lamports(wallet), await desk.chain.lamports(account)
        outcome = await desk.outcome(terms, ready.swap)
        fill = outcome.fill
        assert fill is not None
        traded = -fill.amount_in if terms.token_in == SOL else fill.amount_out
        assert await desk.chain.lamports(wallet) - before == traded - fill.fee_lamports - TIP
        assert await desk.chain.lamports(account) - tipped == TIP

    async def test_a_swap_that_reverts_tips_nobody(self, desk: Desk) -> None:
        account = await tip_account(desk.chain)
        async with pricing(desk, Fees(1_000, 15, tip=Tip(account, TIP))) as worker:
            terms, ready = await prepared(desk, worker)
        held = await desk.chain.lamports(account)
        await desk.chain.rpc("localnet_setFaults", [{"kind": "revert", "custom_error": 6005}])
        outcome = await desk.outcome(terms, ready.swap)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.REVERTED, ErrorCode.SLIPPAGE_EXCEEDED)
        assert await desk.chain.lamports(account) == held

    async def test_a_tip_that_the_wallet_does_not_have_is_refused_before_signing(self, desk: Desk) -> None:
        account = await tip_account(desk.chain)
        async with pricing(desk, Fees(1_000, 15, tip=Tip(account, 10**18))) as worker:
            reason, detail = await reason_of(prepared(desk, worker))
        assert reason == ErrorCode.INSUFFICIENT_FUNDS
        assert "lamports" in detail

    async def test_a_tip_that_cannot_keep_its_rent_is_told_from_a_poor_wallet(self, desk: Desk) -> None:
        async with pricing(desk, Fees(1_000, 15, tip=Tip(Pubkey.new_unique(), 1))) as worker:
            reason, detail = await reason_of(prepared(desk, worker))
        assert reason == ErrorCode.TRANSACTION_INVALID
        assert "rent-exempt" in detail

    async def test_a_tip_takes_its_room_in_the_transaction(self, desk: Desk) -> None:
        account = await tip_account(desk.chain)
        async with pricing(desk, Fees(1_000, 15, tip=Tip(account, TIP))) as worker:
            _, tipping = await prepared(desk, worker)
        _, plain = await prepared(desk, desk.worker)
        # An address and an instruction of the system program more.
        assert len(bytes(transaction_of(tipping.swap))) > len(bytes(transaction_of(plain.swap))) + 32


async def reason_of(preparing: Any) -> tuple[str | None, str]:
    """Why there is no swap."""
    with pytest.raises(ApplicationError) as refused:
        await preparing
    return refused.value.type, refused.value.message


class TestFunds:
    async def test_a_wallet_that_cannot_pay_the_final_fee_is_told_so(self, desk: Desk) -> None:
        # The simulation carries no price, so it passes; what the price costs is counted on its result.
        fees = Fees(10**10, 15, price_cap=10**10, lamports_cap=10**18)
        async with pricing(desk, fees) as worker:
            reason, detail = await reason_of(prepared(desk, worker, wallet="poor", **BUYS_SOL | {"amount_in": 1_000}))
        assert reason == ErrorCode.INSUFFICIENT_FUNDS
        assert "lamports" in detail


class TestSimulation:
    async def test_a_price_that_moves_before_the_simulation_costs_nothing(self, desk: Desk) -> None:
        terms = await desk.accept(slippage_bps=0, **SELLS_SOL)
        route = await desk.route(terms, "cpmm")
        simulate = desk.worker.rpc.simulate

        async def after_another_trade(transaction: VersionedTransaction) -> Simulation:
            desk.worker.rpc.simulate = simulate  # type: ignore[method-assign]
            await trade(desk, route)
            return await simulate(transaction)

        desk.worker.rpc.simulate = after_another_trade  # type: ignore[method-assign]
        reason, detail = await reason_of(desk.prepare(terms, route))
        assert reason == ErrorCode.SLIPPAGE_EXCEEDED
        assert detail == "simulation: raydium cpmm refused with ExceededSlippage (6005)"
        wallet = str(desk.chain.wallet().pubkey())
        rows = await desk.chain.rpc("getSignaturesForAddress", wallet, {"limit": 50, "commitment": "confirmed"})
        assert not [row for row in rows if terms.order_id in (row["memo"] or "")]

    async def test_a_pool_that_closes_before_signing_is_left_for_another(self, desk: Desk) -> None:
        terms = await desk.accept(**SELLS_SOL)
        route = await desk.route(terms, "cpmm")
        async with closed(desk.chain, route):
            reason, detail = await reason_of(desk.prepare(terms, route))
        assert reason == ErrorCode.POOL_UNAVAILABLE
        assert may_retry(ErrorCode.POOL_UNAVAILABLE)
        assert "NotApproved" in detail

    async def test_a_pool_that_closes_after_signing_is_the_programs_refusal(self, desk: Desk) -> None:
        terms = await desk.accept(**SELLS_SOL)
        route = await desk.route(terms, "cpmm")
        swap = (await desk.prepare(terms, route)).swap
        async with closed(desk.chain, route):
            outcome = await desk.outcome(terms, swap)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.REVERTED, ErrorCode.POOL_PAUSED)
        assert outcome.detail == "raydium cpmm refused with NotApproved (6000)"


class TestRounds:
    """How often a swap waits for the node, whatever its answers cost."""

    async def test_what_can_be_asked_at_once_is_asked_at_once(self, desk: Desk) -> None:
        terms = await desk.accept(**SELLS_SOL)
        route = await desk.route(terms, "cpmm")
        rpc, wallet = desk.worker.rpc, desk.chain.wallet().pubkey()
        first, second = asyncio.Barrier(3), asyncio.Barrier(2)
        accounts, blockhash, simulate, fees = rpc.accounts, rpc.latest_blockhash, rpc.simulate, rpc.recent_fees
        met: set[str] = set()

        async def meet(barrier: asyncio.Barrier, name: str) -> None:
            # Asked one after another they would wait for each other for ever.
            if name not in met:
                met.add(name)
                async with asyncio.timeout(20):
                    await barrier.wait()

        async def asked_accounts(keys: Sequence[Pubkey]) -> tuple[int, Accounts]:
            await meet(first, "wallet" if wallet in keys else "pools")
            return await accounts(keys)

        async def asked_blockhash() -> Blockhash:
            await meet(first, "blockhash")
            return await blockhash()

        async def asked_simulation(transaction: VersionedTransaction) -> Simulation:
            await meet(second, "simulation")
            return await simulate(transaction)

        async def asked_fees(keys: Sequence[Pubkey]) -> list[int]:
            await meet(second, "fees")
            return await fees(keys)

        rpc.accounts, rpc.latest_blockhash = asked_accounts, asked_blockhash  # type: ignore[method-assign,assignment]
        rpc.simulate, rpc.recent_fees = asked_simulation, asked_fees  # type: ignore[method-assign]
        assert (await desk.outcome(terms, (await desk.prepare(terms, route)).swap)).kind is OutcomeKind.LANDED
        assert met == {"wallet", "pools", "blockhash", "simulation", "fees"}


async def trade(desk: Desk, route: Route) -> None:
    """Another order takes the same route first."""
    terms = await desk.accept(**SELLS_SOL | {"amount_in": route.amount_in})
    assert (await desk.outcome(terms, (await desk.prepare(terms, route)).swap)).kind is OutcomeKind.LANDED


# The byte of a CPMM pool that holds its status, and the bit that stops swaps.
_STATUS, _NO_SWAPS = 329, 1 << 2


@asynccontextmanager
async def closed(chain: Chain, route: Route) -> AsyncIterator[None]:
    """The pool of the route takes no swaps."""
    address = Pubkey.from_string(route.legs[0].pool)
    account = await chain.account(address)
    assert account is not None
    assert account.owner == CPMM.program_id

    async def set_status(change: int) -> None:
        now = await chain.account(address)
        assert now is not None
        data = bytearray(now.data)
        data[_STATUS] ^= change
        dump = {
            "lamports": now.lamports,
            "data": [base64.b64encode(data).decode(), "base64"],
            "owner": str(now.owner),
            "executable": False,
        }
        await chain.rpc("localnet_setAccount", str(address), dump)

    await set_status(_NO_SWAPS)
    try:
        yield
    finally:
        await set_status(_NO_SWAPS)


async def test_reading_ahead_leaves_nothing_behind_when_the_node_is_away(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    terms = await desk.accept(**SELLS_SOL)
    methods = ["getMultipleAccounts", "getLatestBlockhash", "getMinimumBalanceForRentExemption"]
    await desk.chain.rpc("localnet_setFaults", [{"kind": "rate_limit", "methods": methods}])
    with caplog.at_level(logging.ERROR):
        desk.worker.builder.expect(terms)
        desk.worker.builder.expect(terms.model_copy(update={"wallet": "nobody"}))
        done, _ = await asyncio.wait(desk.worker.builder._reading)
    assert [task.exception() for task in done] == [None, None]
    assert not caplog.records
