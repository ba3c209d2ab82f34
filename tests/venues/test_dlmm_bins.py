"""DLMM bin prices and the search for the next bin array."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.venues.errors import SwapRefused
from activities.venues.meteora.dlmm_bins import arrays_ahead, arrays_around, bin_price, next_array, without_array
from activities.venues.meteora.dlmm_layout import BIN, bin_array_address
from tests.venues.dlmm_states import ADDRESS
from tests.venues.recorded import recorded

# Array indexes that bins can have.
indexes = st.one_of(st.integers(-530, 530), st.integers(-6_338, 6_337))


def bitmaps(marks: set[int]) -> tuple[bytes, bytes]:
    """A pair's bitmap and its extension with `marks` set."""
    near = sum(1 << (index + 512) for index in marks if -512 <= index < 512)
    above = sum(1 << (index - 512) for index in marks if index >= 512)
    below = sum(1 << (-513 - index) for index in marks if index < -512)
    return near.to_bytes(128, "little"), above.to_bytes(768, "little") + below.to_bytes(768, "little")


@given(marks=st.sets(indexes, max_size=8), start=indexes, downwards=st.booleans())
def test_the_next_array_is_the_nearest_mark_in_the_direction(marks: set[int], start: int, downwards: bool) -> None:
    ahead = {index for index in marks if (index <= start if downwards else index >= start)}
    if ahead:
        assert next_array(*bitmaps(marks), start, downwards) == (max if downwards else min)(ahead)
    else:
        with pytest.raises(SwapRefused, match="6037"):
            next_array(*bitmaps(marks), start, downwards)


@given(marks=st.sets(indexes, max_size=8), start=indexes, downwards=st.booleans())
def test_without_an_extension_the_search_ends_with_the_pairs_own_bitmap(
    marks: set[int], start: int, downwards: bool
) -> None:
    bitmap, _ = bitmaps(marks)
    near = {index for index in marks if -512 <= index < 512}
    ahead = {index for index in near if (index <= start if downwards else index >= start)}
    if ahead and -512 <= start < 512:
        assert next_array(bitmap, None, start, downwards) == (max if downwards else min)(ahead)
    else:
        with pytest.raises(SwapRefused, match="6036"):
            next_array(bitmap, None, start, downwards)


@given(marks=st.sets(indexes, min_size=1, max_size=8))
def test_taking_a_mark_away_leaves_the_others(marks: set[int]) -> None:
    for index in marks:
        assert without_array(*bitmaps(marks), index) == bitmaps(marks - {index})


def test_a_mark_beyond_the_pairs_bitmap_needs_the_extension() -> None:
    with pytest.raises(SwapRefused, match="6036"):
        without_array(bytes(128), None, 512)


@given(marks=st.sets(indexes, max_size=8), start=indexes, count=st.integers(0, 5))
def test_arrays_ahead_come_in_travel_order_and_around_once(marks: set[int], start: int, count: int) -> None:
    bitmap, extension = bitmaps(marks)
    down = sorted((index for index in marks if index <= start), reverse=True)[:count]
    up = sorted(index for index in marks if index >= start)[:count]
    assert [index for index, _ in arrays_ahead(ADDRESS, bitmap, extension, start, True, count)] == down
    assert [index for index, _ in arrays_ahead(ADDRESS, bitmap, extension, start, False, count)] == up
    around = arrays_around(ADDRESS, bitmap, extension, start, count)
    assert [index for index, _ in around] == list(dict.fromkeys(down + up))
    assert all(key == bin_array_address(ADDRESS, index) for index, key in around)


def test_prices_are_those_of_the_recorded_bins() -> None:
    compared = 0
    for scenario in recorded("meteora_dlmm").scenarios:
        pair = scenario.accounts[scenario.roles["lb_pair"]]
        assert pair is not None
        bin_step = int.from_bytes(pair.data[80:82], "little")
        for role, key in scenario.roles.items():
            if role.startswith("bin_array["):
                account = scenario.accounts[key]
                assert account is not None
                first = 70 * int(role[10:-1])
                for slot, (_, _, low, high, *_) in enumerate(BIN.iter_unpack(account.data[56:])):
                    if low or high:
                        assert bin_price(first + slot, bin_step) == low | high << 64
                        compared += 1
    assert compared > 900


@given(bin_step=st.integers(1, 400), bin_id=st.integers(-100, 100))
def test_prices_are_close_to_the_exact_power(bin_step: int, bin_id: int) -> None:
    exact = (1 + Fraction(bin_step, 10_000)) ** bin_id * 2**64
    assert abs(bin_price(bin_id, bin_step) - exact) < exact / 2**55


@pytest.mark.parametrize(("bin_step", "furthest"), [(1, 443_636), (100, 4_456)])
def test_prices_end_where_they_no_longer_fit(bin_step: int, furthest: int) -> None:
    assert 0 < bin_price(-furthest, bin_step) < bin_price(furthest, bin_step) < 2**128
    if bin_step > 1:
        with pytest.raises(SwapRefused, match="6018"):
            bin_price(furthest + 10, bin_step)
