"""The accounts that a Meteora DLMM swap leaves: the pair's volatility and active bin, and the bins it took from.

Fee growth, oracle samples and the bookkeeping of filled orders are left alone: no quote reads them.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping

from activities.venues.errors import SwapRefused
from activities.venues.integers import U64_MAX
from activities.venues.meteora.dlmm_bins import bin_price, without_array
from activities.venues.meteora.dlmm_layout import (
    ARRAY_HEADER,
    ARRAY_SIZE,
    BIN,
    BIN_AMOUNTS,
    BIN_ORDERS,
    BIN_ORDERS_OFFSET,
    BIN_PRICE,
    BIN_PRICE_OFFSET,
    BIN_SIZE,
    BIN_SUPPLY,
    BINS_PER_ARRAY,
    EXTENSION_BITS,
    PAIR_ACTIVE,
    PAIR_ACTIVE_OFFSET,
    PAIR_BITMAP,
    PAIR_UPDATE,
    PAIR_UPDATE_OFFSET,
    PAIR_VOLATILITY,
    PAIR_VOLATILITY_OFFSET,
    U32_MAX,
    read_pair,
)
from activities.venues.meteora.dlmm_swap import Taken, Walk
from activities.venues.meteora.dlmm_walk import State

# The bytes of an account that a swap writes and a quote reads, or the limit orders go by.
_PAIR_WRITES = (
    slice(PAIR_VOLATILITY_OFFSET, PAIR_VOLATILITY_OFFSET + PAIR_VOLATILITY.size),
    slice(PAIR_UPDATE_OFFSET, PAIR_UPDATE_OFFSET + PAIR_UPDATE.size),
    slice(PAIR_ACTIVE_OFFSET, PAIR_ACTIVE_OFFSET + PAIR_ACTIVE.size),
    PAIR_BITMAP,
)
_BIN_WRITES = (
    slice(0, BIN_PRICE_OFFSET + BIN_PRICE.size),
    slice(BIN_ORDERS_OFFSET, BIN_ORDERS_OFFSET + BIN_ORDERS.size),
)


def state_after(data: bytes, state: State, walk: Walk, sells_x: bool, now: int) -> tuple[bytes, State]:
    """The pair's account, until then `data`, and its state after `walk` at `now`.

    The time of update moves only together with the active bin.
    """
    arrays = _arrays_after(state.arrays, walk, sells_x, state.pair.bin_step)
    bitmap, extension = state.pair.bitmap, state.extension
    for index in _sold_out(arrays, walk):
        bitmap, extension = without_array(bitmap, extension, index)
    result = bytearray(data)
    result[PAIR_BITMAP] = bitmap
    PAIR_VOLATILITY.pack_into(result, PAIR_VOLATILITY_OFFSET, walk.volatility, walk.start.volatility, walk.start.bin_id)
    active_id = walk.taken[-1][0]
    if active_id != state.pair.active_id:
        PAIR_ACTIVE.pack_into(result, PAIR_ACTIVE_OFFSET, active_id)
        PAIR_UPDATE.pack_into(result, PAIR_UPDATE_OFFSET, now)
    changed = bytes(result)
    return changed, state._replace(pair=read_pair(changed), extension=extension, arrays=arrays)


def _sold_out(arrays: Mapping[int, bytes | None], walk: Walk) -> Iterator[int]:
    """The arrays that held limit orders only and hold none any more: the program takes their marks away.

    (Release notes of 0.12: a swap flips "liquidity tracking bits". What counts as liquidity is inferred.)
    """
    with_orders = {taken[0] // BINS_PER_ARRAY for taken in walk.taken if taken[3] or taken[4]}
    for index in sorted(with_orders):
        data = arrays[index] or b""
        starts = range(ARRAY_HEADER, len(data), BIN_SIZE)
        if not any(
            any(data[start + BIN_SUPPLY.start : start + BIN_SUPPLY.stop]) or _has_orders(data, start)
            for start in starts
        ):
            yield index


def _has_orders(data: bytes, at: int) -> bool:
    opened, _, remaining, _ = BIN_ORDERS.unpack_from(data, at + BIN_ORDERS_OFFSET)
    return bool(opened or remaining)


def _arrays_after(
    arrays: Mapping[int, bytes | None], walk: Walk, sells_x: bool, bin_step: int
) -> dict[int, bytes | None]:
    """All arrays, those that `walk` took from in their next state."""
    result = dict(arrays)
    changed: dict[int, bytearray] = {}
    for taken in walk.taken:
        index, slot = divmod(taken[0], BINS_PER_ARRAY)
        data = changed.get(index)
        if data is None:
            data = changed[index] = bytearray(arrays[index] or b"")
        _take(data, ARRAY_HEADER + BIN_SIZE * slot, taken, sells_x, bin_step)
    result.update((index, bytes(data)) for index, data in changed.items())
    return result


def _take(data: bytearray, at: int, taken: Taken, sells_x: bool, bin_step: int) -> None:
    """Carry out one bin's part of a swap in the bin at byte `at`."""
    bin_id, paid, liquidity, processed, open_orders = taken
    amount_x, amount_y = BIN_AMOUNTS.unpack_from(data, at)
    if sells_x:
        BIN_AMOUNTS.pack_into(data, at, amount_x + paid, amount_y - liquidity)
    else:
        BIN_AMOUNTS.pack_into(data, at, amount_x - liquidity, amount_y + paid)
    if BIN_PRICE.unpack_from(data, at + BIN_PRICE_OFFSET) == (0, 0):
        price = bin_price(bin_id, bin_step)
        BIN_PRICE.pack_into(data, at + BIN_PRICE_OFFSET, price & U64_MAX, price >> 64)
    if processed or open_orders:
        opened, processing, remaining, age = BIN_ORDERS.unpack_from(data, at + BIN_ORDERS_OFFSET)
        remaining -= processed
        if open_orders:
            # All open orders are processed together from now on, and new ones are of the next age.
            opened, processing, remaining, age = 0, opened, opened - open_orders, (age + 1) & U32_MAX
        BIN_ORDERS.pack_into(data, at + BIN_ORDERS_OFFSET, opened, processing, remaining, age)


def written_pair(given: bytes, state: bytes) -> bytes:
    """`given` with what swaps write taken from `state`."""
    return _written(given, state, (0,), _PAIR_WRITES)


def written_array(given: bytes, state: bytes) -> bytes:
    """`given` with what swaps write taken from `state`."""
    return _written(given, state, range(ARRAY_HEADER, ARRAY_SIZE, BIN_SIZE), _BIN_WRITES)


def written_extension(given: bytes, bits: bytes) -> bytes:
    """`given` with the bitmaps `bits`."""
    return given[:EXTENSION_BITS] + bits


def _written(given: bytes, state: bytes, starts: Iterable[int], parts: Iterable[slice]) -> bytes:
    result = bytearray(given)
    for start in starts:
        for part in parts:
            place = slice(start + part.start, start + part.stop)
            result[place] = state[place]
    return bytes(result)


def same_bins(one: bytes | None, other: bytes | None, index: int, bin_step: int) -> bool:
    """Whether two states of array `index` are one and the same to a quote."""
    if one == other:
        return True
    if one is None or other is None:
        return False
    first = index * BINS_PER_ARRAY
    return all(
        mine == theirs or _priced(mine, first + slot, bin_step) == _priced(theirs, first + slot, bin_step)
        for slot, (mine, theirs) in enumerate(
            zip(BIN.iter_unpack(one[ARRAY_HEADER:]), BIN.iter_unpack(other[ARRAY_HEADER:]), strict=True)
        )
    )


def _priced(values: tuple[int, ...], bin_id: int, bin_step: int) -> tuple[int, ...]:
    """The values of a bin, its price filled in where the program has not stored it yet and there is one."""
    low, high = values[2:4]
    price = low | high << 64
    if price == 0:
        with contextlib.suppress(SwapRefused):
            price = bin_price(bin_id, bin_step)
    return (*values[:2], price, *values[4:])
