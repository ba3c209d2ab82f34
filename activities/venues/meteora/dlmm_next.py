"""The accounts that a Meteora DLMM swap leaves: the pair's volatility and active bin, and the bins it took from.

Fee growth, oracle samples and the bookkeeping of filled orders are left alone: no quote reads them.
"""

from collections.abc import Iterable, Mapping

from activities.venues.integers import U64_MAX
from activities.venues.meteora.dlmm_bins import bin_price
from activities.venues.meteora.dlmm_layout import (
    ARRAY_HEADER,
    BIN,
    BIN_AMOUNTS,
    BIN_ORDERS,
    BIN_ORDERS_OFFSET,
    BIN_PRICE,
    BIN_PRICE_OFFSET,
    BIN_SIZE,
    BINS_PER_ARRAY,
    PAIR_ACTIVE,
    PAIR_ACTIVE_OFFSET,
    PAIR_UPDATE,
    PAIR_UPDATE_OFFSET,
    PAIR_VOLATILITY,
    PAIR_VOLATILITY_OFFSET,
    U32_MAX,
)
from activities.venues.meteora.dlmm_swap import Taken, Walk

# The bytes of an account that a swap writes and a quote reads, or the limit orders go by.
_PAIR_WRITES = (
    slice(PAIR_VOLATILITY_OFFSET, PAIR_VOLATILITY_OFFSET + PAIR_VOLATILITY.size),
    slice(PAIR_UPDATE_OFFSET, PAIR_UPDATE_OFFSET + PAIR_UPDATE.size),
    slice(PAIR_ACTIVE_OFFSET, PAIR_ACTIVE_OFFSET + PAIR_ACTIVE.size),
)
_BIN_WRITES = (
    slice(0, BIN_PRICE_OFFSET + BIN_PRICE.size),
    slice(BIN_ORDERS_OFFSET, BIN_ORDERS_OFFSET + BIN_ORDERS.size),
)


def pair_after(data: bytes, walk: Walk, now: int) -> bytes:
    """The pair after `walk`; its time of update moves only together with the active bin."""
    result = bytearray(data)
    PAIR_VOLATILITY.pack_into(result, PAIR_VOLATILITY_OFFSET, walk.volatility, walk.start.volatility, walk.start.index)
    active_id = walk.taken[-1][0]
    if (active_id,) != PAIR_ACTIVE.unpack_from(data, PAIR_ACTIVE_OFFSET):
        PAIR_ACTIVE.pack_into(result, PAIR_ACTIVE_OFFSET, active_id)
        PAIR_UPDATE.pack_into(result, PAIR_UPDATE_OFFSET, now)
    return bytes(result)


def arrays_after(
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
    return _written(given, state, range(ARRAY_HEADER, len(given), BIN_SIZE), _BIN_WRITES)


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
    """The values of a bin, its price filled in where the program has not stored it yet."""
    low, high = values[2:4]
    price = low | high << 64 or bin_price(bin_id, bin_step)
    return (*values[:2], price, *values[4:])
