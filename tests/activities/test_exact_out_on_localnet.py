"""Exact-out swaps and limits as the chain sees them, on every kind of pool that offers them."""

from decimal import Decimal
from typing import Any

import pytest
from solders.pubkey import Pubkey
from temporalio.exceptions import ApplicationError

from activities.venues import kinds
from tests.activities.desk import Desk
from tests.samples import SOL, USDC
from workflows.domain.attempt import OutcomeKind
from workflows.domain.errors import ErrorCode
from workflows.domain.order import OrderType
from workflows.messages import QuoteRequest

BUYS_USDC: dict[str, Any] = {"token_in": SOL, "token_out": USDC, "amount_in": 2_000_000_000, "amount_out": 150_000_000}
BUYS_SOL: dict[str, Any] = {"token_in": USDC, "token_out": SOL, "amount_in": 400_000_000, "amount_out": 1_000_000_000}

# DAMM v1's program has no such instruction.
OFFERED = [kind.name for kind in kinds.KINDS if kind.name != "damm_v1"]


@pytest.mark.parametrize("kind", OFFERED)
@pytest.mark.parametrize("order", [BUYS_USDC, BUYS_SOL], ids=["for SOL", "for USDC"])
async def test_the_wallet_gets_what_was_asked_for_and_pays_no_more_than_it_said(
    desk: Desk, kind: str, order: dict[str, Any]
) -> None:
    terms = await desk.accept(**order)
    swap = (await desk.prepare(terms, await desk.route(terms, kind))).swap
    wallet = Pubkey.from_string(swap.wallet_address)
    before = await desk.holding(wallet, terms.token_out), await desk.holding(wallet, terms.token_in)
    outcome = await desk.outcome(terms, swap)
    assert outcome.kind is OutcomeKind.LANDED
    fill = outcome.fill
    assert fill is not None
    assert fill.amount_out == terms.amount_out
    assert swap.most_in is not None
    assert swap.amount_in == fill.amount_in <= swap.most_in <= terms.amount_in
    after = await desk.holding(wallet, terms.token_out), await desk.holding(wallet, terms.token_in)
    # Whatever was wrapped and not needed comes back; the network's fee is apart.
    fees = [fill.fee_lamports if token.symbol == "SOL" else 0 for token in (terms.token_out, terms.token_in)]
    assert after[0] - before[0] == fill.amount_out - fees[0]
    assert before[1] - after[1] == fill.amount_in + fees[1]


async def test_a_pool_that_does_not_offer_it_says_so(desk: Desk) -> None:
    request = QuoteRequest(**BUYS_USDC)
    answer = await desk.worker.quoter.venue("meteora", request)
    assert [refusal.reason for refusal in answer.refusals if refusal.kind == "damm_v1"] == ["mode_not_offered"]
    assert answer.quotes
    assert [quote.amount_in for quote in answer.quotes] == sorted(quote.amount_in for quote in answer.quotes)


@pytest.mark.parametrize("kind", OFFERED)
async def test_the_chain_refuses_what_would_cost_more(desk: Desk, kind: str) -> None:
    terms = await desk.accept(**BUYS_USDC, slippage_bps=0)
    route = await desk.route(terms, kind)
    swap = (await desk.prepare(terms, route)).swap
    # Somebody else buys first, so that the same output costs more.
    other = await desk.accept(**BUYS_USDC | {"amount_out": 15_000_000_000, "amount_in": 10**12})
    first = (await desk.prepare(other, await desk.route(other, kind))).swap
    assert (await desk.outcome(other, first)).kind is OutcomeKind.LANDED
    outcome = await desk.outcome(terms, swap)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.REVERTED, ErrorCode.SLIPPAGE_EXCEEDED)


async def test_beyond_the_most_to_pay_nothing_is_signed(desk: Desk) -> None:
    terms = await desk.accept(**BUYS_USDC | {"amount_in": 1_000_000})
    with pytest.raises(ApplicationError) as refused:
        await desk.prepare(terms, await desk.route(terms, "cpmm"))
    assert refused.value.type == ErrorCode.LIMIT_NOT_REACHED


async def test_a_limit_above_the_slippage_guards_the_swap(desk: Desk) -> None:
    terms = await desk.accept(type=OrderType.LIMIT, limit_price=Decimal(1), slippage_bps=9_000)
    route = await desk.route(terms, "cpmm")
    quoted = route.amount_out
    limit = Decimal(quoted) / Decimal(1_500_000) - Decimal("0.0001")
    limited = terms.model_copy(update={"limit_price": limit})
    swap = (await desk.prepare(limited, route)).swap
    assert quoted - 200 < swap.least_out <= quoted
    beyond = terms.model_copy(update={"limit_price": limit + 1})
    with pytest.raises(ApplicationError) as refused:
        await desk.prepare(beyond, route)
    assert refused.value.type == ErrorCode.LIMIT_NOT_REACHED
