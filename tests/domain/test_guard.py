"""The guard of a swap: never beyond slippage, never beyond the limit."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.samples import SOL, USDC, limit_order, order_terms
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.guard import least_at_limit, least_outputs, most_at_limit, most_inputs
from workflows.domain.money import MAX_BASE_UNITS
from workflows.domain.trigger import executable_price

units = st.integers(1, MAX_BASE_UNITS)
prices = st.decimals(Decimal("0.000001"), Decimal("1e9"), places=6)
slippages = st.integers(0, 10_000)


def outcome(guards: Callable[[], tuple[int, ...]]) -> tuple[int, ...] | ErrorCode:
    """The guards, or why there are none."""
    try:
        return guards()
    except EngineError as error:
        return error.code


@given(units, prices)
def test_the_least_at_the_limit_pays_it_and_one_unit_less_does_not(amount_in: int, price: Decimal) -> None:
    least = least_at_limit(limit_order(amount_in=amount_in, limit_price=price))
    assert executable_price(SOL, amount_in, USDC, least) >= Fraction(price)
    assert executable_price(SOL, amount_in, USDC, least - 1) < Fraction(price)


@given(units, units, prices)
def test_the_most_at_the_limit_pays_it_and_one_unit_more_does_not(bound: int, amount_out: int, price: Decimal) -> None:
    most = most_at_limit(limit_order(amount_in=bound, amount_out=amount_out, limit_price=price))
    assert most <= bound
    if most:
        assert executable_price(SOL, most, USDC, amount_out) >= Fraction(price)
    if most < bound:
        assert executable_price(SOL, most + 1, USDC, amount_out) < Fraction(price)


@given(st.lists(st.tuples(units, units), min_size=1, max_size=3), prices, slippages)
def test_legs_together_pay_the_limit_and_each_no_more_than_it_was_quoted(
    quotes: list[tuple[int, int]], price: Decimal, slippage_bps: int
) -> None:
    terms = limit_order(amount_in=1_500_000_000, limit_price=price, slippage_bps=slippage_bps)
    decided, fresh = [before for before, _ in quotes], [now for _, now in quotes]
    limit = least_at_limit(terms)
    least = outcome(lambda: least_outputs(terms, decided, fresh))
    if isinstance(least, ErrorCode):
        reached = sum(fresh) >= limit
        assert least is (ErrorCode.SLIPPAGE_EXCEEDED if reached else ErrorCode.LIMIT_NOT_REACHED)
        return
    assert sum(least) >= limit
    for guard, before, now in zip(least, decided, fresh, strict=True):
        assert 1 <= guard <= now
        assert guard * 10_000 >= max(before, now) * (10_000 - slippage_bps)


@given(units, units, units, slippages)
def test_the_most_input_is_within_slippage_and_the_bound(
    bound: int, decided: int, fresh: int, slippage_bps: int
) -> None:
    terms = order_terms(amount_in=bound, amount_out=1, slippage_bps=slippage_bps)
    found = outcome(lambda: most_inputs(terms, [decided], [fresh]))
    if isinstance(found, ErrorCode):
        assert found is (ErrorCode.LIMIT_NOT_REACHED if fresh > bound else ErrorCode.SLIPPAGE_EXCEEDED)
        return
    (most,) = found
    assert fresh <= most <= bound
    assert most * 10_000 <= min(decided, fresh) * (10_000 + slippage_bps)


@given(units, slippages)
def test_without_a_limit_only_the_slippage_counts(quoted: int, slippage_bps: int) -> None:
    assume(quoted > 1)
    (least,) = least_outputs(order_terms(slippage_bps=slippage_bps), [quoted], [quoted])
    assert least == max(1, -(-quoted * (10_000 - slippage_bps) // 10_000))


@pytest.mark.parametrize(
    ("decided", "fresh", "code"),
    [(301_000_000, 299_999_999, ErrorCode.LIMIT_NOT_REACHED), (400_000_000, 300_000_000, ErrorCode.SLIPPAGE_EXCEEDED)],
)
def test_the_refusal_names_the_amounts(decided: int, fresh: int, code: ErrorCode) -> None:
    with pytest.raises(EngineError, match="USDC") as refused:
        least_outputs(limit_order(), [decided], [fresh])
    assert refused.value.code is code
