"""Which route is taken, why, and why none is."""

from decimal import Decimal
from fractions import Fraction
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.samples import SOL, USDC
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.money import MAX_BASE_UNITS
from workflows.domain.routing import (
    Decision,
    PoolQuote,
    PoolRefusal,
    Route,
    VenueQuotes,
    choose,
    prefer_split,
    recorded,
    told,
)

AMOUNT_IN = 1_500_000_000


def quote(amount_out: int, venue: str = "raydium", pool: str = "pool", **changes: object) -> PoolQuote:
    facts: dict[str, object] = {
        "venue": venue,
        "kind": "cpmm",
        "pool": pool,
        "amount_in": AMOUNT_IN,
        "amount_out": amount_out,
        "fee": 3,
        "fee_mint": SOL.mint,
        "price_impact_bps": Decimal("1.25"),
        "compute_units": 30_000,
        "slot": 7,
    }
    return PoolQuote.model_validate(facts | changes)


def refused(venue: str, reason: str = "ZeroOutput") -> PoolRefusal:
    return PoolRefusal(venue=venue, kind="clmm", pool=f"{venue} pool", reason=reason)


def decide(*venues: VenueQuotes) -> Decision:
    return choose(venues, SOL, USDC)


def raydium(*amounts: int) -> VenueQuotes:
    return VenueQuotes(venue="raydium", slot=7, quotes=tuple(quote(out, pool=f"r{i}") for i, out in enumerate(amounts)))


def meteora(*amounts: int) -> VenueQuotes:
    quotes = tuple(quote(out, "meteora", f"m{i}", kind="dlmm") for i, out in enumerate(amounts))
    return VenueQuotes(venue="meteora", slot=7, quotes=quotes)


QUOTES = st.builds(
    quote,
    st.integers(1, MAX_BASE_UNITS) | st.integers(1, 3),
    st.sampled_from(("raydium", "meteora")),
    st.text("abc", min_size=1, max_size=2),
    compute_units=st.integers(1, 3),
)


class TestChoice:
    @given(st.lists(QUOTES, min_size=1, max_size=6))
    def test_the_best_output_wins_then_the_cheaper_run_then_the_smaller_address(self, quotes: list[PoolQuote]) -> None:
        decision = decide(*(VenueQuotes(venue=each.venue, slot=7, quotes=(each,)) for each in quotes))
        ranked = sorted(quotes, key=lambda each: (-each.amount_out, each.compute_units, each.pool))
        key = [(each.amount_out, each.compute_units, each.pool) for each in (*decision.route.legs, *decision.others)]
        assert key == [(each.amount_out, each.compute_units, each.pool) for each in ranked]

    @given(st.lists(QUOTES, min_size=2, max_size=4, unique_by=lambda each: each.pool))
    def test_the_order_of_the_answers_does_not_matter(self, quotes: list[PoolQuote]) -> None:
        decisions = [
            decide(*(VenueQuotes(venue=each.venue, slot=7, quotes=(each,)) for each in shuffled))
            for shuffled in permutations(quotes)
        ]
        assert len({decision.model_dump_json() for decision in decisions}) == 1

    @given(st.integers(1, MAX_BASE_UNITS), st.integers(1, MAX_BASE_UNITS))
    def test_the_gain_is_the_exact_ratio_to_a_hundredth_of_a_basis_point(self, first: int, second: int) -> None:
        better, worse = max(first, second), min(first, second)
        gain = decide(raydium(first), meteora(second)).gain_bps
        assert gain is not None
        assert abs(Fraction(gain) - Fraction((better - worse) * 10_000, worse)) <= Fraction(1, 200)

    def test_one_pool_alone_gains_nothing_over_others(self) -> None:
        decision = decide(raydium(290_000_000), VenueQuotes(venue="meteora", slot=7))
        assert (decision.gain_bps, decision.others) == (None, ())
        assert decision.why == "raydium cpmm pays 290 USDC for 1.5 SOL; the only pool that quotes."

    def test_the_reason_names_both_and_the_gain(self) -> None:
        decision = decide(raydium(290_000_000, 289_000_000), meteora(291_450_000))
        assert decision.route.venue == "meteora"
        assert decision.why == (
            "meteora dlmm pays 291.45 USDC for 1.5 SOL, 50.00 bps more than raydium cpmm; best of 3 pools."
        )

    def test_the_reason_says_which_venue_was_not_asked(self) -> None:
        away = VenueQuotes(venue="meteora", reason=ErrorCode.QUOTE_TIMEOUT, detail="no answer in time")
        assert decide(raydium(290_000_000), away).why == (
            "raydium cpmm pays 290 USDC for 1.5 SOL; the only pool that quotes."
            " meteora was not quoted: no answer in time."
        )

    def test_pools_that_refused_are_part_of_the_decision(self) -> None:
        venue = meteora().model_copy(update={"refusals": (refused("meteora"),)})
        assert decide(raydium(1), venue).refusals == (refused("meteora"),)


# What a venue without a quote may say, from "nothing" to "nobody knows".
EMPTY, REFUSING, AWAY, BROKEN = "empty", "refusing", "away", "broken"


def without_quotes(venue: str, state: str) -> VenueQuotes:
    if state == REFUSING:
        return VenueQuotes(venue=venue, slot=7, refusals=(refused(venue),))
    if state == AWAY:
        return VenueQuotes(venue=venue, reason=ErrorCode.CHAIN_UNAVAILABLE, detail="away")
    if state == BROKEN:
        return VenueQuotes(venue=venue, reason=ErrorCode.INTERNAL_ERROR, detail="broken")
    return VenueQuotes(venue=venue, slot=7)


class TestNoRoute:
    @pytest.mark.parametrize(("first", "second"), list(product((EMPTY, REFUSING, AWAY, BROKEN), repeat=2)))
    def test_what_could_not_be_read_counts_before_refusals_and_those_before_nothing(
        self, first: str, second: str
    ) -> None:
        states = {first, second}
        with pytest.raises(EngineError) as none:
            decide(without_quotes("raydium", first), without_quotes("meteora", second))
        if states & {AWAY, BROKEN}:
            assert none.value.code is ErrorCode.QUOTE_UNAVAILABLE
            unread = [venue for venue, state in (("raydium", first), ("meteora", second)) if state in {AWAY, BROKEN}]
            assert all(f"{venue}: " in none.value.detail for venue in unread)
        elif REFUSING in states:
            assert none.value.code is ErrorCode.LIQUIDITY_INSUFFICIENT
            assert "ZeroOutput" in none.value.detail
        else:
            assert none.value.code is ErrorCode.PAIR_UNSUPPORTED

    @pytest.mark.parametrize("state", [EMPTY, REFUSING, AWAY, BROKEN])
    def test_one_quote_is_enough(self, state: str) -> None:
        assert decide(without_quotes("raydium", state), meteora(1)).route.venue == "meteora"

    def test_no_venues_at_all(self) -> None:
        with pytest.raises(EngineError) as none:
            decide()
        assert none.value.code is ErrorCode.PAIR_UNSUPPORTED


class TestSplit:
    LEGS = (
        quote(150_000_000, amount_in=750_000_000, kind="clmm", pool="a"),
        quote(141_000_000, "meteora", amount_in=750_000_000, kind="dlmm", pool="b"),
    )

    def prefer(self, extra_cost: int, least_gain_bps: str) -> Decision:
        single = decide(raydium(290_000_000), meteora(280_000_000))
        return prefer_split(single, self.LEGS, extra_cost, Decimal(least_gain_bps), (SOL, USDC))

    def test_a_split_that_gains_enough_is_taken_with_the_single_pools_as_what_it_beat(self) -> None:
        decision = self.prefer(extra_cost=0, least_gain_bps="34")
        assert decision.route.legs == self.LEGS
        assert (decision.route.amount_in, decision.route.amount_out) == (AMOUNT_IN, 291_000_000)
        assert [other.amount_out for other in decision.others] == [290_000_000, 280_000_000]
        assert decision.gain_bps == Decimal("34.48")
        assert decision.why.startswith(
            "0.75 SOL on raydium clmm and 0.75 SOL on meteora dlmm together pay 291 USDC, 34.48 bps more than"
            " raydium cpmm alone; "
        )

    @pytest.mark.parametrize(
        ("extra_cost", "least_gain_bps", "legs"),
        [(0, "34.48", 2), (0, "34.49", 1), (1_000_000, "0.01", 1), (2_000_000, "0", 1), (999_000, "0", 2)],
    )
    def test_the_gain_counts_after_the_cost_of_the_further_leg(
        self, extra_cost: int, least_gain_bps: str, legs: int
    ) -> None:
        assert len(self.prefer(extra_cost, least_gain_bps).route.legs) == legs

    def test_a_route_is_named_by_its_legs(self) -> None:
        route = Route(legs=self.LEGS)
        assert (route.venue, route.kind, route.pool) == ("raydium+meteora", "clmm+dlmm", "a+b")
        same_venue = Route(legs=(self.LEGS[0], self.LEGS[0]))
        assert (same_venue.venue, same_venue.kind) == ("raydium", "clmm+clmm")

    def test_a_route_has_at_least_one_leg(self) -> None:
        with pytest.raises(ValueError, match="legs"):
            Route(legs=())


class TestRecord:
    @given(st.lists(QUOTES, min_size=1, max_size=4))
    def test_a_decision_is_read_back_from_its_event_as_it_was(self, quotes: list[PoolQuote]) -> None:
        decision = decide(*(VenueQuotes(venue=each.venue, slot=7, quotes=(each,)) for each in quotes))
        assert recorded(told(decision, USDC)) == decision

    def test_the_event_shows_clients_the_main_facts_in_their_form(self) -> None:
        data = told(decide(raydium(290_000_000)), USDC)
        assert {key: data[key] for key in ("kind", "pool", "quotedOut")} == {
            "kind": "cpmm",
            "pool": "r0",
            "quotedOut": "290",
        }
        (leg,) = data["decision"]["route"]["legs"]
        assert leg["amountOut"] == "290000000"
        assert leg["priceImpactBps"] == "1.25"
