"""The parts of Raydium CLMM by themselves: prices of ticks, bitmaps of tick arrays, ticks in an array."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from activities.venues.errors import MissingAccounts, SwapRefused
from activities.venues.raydium.clmm_bitmap import ArrayBitmap
from activities.venues.raydium.clmm_math import (
    MAX_SQRT_PRICE,
    MAX_TICK,
    MIN_SQRT_PRICE,
    MIN_TICK,
    amounts_between,
    paid_between,
    price_after_input,
    price_after_output,
    sqrt_price_at,
    tick_at,
)
from activities.venues.raydium.clmm_ticks import Tick, TickArray
from tests.venues.clmm_reference import tick_of

ticks = st.integers(MIN_TICK, MAX_TICK - 1)
indexes = st.integers(-7_394, 7_393)


def test_the_price_table_ends_where_the_programs_does() -> None:
    assert (sqrt_price_at(MIN_TICK), sqrt_price_at(MAX_TICK)) == (MIN_SQRT_PRICE, MAX_SQRT_PRICE)
    assert sqrt_price_at(0) == 1 << 64


@given(ticks)
def test_prices_are_powers_of_one_basis_point(tick: int) -> None:
    with localcontext(prec=60):
        exact = Decimal("1.0001") ** (Decimal(tick) / 2) * (1 << 64)
        # The factors have 50 significant bits and more; the smallest prices have 32 bits in all.
        assert abs(sqrt_price_at(tick) / exact - 1) < Decimal(2) ** -31


@given(ticks, st.integers(0, 10**6))
def test_the_tick_of_a_price_is_the_greatest_not_above_it(tick: int, part: int) -> None:
    low, high = sqrt_price_at(tick), sqrt_price_at(tick + 1)
    for price in (low, high - 1, low + (high - low) * part // (10**6 + 1)):
        assert tick_at(price) == tick_of(price) == tick


@given(
    ticks.filter(lambda tick: abs(tick) < 300_000),
    st.integers(1, 1 << 90),
    st.integers(1, 1 << 40),
    st.booleans(),
)
def test_a_price_after_an_input_never_takes_more_than_it(tick: int, liquidity: int, amount: int, down: bool) -> None:
    start = sqrt_price_at(tick)
    end = price_after_input(start, liquidity, amount, down)
    assert (end <= start) if down else (end >= start)
    taken, paid = amounts_between(start, end, liquidity, down)
    assert taken <= amount
    assert paid == paid_between(start, end, liquidity, down)


@given(ticks.filter(lambda tick: abs(tick) < 300_000), st.integers(1, 1 << 90), st.integers(1, 1 << 40), st.booleans())
def test_a_price_after_an_output_pays_no_less_than_it(tick: int, liquidity: int, amount: int, down: bool) -> None:
    start = sqrt_price_at(tick)
    if amount >= (liquidity * start >> 64 if down else (liquidity << 64) // start) // 2:
        return
    end = price_after_output(start, liquidity, amount, down)
    assert (end < start) if down else (end > start)
    assert paid_between(start, end, liquidity, down) >= amount


def bitmap_of(arrays: set[int]) -> ArrayBitmap:
    """A bitmap with the bits of `arrays`, set one by one as the layouts have them."""
    own = sum(1 << index + 512 for index in arrays if -512 <= index < 512)
    extension = bytearray(1832)
    for index in arrays:
        if index >= 512:
            offset, bit = 40 + 64 * ((index - 512) // 512), (index - 512) % 512
        elif index < -512:
            offset, bit = 936 + 64 * ((-1 - index - 512) // 512), 511 - (-1 - index - 512) % 512
        else:
            continue
        extension[offset + bit // 8] |= 1 << bit % 8
    return ArrayBitmap(own, bytes(extension), spacing=1)


@given(st.sets(indexes | st.integers(-520, 520), max_size=40), indexes, st.booleans())
def test_the_bitmap_names_following_arrays_in_order(arrays: set[int], start: int, down: bool) -> None:
    bitmap = bitmap_of(arrays)
    ahead = sorted((index for index in arrays if (index < start if down else index > start)), reverse=down)
    assert list(bitmap.following(start, down)) == ahead
    assert list(bitmap.indexes()) == sorted(arrays)
    assert bitmap.is_set(start) is (start in arrays)
    assert bool(bitmap) is bool(arrays)


@given(st.sets(indexes, min_size=1, max_size=40))
def test_clearing_an_array_clears_its_bit_alone(arrays: set[int]) -> None:
    for index in arrays:
        assert bitmap_of(arrays).without(index) == bitmap_of(arrays - {index})


@pytest.mark.parametrize(("start", "down"), [(0, True), (0, False), (-513, True), (512, False)])
def test_beyond_the_pools_own_bitmap_the_extension_is_needed(start: int, down: bool) -> None:
    key = Pubkey.new_unique()
    with pytest.raises(MissingAccounts) as missing:
        list(ArrayBitmap(0, key, spacing=1).following(start, down))
    assert missing.value.keys == (key,)
    with pytest.raises(SwapRefused, match="MissingTickArrayBitmapExtensionAccount"):
        list(ArrayBitmap(0, None, spacing=1).following(start, down))


def test_bits_beyond_the_last_tick_name_no_array() -> None:
    bitmap = ArrayBitmap((1 << 1024) - 1, b"\xff" * 1832, spacing=65_535)
    assert list(bitmap.indexes()) == [-1, 0, 1]
    assert list(bitmap.following(0, True)) == [-1]
    assert list(bitmap.following(0, False)) == [1]


@given(st.dictionaries(st.integers(0, 59), st.sampled_from([20, 27, 28, 35, 124, 131, 132, 139]), max_size=60))
def test_a_tick_is_in_use_by_any_byte_of_its_liquidity_or_orders(used: dict[int, int]) -> None:
    data = bytearray(10_240)
    for slot, offset in used.items():
        data[44 + 168 * slot + offset] = 1
    assert TickArray(bytes(data)).slots == sorted(used)


def test_other_fields_of_a_tick_do_not_make_it_used() -> None:
    data = bytearray(10_240)
    for offset in (*range(20), *range(36, 124), *range(140, 168)):
        data[44 + 168 * 30 + offset] = 255
    assert TickArray(bytes(data)).slots == []


def test_a_full_order_phase_stays_full() -> None:
    full = 2**64 - 1
    assert Tick(0, 0, 0, full, 100, 0, 0).filled(100) == Tick(0, 0, 0, full, 0, 0, 0)


def test_filling_nothing_changes_nothing() -> None:
    tick = Tick(0, 5, 5, 3, 100, 50, 1 << 63)
    assert tick.filled(0) is tick
