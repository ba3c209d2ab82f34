"""An order divided between two pools: never worse than the best single pool, and as good as trying everything."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from activities.venues.errors import SwapRefused
from activities.venues.split import best_split

SOLD = 400
reserves = st.integers(50, 10**6)
fees = st.integers(0, 300)


@dataclass(frozen=True)
class Product:
    """A constant-product curve with a fee in basis points; it refuses what it pays nothing for, and beyond `most`."""

    reserve_in: int
    reserve_out: int
    fee_bps: int = 0
    most: int | None = None

    @property
    def max_in(self) -> int | None:
        return self.most

    def amount_out(self, amount_in: int) -> int:
        if self.most is not None and amount_in > self.most:
            raise SwapRefused("beyond")
        net = amount_in - -(-amount_in * self.fee_bps // 10_000)
        paid = net * self.reserve_out // (self.reserve_in + net)
        if paid <= 0:
            raise SwapRefused("dust")
        return paid


products = st.builds(Product, reserves, reserves, fees)
# A fee is rounded up on the input, where a unit may be worth many of the output.
free_products = st.builds(Product, reserves, reserves)


def paid(curve: Product, amount_in: int) -> int | None:
    try:
        return curve.amount_out(amount_in)
    except SwapRefused:
        return None


def best_by_trying(curves: list[Product], amount_in: int) -> int | None:
    first, second = curves
    sums = (
        one + other
        for part in range(1, amount_in)
        if (one := paid(first, part)) is not None and (other := paid(second, amount_in - part)) is not None
    )
    return max(sums, default=None)


@given(st.lists(free_products, min_size=2, max_size=2))
def test_a_split_is_within_the_rounding_of_the_best_of_all(curves: list[Product]) -> None:
    best = best_by_trying(curves, SOLD)
    split = best_split(curves, SOLD)
    if split is None:
        assert best is None or best <= max(paid(curve, SOLD) or 0 for curve in curves)
        return
    assert sum(split.amounts) == SOLD
    assert split.amount_out == sum(
        curves[index].amount_out(amount) for index, amount in zip(split.indexes, split.amounts, strict=True)
    )
    assert best is not None
    # Each output is rounded down on its own: a ripple of two units.
    assert best - 2 <= split.amount_out <= best


@given(st.lists(products, min_size=2, max_size=6), st.integers(10**3, 10**9))
def test_the_same_curves_give_the_same_split(curves: list[Product], amount_in: int) -> None:
    assert best_split(curves, amount_in) == best_split(curves, amount_in)


@given(reserves, reserves, st.integers(10**3, 10**9))
def test_equal_pools_get_equal_parts(reserve_in: int, reserve_out: int, amount_in: int) -> None:
    curves = [Product(reserve_in * 10**9, reserve_out * 10**9)] * 2
    split = best_split(curves, amount_in)
    whole = paid(curves[0], amount_in)
    if split is not None and whole is not None:
        assert split.amount_out >= whole - 1


def test_a_pool_that_takes_little_is_filled_up_and_the_other_takes_the_rest() -> None:
    small = Product(10**6, 2 * 10**6, most=1_000)
    large = Product(10**12, 10**12)
    split = best_split([small, large], 10**6)
    assert split is not None
    assert 998 <= split.amounts[0] <= 1_000


def test_pools_that_cannot_take_the_whole_together_are_no_split() -> None:
    assert best_split([Product(10**6, 10**6, most=10), Product(10**6, 10**6, most=10)], 1_000) is None


def test_one_pool_is_no_split() -> None:
    assert best_split([Product(10**6, 10**6)], 1_000) is None
