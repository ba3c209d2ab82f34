"""The rules that an order must pass, one table each."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.samples import BEGINNING, SOL, USDC, order_terms
from tests.workflows.scripted import pool_quote
from workflows.domain import risk
from workflows.domain.error_table import may_retry
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.money import TokenAmount
from workflows.domain.risk import REFUSALS, WALLET_REFUSALS, Claim, Halt, Limits, Needs, Reserved
from workflows.domain.routing import Decision, PoolQuote, Route, VenueQuotes

HALT = Halt(by="ops@desk", reason="a drill", at=BEGINNING)


def refusal(check, *arguments) -> EngineError:
    with pytest.raises(EngineError) as refused:
        check(*arguments)
    return refused.value


def pairs(*listed: str) -> Limits:
    return Limits(pairs=frozenset(frozenset(pair.split("/")) for pair in listed))


class TestAdmit:
    @pytest.mark.parametrize(
        "limits",
        [
            Limits(),
            Limits(accounts=frozenset({"local"})),
            pairs("SOL/USDC"),
            pairs("USDC/SOL"),
            pairs("BONK/SOL", f"{SOL.mint}/USDC"),
            pairs(f"{USDC.mint}/{SOL.mint}"),
        ],
    )
    def test_what_no_list_excludes_is_admitted(self, limits):
        risk.admit(limits, None, order_terms())

    @pytest.mark.parametrize(
        ("limits", "code"),
        [
            (Limits(accounts=frozenset({"desk"})), ErrorCode.ACCOUNT_NOT_ALLOWED),
            (pairs("SOL/BONK"), ErrorCode.PAIR_NOT_ALLOWED),
            (pairs("BONK/USDC", "SOL/BONK"), ErrorCode.PAIR_NOT_ALLOWED),
        ],
    )
    def test_what_a_list_does_not_name_is_refused(self, limits, code):
        assert refusal(risk.admit, limits, None, order_terms()).code is code

    def test_nothing_is_admitted_under_a_halt(self):
        error = refusal(risk.admit, Limits(), HALT, order_terms())
        assert error.code is ErrorCode.TRADING_HALTED
        assert error.detail == "ops@desk halted trading at 2026-03-04 05:06:07 UTC: a drill"

    def test_a_halt_needs_no_reason(self):
        assert str(HALT.model_copy(update={"reason": ""})) == "ops@desk halted trading at 2026-03-04 05:06:07 UTC"


def answers(raydium: int | None, meteora: int | None, **changes) -> tuple[VenueQuotes, ...]:
    """Both venues' answers: what their pool pays, None for no pool."""
    return tuple(
        VenueQuotes(venue=venue, quotes=(pool_quote(venue, out),) if out else (), **changes)
        for venue, out in (("raydium", raydium), ("meteora", meteora))
    )


class TestVenues:
    def test_without_a_list_all_are_used(self):
        assert risk.allowed_venues(Limits(), answers(1, 2)) == answers(1, 2)

    def test_an_allowed_venue_is_used_though_another_pays_more(self):
        allowed = risk.allowed_venues(Limits(venues=frozenset({"raydium"})), answers(1, 2))
        assert [venue.venue for venue in allowed] == ["raydium"]

    def test_the_order_is_refused_when_only_another_venue_quotes(self):
        error = refusal(risk.allowed_venues, Limits(venues=frozenset({"raydium"})), answers(None, 2))
        assert error.code is ErrorCode.VENUE_NOT_ALLOWED
        assert error.detail == "only meteora can fill the order; allowed are raydium"

    def test_a_venue_that_could_not_be_read_may_still_quote(self):
        unread = VenueQuotes(venue="raydium", reason=ErrorCode.CHAIN_UNAVAILABLE)
        (allowed,) = risk.allowed_venues(Limits(venues=frozenset({"raydium"})), (unread, answers(None, 2)[1]))
        assert allowed == unread

    def test_a_pair_that_nobody_trades_is_not_a_matter_of_venues(self):
        assert risk.allowed_venues(Limits(venues=frozenset({"raydium"})), answers(None, None))[0].quotes == ()


def quote(venue: str, amount_out: int, amount_in: int = 1_000, impact: str = "0") -> PoolQuote:
    quoted = pool_quote(venue, amount_out, amount_in)
    return quoted.model_copy(update={"price_impact_bps": Decimal(impact)})


def decided(*legs: PoolQuote, others: tuple[PoolQuote, ...] = ()) -> Decision:
    return Decision(route=Route(legs=legs), others=others, refusals=(), gain_bps=None, why="a test")


class TestPrices:
    def test_the_impact_is_that_of_the_legs_by_what_they_sell(self):
        route = decided(quote("raydium", 3_000, 3_000, "10"), quote("raydium", 1_000, 1_000, "50"))
        assert risk.check_prices(Limits(), route).impact_bps == Decimal("20.00")

    @pytest.mark.parametrize(("impact", "passes"), [("199.99", True), ("200", True), ("200.01", False)])
    def test_more_impact_than_allowed_is_refused(self, impact, passes):
        limits, decision = Limits(price_impact_bps=Decimal(200)), decided(quote("raydium", 1_000, impact=impact))
        if passes:
            risk.check_prices(limits, decision)
            return
        error = refusal(risk.check_prices, limits, decision)
        assert error.code is ErrorCode.PRICE_IMPACT_EXCEEDED
        assert error.detail == "the order moves the price by 200.01 bps, and at most 200 are allowed"

    @pytest.mark.parametrize(("chosen", "other", "bps"), [(1_000, 1_000, 0), (1_100, 1_000, 1_000), (950, 1_000, 500)])
    def test_the_deviation_is_from_the_other_venue_whichever_way(self, chosen, other, bps):
        prices = risk.check_prices(Limits(), decided(quote("raydium", chosen), others=(quote("meteora", other),)))
        assert (prices.deviation_bps, prices.skipped) == (Decimal(bps), ())

    @pytest.mark.parametrize(("chosen", "passes"), [(1_100, True), (1_101, False), (900, True), (899, False)])
    def test_a_price_too_far_from_the_other_venue_is_refused(self, chosen, passes):
        decision = decided(quote("raydium", chosen), others=(quote("meteora", 1_000),))
        limits = Limits(price_deviation_bps=Decimal(1_000))
        if passes:
            risk.check_prices(limits, decision)
        else:
            assert refusal(risk.check_prices, limits, decision).code is ErrorCode.PRICE_DEVIATION_EXCEEDED

    def test_a_venue_with_less_liquidity_does_not_pass_for_another_price(self):
        shallow = quote("meteora", 600, impact="4000")
        prices = risk.check_prices(Limits(), decided(quote("raydium", 990, impact="100"), others=(shallow,)))
        assert prices.deviation_bps == 0

    def test_the_best_quote_of_the_other_venue_is_compared(self):
        others = (quote("raydium", 5), quote("meteora", 900), quote("meteora", 1_000))
        assert risk.check_prices(Limits(), decided(quote("raydium", 1_000), others=others)).deviation_bps == 0

    @pytest.mark.parametrize(
        "others", [(), (quote("raydium", 900),), (quote("meteora", 900, impact="5000"),), (quote("meteora", 0),)]
    )
    def test_without_another_price_the_check_is_skipped_and_says_so(self, others):
        limits = Limits(price_deviation_bps=Decimal(1))
        prices = risk.check_prices(limits, decided(quote("raydium", 1_000), others=others))
        assert prices.deviation_bps is None
        assert prices.skipped == ("price deviation: no other venue to compare raydium cpmm with",)

    def test_each_leg_of_both_venues_is_compared_and_the_farthest_counts(self):
        others = (quote("raydium", 1_000), quote("meteora", 1_000))
        prices = risk.check_prices(Limits(), decided(quote("raydium", 1_020), quote("meteora", 950), others=others))
        assert prices.deviation_bps == Decimal(500)

    def test_what_is_sold_is_worth_more_than_a_quote_that_moves_the_price(self):
        assert risk.worth(quote("raydium", 980, impact="200")) == 1_000
        assert risk.worth(quote("raydium", 1, impact="10000")) == 10_000


DOLLARS = TokenAmount(token=USDC, base_units=250_000_000)


class TestNotional:
    @pytest.mark.parametrize("limit", [None, "250", "250.0000001", "1e3"])
    def test_an_order_within_the_limit_passes(self, limit):
        risk.check_order_notional(Limits(order_notional=Decimal(limit) if limit else None), DOLLARS)

    def test_a_larger_one_is_refused(self):
        error = refusal(risk.check_order_notional, Limits(order_notional=Decimal("249.9")), DOLLARS)
        assert error.code is ErrorCode.NOTIONAL_TOO_LARGE
        assert error.detail == "the order is worth 250 USDC, and one order may be worth 249.9 USDC"

    @pytest.mark.parametrize("limit", [None, "300"])
    def test_a_day_within_the_limit_passes(self, limit):
        limits = Limits(daily_notional=Decimal(limit) if limit else None)
        risk.check_daily_notional(limits, "local", DOLLARS, Reserved(0, 0, 0, 50_000_000))

    def test_a_larger_day_is_refused(self):
        reserved = Reserved(0, 0, 0, 50_000_001)
        error = refusal(risk.check_daily_notional, Limits(daily_notional=Decimal(300)), "local", DOLLARS, reserved)
        assert error.code is ErrorCode.DAILY_NOTIONAL_EXCEEDED
        assert error.detail == (
            "the order is worth 250 USDC, account 'local' has traded or promised 50.000001 today (UTC),"
            " and 300 a day are allowed"
        )

    @given(st.decimals(0, 10**15, places=6))
    def test_a_limit_in_base_units_is_exact(self, limit):
        assert Fraction(risk.limit_units(limit, USDC), 10**6) == Fraction(limit)


def claim(lamports: int, spare: int, tokens: int, held: tuple[int, int] = (100, 100)) -> Claim:
    return Claim("order", 1, "local", "wallet", "mint", Needs(lamports, spare, tokens), 7, *held)


class TestFunds:
    @pytest.mark.parametrize(
        ("claimed", "reserved"),
        [
            (claim(100, 0, 100), Reserved(0, 0, 0)),
            (claim(90, 10, 0), Reserved(0, 0, 100)),
            (claim(40, 10, 30), Reserved(50, 10, 70)),
            (claim(0, 0, 0), Reserved(90, 10, 100)),
        ],
    )
    def test_what_is_there_may_all_be_claimed(self, claimed, reserved):
        risk.check_funds(order_terms(), claimed, reserved)

    @pytest.mark.parametrize(
        ("claimed", "reserved"),
        [
            (claim(101, 0, 0), Reserved(0, 0, 0)),
            (claim(91, 10, 0), Reserved(0, 0, 0)),
            (claim(41, 10, 0), Reserved(50, 10, 0)),
            (claim(41, 0, 0), Reserved(50, 10, 0)),
            (claim(0, 0, 101), Reserved(0, 0, 0)),
            (claim(0, 0, 31), Reserved(0, 0, 70)),
        ],
    )
    def test_what_is_promised_cannot_be_claimed_again(self, claimed, reserved):
        assert refusal(risk.check_funds, order_terms(), claimed, reserved).code is ErrorCode.INSUFFICIENT_FUNDS

    def test_the_detail_says_what_lacks_and_what_is_promised(self):
        terms = order_terms(token_in=USDC, token_out=SOL, amount_in=2_500_000)
        sol = claim(5_005_000, 2_039_280, 0, held=(7_000_000, 0))
        assert refusal(risk.check_funds, terms, sol, Reserved(1_000_000, 0, 0)).detail == (
            "wallet 'default' holds 0.007 SOL, of which 0.001 SOL are promised to other orders,"
            " and the order needs 0.005005 SOL with fees and rent, besides 0.00203928 SOL in passing"
        )
        usdc = claim(0, 0, 2_500_000, held=(0, 3_000_000))
        assert refusal(risk.check_funds, terms, usdc, Reserved(0, 0, 1_000_000)).detail == (
            "wallet 'default' holds 3 USDC, of which 1 USDC are promised to other orders, and the order sells 2.5"
        )
        poor = claim(0, 0, 2_500_000, held=(0, 0))
        assert refusal(risk.check_funds, terms, poor, Reserved(0, 0, 0)).detail == (
            "wallet 'default' holds 0 USDC, and the order sells 2.5"
        )


def test_no_refusal_is_tried_again() -> None:
    assert not any(may_retry(code) for code in REFUSALS | WALLET_REFUSALS)
