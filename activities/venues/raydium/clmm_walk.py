"""The way of a swap through a pool's prices, cut where the rules change: at ticks and, with a dynamic fee, spacings.

The cuts do not depend on the amount, so a quote takes segments one by one while something is left, and a
curve takes them all once. Rules: raydium-clmm `instructions/swap.rs` (`swap_internal`); the parts of 2026
(dynamic fee, limit orders) from its published source.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from struct import Struct
from typing import NamedTuple

from activities.venues.errors import CannotLand, DecodeError, MissingAccounts, VenueError
from activities.venues.integers import U64_MAX, U128_MAX
from activities.venues.raydium.clmm_bitmap import ArrayBitmap
from activities.venues.raydium.clmm_dynamic_fee import SpacingFee
from activities.venues.raydium.clmm_errors import refused
from activities.venues.raydium.clmm_math import MAX_TICK, MIN_TICK, sqrt_price_at
from activities.venues.raydium.clmm_state import PROGRAM, RATE_ONE, TICKS_PER_ARRAY, PoolState
from activities.venues.raydium.clmm_ticks import TICK_SIZE, TICKS_OFFSET, TickArray, TickArrays

# What a transaction of 1,232 bytes can list, without a lookup table, beside the swap's other 15 accounts,
# the compute budget and a memo.
MAX_ARRAYS = 12
# Arrays to have at hand in a direction: as many as leave a transaction room for wrapping SOL. A walk that
# gets further asks for a few more at a time, since a swap lists all that are at hand.
ARRAYS_AHEAD = 6
_MORE_ARRAYS = 2
# More moves than the compute units of one transaction could pay for.
MAX_SEGMENTS = 200

# Executed swaps took 56,000 to 84,000 within one segment, on average 14,000 more per further segment and
# 4,000 per further array, with a token program that is cheaper than the real one by 5,000 a transfer.
_BASE_UNITS, _SEGMENT_UNITS, _ARRAY_UNITS = 100_000, 15_000, 5_000

# What a walk reads of a tick: number, net and gross liquidity in halves, orders, part-filled orders.
_TICK = Struct("<iQqQQ88xQQ28x")
_OFFSETS = tuple(range(TICKS_OFFSET, TICKS_OFFSET + TICK_SIZE * TICKS_PER_ARRAY, TICK_SIZE))
# Stands for a liquidity that the program's types cannot hold.
IMPOSSIBLE = -1


class Orders(NamedTuple):
    """The limit orders on a tick: `unfilled` base units at `price` (Q64.64, token 1 per token 0)."""

    array: int
    slot: int
    tick: int
    unfilled: int
    price: int


class Segment(NamedTuple):
    """One move at constant liquidity and fee rate, from one square root price to another.

    Going all the way takes `taken` from the user and pays out `paid`, the trading `fee` (of the input or of
    the output) being in the one or off the other; the numbers may exceed 64 bits. `next_tick` and
    `next_liquidity` hold after it and after all `orders` at its end, `volatility` after it (`next_tick` None:
    the tick of the price). `crosses` when it ends at a tick in use.
    """

    start: int
    target: int
    liquidity: int
    rate: int
    taken: int
    paid: int
    fee: int
    next_tick: int | None
    next_liquidity: int
    crosses: bool
    orders: Orders | None
    volatility: int


# A third of the time that NamedTuple's own constructor takes.
_new = tuple.__new__


class Walk:
    """All segments from the current price to the square root price `limit`, selling token 0 when `down`.

    `rate` is the base fee rate in millionths. `visited` lists the indexes of the tick arrays read so far,
    `dynamic` is the dynamic fee as it stands when the swap starts.
    """

    __slots__ = ("_arrays", "_bitmap", "_down", "_limit", "_rate", "_state", "dynamic", "visited")

    def __init__(
        self, state: PoolState, bitmap: ArrayBitmap, arrays: TickArrays, rate: int, down: bool, limit: int, now: int
    ) -> None:
        self._state = state
        self._bitmap = bitmap
        self._arrays = arrays
        self._rate = rate
        self._down = down
        self._limit = limit
        self.visited: list[int] = []
        dynamic = state.dynamic
        self.dynamic = None if dynamic is None else dynamic.referred(state.tick // state.spacing, now)

    def segments(self) -> Iterator[Segment]:
        """The segments in order of travel; the last one ends at the limit.

        Raises SwapRefused where the liquidity ends, MissingAccounts where the accounts at hand do, and
        CannotLand where no transaction would be large enough.
        """
        state, limit, down = self._state, self._limit, self._down
        spacing, price, liquidity = state.spacing, state.sqrt_price, state.liquidity
        rate, on_input, volatility = self._rate, state.fee_on_input(down), 0
        spacings = None
        if self.dynamic is not None:
            spacings = SpacingFee(self.dynamic, rate, state.tick, spacing, down)
        keep = RATE_ONE - rate
        legs = 0
        # Most of a quote's time is spent in this loop: it calls as little as it can.
        read, price_at = _TICK.unpack_from, sqrt_price_at
        for index, array, slots in self._visit():
            first = index * TICKS_PER_ARRAY * spacing
            data = array.data
            for slot in slots:
                tick, low, high, gross_low, gross_high, fresh, part_filled = read(data, _OFFSETS[slot])
                if tick != first + slot * spacing or not MIN_TICK <= tick <= MAX_TICK:
                    raise DecodeError(PROGRAM, "tick", _OFFSETS[slot], f"{tick} in slot {slot}")
                tick_price = price_at(tick)
                target = tick_price if (tick_price > limit if down else tick_price < limit) else limit
                while True:
                    end, next_tick = target, None
                    if spacings is not None:
                        legs += 1
                        if legs > MAX_SEGMENTS:
                            raise CannotLand("TooManySpacings")
                        target_tick = tick if target == tick_price else None
                        end, next_tick, rate, volatility = spacings.leg(target, target_tick, liquidity)
                        keep = RATE_ONE - rate
                    product = price * end
                    if down:
                        moved = liquidity * (price - end)
                        # Ceilings in this form: negating would take half as long again.
                        need_in, paid = ((moved << 64) + product - 1) // product, moved >> 64
                    else:
                        moved = liquidity * (end - price)
                        need_in, paid = moved + U64_MAX >> 64, (moved << 64) // product
                    if moved < 0:
                        raise refused("RequireGteViolated")
                    if on_input:
                        taken = (need_in * RATE_ONE + keep - 1) // keep
                        fee = taken - need_in
                    else:
                        # An output beyond the program's type must stay recognisable.
                        fee = (paid * rate + RATE_ONE - 1) // RATE_ONE if paid <= U64_MAX else 0
                        taken, paid = need_in, paid - fee
                    if end == tick_price:
                        break
                    yield Segment(
                        price, end, liquidity, rate, taken, paid, fee, next_tick, liquidity, False, None, volatility
                    )
                    if end == limit:
                        return
                    price = end
                after = liquidity
                if gross_low or gross_high:
                    net = low | high << 64
                    after = liquidity - net if down else liquidity + net
                    if not 0 <= after <= U128_MAX:
                        after = IMPOSSIBLE
                orders = None
                if fresh or part_filled:
                    orders = _orders(index, slot, tick, tick_price, fresh + part_filled, down)
                next_tick = tick - 1 if down else tick
                yield _new(
                    Segment,
                    (price, end, liquidity, rate, taken, paid, fee, next_tick, after, True, orders, volatility),
                )
                if end == limit:
                    return
                if after == IMPOSSIBLE:
                    raise refused("LiquiditySubValueErr")
                price, liquidity = end, after

    def _visit(self) -> Iterator[tuple[int, TickArray, list[int]]]:
        """Index, array, and slots in use in order of travel, array by array."""
        here, down = self._state.tick, self._down
        width = TICKS_PER_ARRAY * self._state.spacing
        first = here // width
        if self._bitmap.is_set(first):
            array = self._read(first)
            cut = bisect_right(array.slots, here % width // self._state.spacing)
            yield first, array, array.slots[:cut][::-1] if down else array.slots[cut:]
        for index in self._bitmap.following(first, down):
            array = self._read(index)
            if not array.slots:
                raise refused("InvalidTickArray")
            yield index, array, array.slots[::-1] if down else array.slots
        raise refused("LiquidityInsufficient" if self.visited else "InsufficientLiquidityForDirection")

    def _read(self, index: int) -> TickArray:
        if len(self.visited) == MAX_ARRAYS:
            raise CannotLand("TooManyTickArrays")
        try:
            array = self._arrays.at(index)
        except MissingAccounts:
            ahead = arrays_from(self._bitmap, index, self._down, _MORE_ARRAYS)
            raise MissingAccounts(self._arrays.address(each) for each in ahead) from None
        if array is None:
            raise refused("NotEnoughTickArrayAccount" if self.visited else "InvalidFirstTickArrayAccount")
        self.visited.append(index)
        return array


def compute_units(segments: int, arrays: int) -> int:
    """An estimate from above of what the swap instruction costs."""
    return _BASE_UNITS + _SEGMENT_UNITS * (segments - 1) + _ARRAY_UNITS * (arrays - 1)


def arrays_from(bitmap: ArrayBitmap, index: int, down: bool, most: int) -> list[int]:
    """The first arrays with ticks in use from `index` on, itself included; fewer where the bitmap ends."""
    found: list[int] = []
    try:
        if bitmap.is_set(index):
            found.append(index)
        for following in islice(bitmap.following(index, down), most - len(found)):
            found.append(following)  # noqa: PERF402 - what was found before an error counts
    except VenueError:
        # Without the extension nothing further out is known.
        pass
    return found


def _orders(array: int, slot: int, tick: int, sqrt_price: int, unfilled: int, down: bool) -> Orders:
    """The orders on a tick for a swap in the direction, which pays the price rounded in their favour."""
    if unfilled > U64_MAX:
        raise refused("CalculateOverflow")
    square = sqrt_price * sqrt_price
    return Orders(array, slot, tick, unfilled, square >> 64 if down else -(-square >> 64))
