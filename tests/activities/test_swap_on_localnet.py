"""Swaps as the chain sees them: built, signed, sent and followed on a simulated cluster."""

import asyncio
from typing import Any

import pytest
from solders.pubkey import Pubkey
from temporalio.exceptions import ApplicationError

from activities.solana.token_accounts import selling_side
from activities.solana.transaction import LAMPORTS_PER_SIGNATURE, priority_fee
from activities.venues import kinds
from activities.venues.mint import NATIVE_MINT, TOKEN_PROGRAM
from tests.activities.desk import FEES, Desk, transaction_of
from tests.samples import SOL, USDC, order_event
from workflows.domain.attempt import OutcomeKind, SwapAttempt
from workflows.domain.errors import ErrorCode
from workflows.domain.ids import memo, parse_memo
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms
from workflows.domain.routing import Route

SELLS_SOL: dict[str, Any] = {"token_in": SOL, "token_out": USDC, "amount_in": 1_500_000_000}
BUYS_SOL: dict[str, Any] = {"token_in": USDC, "token_out": SOL, "amount_in": 150_000_000}

# What the engine asks a node, sending included.
QUESTIONS = [
    *("getMultipleAccounts", "getLatestBlockhash", "simulateTransaction", "getMinimumBalanceForRentExemption"),
    "getRecentPrioritizationFees",
    *("sendTransaction", "getSignatureStatuses", "getEpochInfo", "getTransaction"),
]

each_kind = pytest.mark.parametrize("kind", [kind.name for kind in kinds.KINDS])


async def prepared(desk: Desk, kind: str = "cpmm", **changes: Any) -> tuple[OrderTerms, SwapAttempt]:
    """A signed swap of an order that sells SOL, unless told otherwise."""
    terms = await desk.accept(**SELLS_SOL | changes)
    return terms, (await desk.prepare(terms, await desk.route(terms, kind))).swap


async def trade(desk: Desk, route: Route) -> None:
    """Another order takes the same route first."""
    terms = await desk.accept(**SELLS_SOL | {"amount_in": route.amount_in})
    assert (await desk.outcome(terms, (await desk.prepare(terms, route)).swap)).kind is OutcomeKind.LANDED


async def halves(desk: Desk, terms: OrderTerms) -> Route:
    """A route that divides the order between a pool of each venue."""
    half = terms.model_copy(update={"amount_in": terms.amount_in // 2})
    raydium, meteora = await desk.route(half, "cpmm"), await desk.route(half, "damm_v2")
    return Route(legs=(*raydium.legs, *meteora.legs))


async def reason_of(preparing: Any) -> tuple[str | None, str]:
    """Why there is no swap."""
    with pytest.raises(ApplicationError) as refused:
        await preparing
    assert refused.value.non_retryable
    return refused.value.type, refused.value.message


def wrapped_account(wallet: Pubkey, terms: OrderTerms, attempt: int = 1) -> Pubkey:
    """The temporary account of an attempt that sells SOL."""
    return selling_side(wallet, NATIVE_MINT, TOKEN_PROGRAM, 0, memo(terms.order_id, attempt), 0).account


class TestLanding:
    @each_kind
    @pytest.mark.parametrize("order", [SELLS_SOL, BUYS_SOL], ids=["sells SOL", "buys SOL"])
    async def test_the_wallet_gets_what_was_quoted_and_the_fill_says_so(
        self, desk: Desk, kind: str, order: dict[str, Any]
    ) -> None:
        terms = await desk.accept(**order)
        ready = await desk.prepare(terms, await desk.route(terms, kind))
        swap, wallet = ready.swap, Pubkey.from_string(ready.swap.wallet_address)
        before = [await desk.holding(wallet, token) for token in (terms.token_in, terms.token_out)]
        outcome = await desk.outcome(terms, swap)
        after = [await desk.holding(wallet, token) for token in (terms.token_in, terms.token_out)]
        fill = outcome.fill
        assert outcome.kind is OutcomeKind.LANDED
        assert fill is not None
        assert (fill.amount_in, fill.amount_out) == (terms.amount_in, swap.quoted_out)
        assert 1 <= swap.least_out <= fill.amount_out
        assert ready.compute_unit_price == FEES.compute_unit_price
        assert fill.fee_lamports == LAMPORTS_PER_SIGNATURE + priority_fee(
            ready.compute_unit_limit, FEES.compute_unit_price
        )
        assert fill.fee_lamports == ready.fee_lamports
        paid, received = before[0] - after[0], after[1] - before[1]
        if terms.token_in == SOL:
            paid -= fill.fee_lamports
        else:
            received += fill.fee_lamports
        assert (paid, received) == (fill.amount_in, fill.amount_out)

    async def test_the_chain_alone_tells_which_order_a_swap_belongs_to(self, desk: Desk) -> None:
        terms, swap = await prepared(desk)
        await desk.outcome(terms, swap)
        options = {"limit": 1, "commitment": "confirmed"}
        (row,) = await desk.chain.rpc("getSignaturesForAddress", swap.wallet_address, options)
        assert row["signature"] == swap.signature
        assert parse_memo(row["memo"]) == (terms.order_id, 1)

    async def test_no_wrapped_account_is_left_over(self, desk: Desk) -> None:
        terms, swap = await prepared(desk)
        wrapped = wrapped_account(Pubkey.from_string(swap.wallet_address), terms)
        assert wrapped in transaction_of(swap).message.account_keys
        await desk.outcome(terms, swap)
        assert await desk.chain.account(wrapped) is None

    async def test_orders_of_one_wallet_land_side_by_side(self, desk: Desk) -> None:
        orders = [await prepared(desk, kind) for kind in ("cpmm", "damm_v2", "amm_v4")]
        outcomes = await asyncio.gather(*(desk.outcome(terms, swap) for terms, swap in orders))
        assert [outcome.kind for outcome in outcomes] == [OutcomeKind.LANDED] * 3

    async def test_a_split_order_trades_both_parts(self, desk: Desk) -> None:
        terms = await desk.accept(**SELLS_SOL | {"amount_in": 30_000_000_000})
        route = await halves(desk, terms)
        swap = (await desk.prepare(terms, route)).swap
        outcome = await desk.outcome(terms, swap)
        assert outcome.fill is not None
        assert (outcome.fill.amount_in, outcome.fill.amount_out) == (terms.amount_in, swap.quoted_out)
        assert swap.quoted_out == route.amount_out

    async def test_a_split_order_trades_nothing_when_one_part_is_refused(self, desk: Desk) -> None:
        terms = await desk.accept(slippage_bps=0, **SELLS_SOL | {"amount_in": 30_000_000_000})
        route = await halves(desk, terms)
        swap = (await desk.prepare(terms, route)).swap
        await trade(desk, Route(legs=route.legs[1:]))
        wallet = Pubkey.from_string(swap.wallet_address)
        held = await desk.holding(wallet, USDC)
        outcome = await desk.outcome(terms, swap)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.REVERTED, ErrorCode.SLIPPAGE_EXCEEDED)
        assert "meteora damm_v2" in outcome.detail
        assert await desk.holding(wallet, USDC) == held


class TestNoSwap:
    async def test_a_wallet_without_the_tokens_is_told_so_before_anything_is_signed(self, desk: Desk) -> None:
        terms = await desk.accept(wallet="poor", **BUYS_SOL)
        reason, detail = await reason_of(desk.prepare(terms, await desk.route(terms, "cpmm")))
        assert reason == ErrorCode.INSUFFICIENT_FUNDS
        assert "holds 1 USDC and the order sells 150" in detail

    async def test_a_wallet_without_the_lamports_is_told_so(self, desk: Desk) -> None:
        terms = await desk.accept(wallet="poor", **SELLS_SOL)
        reason, detail = await reason_of(desk.prepare(terms, await desk.route(terms, "cpmm")))
        assert reason == ErrorCode.INSUFFICIENT_FUNDS
        assert "lamports" in detail

    @pytest.mark.parametrize("name", ["nobody", "../wallets/default", ""])
    async def test_a_wallet_that_is_not_there(self, desk: Desk, name: str) -> None:
        terms = await desk.accept(wallet=name, **SELLS_SOL)
        reason, _ = await reason_of(desk.prepare(terms, await desk.route(terms, "cpmm")))
        assert reason == ErrorCode.WALLET_UNKNOWN

    async def test_a_price_that_moved_beyond_the_slippage_since_the_decision(self, desk: Desk) -> None:
        terms = await desk.accept(**SELLS_SOL)
        (leg,) = (await desk.route(terms, "cpmm")).legs
        better = leg.model_copy(update={"amount_out": leg.amount_out * 10_000 // (10_000 - terms.slippage_bps) + 1})
        reason, _ = await reason_of(desk.prepare(terms, Route(legs=(better,))))
        assert reason == ErrorCode.SLIPPAGE_EXCEEDED

    async def test_the_guard_counts_from_the_better_of_decision_and_fresh_quote(self, desk: Desk) -> None:
        terms = await desk.accept(**SELLS_SOL)
        (leg,) = (await desk.route(terms, "cpmm")).legs
        worse = leg.model_copy(update={"amount_out": leg.amount_out // 2})
        swap = (await desk.prepare(terms, Route(legs=(worse,)))).swap
        assert swap.least_out * 10_000 >= leg.amount_out * (10_000 - terms.slippage_bps)

    async def test_a_pool_that_is_no_longer_registered(self, desk: Desk) -> None:
        terms = await desk.accept(**SELLS_SOL)
        (leg,) = (await desk.route(terms, "cpmm")).legs
        gone = leg.model_copy(update={"pool": str(Pubkey.new_unique())})
        reason, _ = await reason_of(desk.prepare(terms, Route(legs=(gone,))))
        assert reason == ErrorCode.POOL_UNAVAILABLE

    async def test_a_node_that_does_not_answer(self, desk: Desk) -> None:
        terms = await desk.accept(**SELLS_SOL)
        route = await desk.route(terms, "cpmm")
        await desk.chain.rpc("localnet_setFaults", [{"kind": "rate_limit", "methods": QUESTIONS}])
        reason, _ = await reason_of(desk.prepare(terms, route))
        assert reason == ErrorCode.CHAIN_UNAVAILABLE

    async def test_a_registry_that_does_not_answer(self, desk: Desk) -> None:
        terms = await desk.accept(**SELLS_SOL)
        route = await desk.route(terms, "cpmm")
        worker = desk.new_worker()
        desk.pools.away = True
        reason, _ = await reason_of(desk.prepare(terms, route, worker=worker))
        await worker.close()
        assert reason == ErrorCode.QUOTE_UNAVAILABLE


class TestNotTrading:
    async def test_a_price_that_moves_after_signing_is_refused_by_the_program(self, desk: Desk) -> None:
        terms = await desk.accept(slippage_bps=0, **SELLS_SOL)
        route = await desk.route(terms, "cpmm")
        swap = (await desk.prepare(terms, route)).swap
        await trade(desk, route)
        wallet = Pubkey.from_string(swap.wallet_address)
        held = await desk.holding(wallet, USDC)
        outcome = await desk.outcome(terms, swap)
        assert (outcome.kind, outcome.reason) == (OutcomeKind.REVERTED, ErrorCode.SLIPPAGE_EXCEEDED)
        assert "raydium cpmm refused with ExceededSlippage" in outcome.detail
        assert outcome.fill is None
        assert await desk.holding(wallet, USDC) == held

    async def test_a_transaction_that_never_lands_expires_with_proof(self, desk: Desk) -> None:
        terms, swap = await prepared(desk)
        wallet = Pubkey.from_string(swap.wallet_address)
        before = await desk.chain.lamports(wallet)
        await desk.chain.rpc("localnet_setFaults", [{"kind": "drop"}])
        waiting = asyncio.create_task(desk.outcome(terms, swap))
        await desk.chain.rpc("localnet_warpSlots", 400)
        outcome = await waiting
        assert (outcome.kind, outcome.reason) == (OutcomeKind.EXPIRED, ErrorCode.BLOCKHASH_EXPIRED)
        assert await desk.chain.lamports(wallet) == before
        # And from now on nobody can make it land.
        await desk.chain.rpc("localnet_setFaults", [])
        await desk.worker.rpc.send(bytes(transaction_of(swap)))
        await desk.chain.rpc("localnet_warpSlots", 5)
        assert await desk.chain.lamports(wallet) == before


class TestFaults:
    async def test_a_lost_transaction_is_sent_again_until_it_lands(self, desk: Desk) -> None:
        terms, swap = await prepared(desk)
        await desk.chain.rpc("localnet_setFaults", [{"kind": "drop", "times": 3}])
        assert (await desk.outcome(terms, swap)).kind is OutcomeKind.LANDED

    async def test_a_send_without_an_answer_may_have_landed_all_the_same(self, desk: Desk) -> None:
        terms, swap = await prepared(desk)
        fault = {"kind": "rate_limit", "methods": ["sendTransaction"], "times": 2}
        await desk.chain.rpc("localnet_setFaults", [fault])
        assert (await desk.outcome(terms, swap)).kind is OutcomeKind.LANDED

    async def test_an_outage_of_the_node_delays_the_outcome(self, desk: Desk) -> None:
        terms, swap = await prepared(desk)
        await desk.chain.rpc("localnet_setFaults", [{"kind": "rate_limit", "methods": QUESTIONS, "times": 3}])
        assert (await desk.outcome(terms, swap)).kind is OutcomeKind.LANDED

    async def test_a_late_landing_is_a_landing(self, desk: Desk) -> None:
        terms, swap = await prepared(desk)
        await desk.chain.rpc("localnet_setFaults", [{"kind": "delay", "slots": 40}])
        assert (await desk.outcome(terms, swap)).kind is OutcomeKind.LANDED


class TestCrashes:
    async def test_what_landed_before_the_crash_is_found_and_not_traded_again(self, desk: Desk) -> None:
        terms, swap = await prepared(desk)
        wallet = Pubkey.from_string(swap.wallet_address)
        await desk.worker.rpc.send(bytes(transaction_of(swap)))
        await desk.chain.rpc("localnet_warpSlots", 3)
        held = await desk.chain.lamports(wallet)
        outcome = await desk.outcome(terms, swap)
        assert outcome.kind is OutcomeKind.LANDED
        assert await desk.chain.lamports(wallet) == held

    @pytest.mark.parametrize("slots", [0, 400], ids=["at once", "long after the blockhash"])
    async def test_the_next_worker_comes_to_the_same_end(self, desk: Desk, slots: int) -> None:
        terms, swap = await prepared(desk)
        wallet = Pubkey.from_string(swap.wallet_address)
        first = await desk.execute(terms, swap)
        held = await desk.chain.lamports(wallet)
        if slots:
            await desk.chain.rpc("localnet_warpSlots", slots)
        worker = desk.new_worker()
        again = await desk.execute(terms, swap, worker=worker)
        await worker.close()
        assert again == first
        assert await desk.chain.lamports(wallet) == held
        (stored,) = desk.store.orders[terms.order_id].swaps
        assert stored.outcome == first.outcome

    @pytest.mark.parametrize("was_sent", [False, True], ids=["never sent", "sent"])
    async def test_a_recorded_swap_is_settled_from_its_record_alone(self, desk: Desk, was_sent: bool) -> None:
        terms, swap = await prepared(desk)
        await desk.store.record_attempt(swap, order_event(4, Status.SUBMITTED, signature=swap.signature))
        if was_sent:
            await desk.worker.rpc.send(bytes(transaction_of(swap)))
            await desk.chain.rpc("localnet_warpSlots", 3)
        await desk.restart()
        settled = await desk.settle(terms, swap)
        assert settled.swap == swap
        assert settled.outcome.fill is not None
        assert settled.outcome.fill.amount_out == swap.quoted_out
        # A recorded outcome needs no node.
        await desk.chain.rpc("localnet_setFaults", [{"kind": "rate_limit", "methods": QUESTIONS}])
        assert await desk.settle(terms, swap) == settled

    async def test_two_workers_with_the_same_bytes_trade_once(self, desk: Desk) -> None:
        terms, swap = await prepared(desk)
        wallet = Pubkey.from_string(swap.wallet_address)
        before, other = await desk.chain.lamports(wallet), desk.new_worker()
        both = await asyncio.gather(desk.execute(terms, swap), desk.execute(terms, swap, worker=other))
        await other.close()
        assert both[0] == both[1]
        assert both[0].outcome is not None
        fill = both[0].outcome.fill
        assert fill is not None
        assert before - await desk.chain.lamports(wallet) == fill.amount_in + fill.fee_lamports

    async def test_nothing_is_sent_when_another_event_stands(self, desk: Desk) -> None:
        terms, swap = await prepared(desk)
        wallet = Pubkey.from_string(swap.wallet_address)
        stands = order_event(4, Status.ROUTING, attempt=2, reason=ErrorCode.SLIPPAGE_EXCEEDED)
        await desk.store.append_event(terms.order_id, stands)
        before = await desk.chain.lamports(wallet)
        executed = await desk.execute(terms, swap)
        assert (executed.event, executed.outcome) == (stands, None)
        await desk.chain.rpc("localnet_warpSlots", 5)
        assert await desk.chain.lamports(wallet) == before
        assert desk.store.orders[terms.order_id].swaps == []

    async def test_each_attempt_has_a_wrapped_account_of_its_own(self, desk: Desk) -> None:
        terms = await desk.accept(**SELLS_SOL)
        route = await desk.route(terms, "cpmm")
        swaps = [(await desk.prepare(terms, route, attempt)).swap for attempt in (1, 2)]
        wallet = Pubkey.from_string(swaps[0].wallet_address)
        accounts = [wrapped_account(wallet, terms, attempt) for attempt in (1, 2)]
        assert len(set(accounts)) == 2
        for swap, account in zip(swaps, accounts, strict=True):
            assert account in transaction_of(swap).message.account_keys
