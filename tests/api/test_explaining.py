"""An order explained: as data and in sentences, from its log alone and over HTTP."""

from decimal import Decimal

import pytest

from api.explanation import Next, explain
from api.plain_words import summary
from db.rows import AttemptView, OrderView, RiskCheckView
from tests.api.running import Api, RunWorker
from tests.samples import BEGINNING, USDC, order_event, order_terms, swap_attempt
from tests.workflows.scripted import EXPIRED, Script, landed, pays, pool_quote, refuses, reverted, unreadable
from workflows.domain.attempt import SwapOutcome, against_quote_bps
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.domain.order import Fill, OrderEvent
from workflows.domain.routing import VenueQuotes, choose, told

TERMS = order_terms(slippage_bps=50)
VENUES = (
    VenueQuotes(venue="raydium", slot=7, quotes=(pool_quote("raydium", 291_000_000, pool="best"),)),
    VenueQuotes(venue="meteora", slot=7, quotes=(pool_quote("meteora", 290_000_000, pool="other"),)),
)
DECISION = told(choose(VENUES, TERMS.token_in, TERMS.token_out), USDC)
CHECK = RiskCheckView(2, Decimal("3.20"), Decimal("34.48"), None, (), 5_000, 0)


def view(events: list[OrderEvent]) -> OrderView:
    last = events[-1]
    return OrderView(TERMS, last.status, last.seq, last.attempt, last.reason, None, None, last.fill, last.at)


def signed(attempt: int, outcome: SwapOutcome | None) -> AttemptView:
    facts = {"quoted_out": 291_000_000, "least_out": 289_545_000, "signing_slot": 8}
    return AttemptView(swap_attempt(TERMS.order_id, attempt, **facts), outcome, BEGINNING, None)


def test_an_order_that_traded_at_its_second_attempt():
    swaps = [signed(1, EXPIRED), signed(2, landed(290_500_000))]
    events = [
        order_event(1, Status.PENDING),
        order_event(2, Status.ROUTING),
        order_event(3, Status.BUILDING, data=DECISION),
        order_event(4, Status.SUBMITTED, signature=swaps[0].swap.signature),
        order_event(5, Status.ROUTING, attempt=2, reason=EXPIRED.reason, data={"detail": EXPIRED.detail}),
        order_event(6, Status.BUILDING, attempt=2, data=DECISION),
        order_event(7, Status.SUBMITTED, attempt=2, signature=swaps[1].swap.signature),
        order_event(8, Status.CONFIRMED, attempt=2, fill=swaps[1].outcome.fill),
    ]
    explanation = explain(view(events), events, swaps, CHECK)
    assert [(each.attempt, each.swap) for each in explanation.rounds] == [(1, swaps[0]), (2, swaps[1])]
    assert explanation.rounds[0].setback.next is Next.ANOTHER_ATTEMPT
    assert explanation.rounds[1].setback is None
    assert summary(explanation) == [
        "The order, of 2026-03-04 05:06:07 UTC: sell 1.5 SOL for USDC, market.",
        "Attempt 1: 2 pools quoted in slot 7.",
        "Raydium cpmm pays 291 USDC for 1.5 SOL, 34.48 bps more than meteora cpmm; best of 2 pools.",
        f"A swap that receives at least 289.545 USDC was signed: {swaps[0].swap.signature}.",
        f"It provably never landed: the chain has passed block {2**40} without it.",
        "Both venues were asked again.",
        "Attempt 2: 2 pools quoted in slot 7.",
        "Raydium cpmm pays 291 USDC for 1.5 SOL, 34.48 bps more than meteora cpmm; best of 2 pools.",
        f"A swap that receives at least 289.545 USDC was signed: {swaps[1].swap.signature}.",
        "It landed in slot 11, 3 slots after the state it was signed on.",
        "It passed the risk checks: it moves the price by 3.20 bps and is 34.48 bps from the other venue's price,"
        " and the wallet holds what it takes.",
        "It paid 1.5 SOL and received 290.5 USDC, 193.666666666666667 USDC for each SOL.",
        "That is 17.18 bps worse than quoted when it was signed; up to 50 bps worse were allowed.",
        "The network's fee was 0.000005 SOL.",
    ]


def test_an_order_that_waits_again_after_a_pool_had_closed():
    events = [
        order_event(1, Status.PENDING),
        order_event(2, Status.OPEN),
        order_event(62, Status.ROUTING),
        order_event(63, Status.OPEN, reason=ErrorCode.QUOTE_UNAVAILABLE, data={"detail": "raydium: the node is away"}),
    ]
    explanation = explain(view(events), events, [], None)
    assert [(rest.since, rest.until) for rest in explanation.rests] == [
        (events[1].at, events[2].at),
        (events[3].at, None),
    ]
    assert summary(explanation)[1:] == [
        "It waited 1 minute.",
        "It has been waiting since 2026-03-04 05:07:10 UTC.",
        "It did not trade, quote_unavailable: a venue could not be read, and no other one can fill the order"
        " (raydium: the node is away).",
        "The order went back to waiting.",
        "It rests until its price is there.",
    ]


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (Status.REJECTED, ErrorCode.TRADING_HALTED, "A check refused it, trading_halted: an operator has halted"),
        (Status.REJECTED, ErrorCode.INSUFFICIENT_FUNDS, "A check refused it, insufficient_funds: the wallet does not"),
        (Status.CANCELED, None, "It was canceled; nothing traded."),
        (Status.EXPIRED, ErrorCode.TIME_IN_FORCE_ENDED, "It ended as expired and traded nothing."),
    ],
)
def test_every_end_has_its_sentence(status: Status, reason: ErrorCode | None, words: str):
    events = [order_event(1, Status.PENDING), order_event(2, Status.ROUTING), order_event(3, status, reason=reason)]
    sentences = summary(explain(view(events), events, [], None))
    assert any(sentence.startswith(words) for sentence in sentences), sentences
    assert sentences[-1].startswith("What to do: ") == (reason is not None)


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.CONFIRMED])
def test_an_order_says_where_it_stands_whatever_has_happened(status: Status):
    events = [order_event(1, Status.PENDING), order_event(2, status)]
    sentences = summary(explain(view(events), events, [], None))
    assert len(sentences) >= 2
    assert all(sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize(
    ("amount_in", "amount_out", "bps"),
    [(100, 200, "0.00"), (100, 199, "-50.00"), (100, 201, "50.00"), (99, 200, "101.01"), (0, 0, "0.00")],
)
def test_a_fill_against_its_quote(amount_in: int, amount_out: int, bps: str):
    swap = swap_attempt(TERMS.order_id, amount_in=100, quoted_out=200)
    fill = Fill(amount_in=amount_in, amount_out=amount_out, fee_lamports=1, slot=1)
    found = against_quote_bps(swap, fill)
    assert str(found) == bps if amount_in else found is None


class TestOverHttp:
    async def test_the_whole_story(self, api: Api, run_worker: RunWorker):
        script = Script(
            raydium=[pays(291_000_000, "best")],
            meteora=[refuses("pool_disabled"), unreadable()],
            outcomes=[reverted(), landed(290_500_000)],
        )
        async with run_worker(script):
            order_id = (await api.submit())["orderId"]
            ended = await api.http.get(f"/api/orders/{order_id}?wait=terminal")
            assert ended.json()["status"] == "confirmed"
            answer = await api.http.get(f"/api/orders/{order_id}/explain")
        story = answer.json()
        first, second = story["rounds"]
        assert [(each["pool"], each["chosen"], each["leftOut"]) for each in first["considered"]] == [
            ("best", True, None),
            ("pool", False, "pool_disabled"),
        ]
        assert [(each["venue"], each["leftOut"], each["detail"]) for each in second["considered"]] == [
            ("raydium", None, ""),
            ("meteora", "chain_unavailable", "the node is away"),
        ]
        assert (first["considered"][0]["amountOut"], first["considered"][0]["slot"]) == ("291", 7)
        assert (first["swap"]["outcome"], second["swap"]["outcome"]) == ("reverted", "landed")
        (retry,) = story["retries"]
        assert (retry["attempt"], retry["reason"], retry["next"]) == (1, "slippage_exceeded", "another_attempt")
        assert (story["fill"]["amountOut"], story["fill"]["slot"], story["fill"]["explorer"]) == ("290.5", 11, None)
        assert second["swap"]["againstQuoteBps"] == story["fill"]["againstQuoteBps"]
        assert story["summary"][0].endswith("sell 1.5 SOL for USDC, market.")

    async def test_an_order_without_a_log_has_a_beginning(self, api: Api):
        order_id = (await api.submit())["orderId"]
        story = (await api.http.get(f"/api/orders/{order_id}/explain")).json()
        assert (story["status"], story["rounds"], story["fill"]) == ("pending", [], None)
        assert len(story["summary"]) == 2
