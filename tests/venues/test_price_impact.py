"""Price impact: the pool's movement alone, free of every fee."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.venues.impact import price_impact
from activities.venues.pool import Mode, Swap
from activities.venues.raydium.cpmm_curve import Rates
from tests.venues.test_cpmm import CLOCK, make_pool
from tests.venues.test_damm_v2 import ONE, compounding
from tests.venues.test_damm_v2 import make_pool as make_range


@pytest.mark.parametrize("a_to_b", [True, False])
@pytest.mark.parametrize("mode", [Mode.EXACT_IN, Mode.EXACT_OUT])
def test_fees_of_any_kind_are_no_impact(a_to_b: bool, mode: Mode) -> None:
    pools = [
        make_pool(10**18, 10**18, Rates(trade, 0, 0, creator), fees_a=tax, fees_b=tax, creator_fee_on=side)
        for trade, creator, tax, side in [(1, 0, None, 0), (100_000, 50_000, 500, 0), (10_000, 50_000, 500, 2)]
    ]
    impacts = [price_impact(pool, pool.quote(Swap(a_to_b, mode, 10**12), CLOCK)) for pool in pools]
    # One part in a million of the reserve moves the price by as much, less what the fees keep from the curve.
    assert all(Fraction(8, 10**7) < impact < Fraction(13, 10**7) for impact in impacts)


def test_a_tenth_of_the_reserve_costs_an_eleventh() -> None:
    pool = compounding(10**15, 10**15, liquidity=ONE * 10**15)
    free = pool.quote(Swap(True, Mode.EXACT_IN, 10**14), CLOCK)
    assert abs(price_impact(pool, free) - Fraction(1, 11)) < Fraction(1, 10**12)
    emptied = pool.quote(Swap(True, Mode.EXACT_IN, 10**18), CLOCK)
    assert price_impact(pool, emptied) > Fraction(99, 100)


@given(st.integers(1, 10**15), st.booleans())
def test_impact_is_negative_by_rounding_only(amount: int, a_to_b: bool) -> None:
    pool = make_range(price=ONE * 3, liquidity=ONE * 10**15)
    quote = pool.quote(Swap(a_to_b, Mode.EXACT_IN, amount), CLOCK)
    assert 0 <= price_impact(pool, quote) <= 1


def test_nothing_that_reaches_the_curve_has_no_impact() -> None:
    pool = make_range(collect_mode=1)
    dust = pool.quote(Swap(False, Mode.EXACT_IN, 1), CLOCK)
    assert (dust.fee, price_impact(pool, dust)) == (1, 0)
