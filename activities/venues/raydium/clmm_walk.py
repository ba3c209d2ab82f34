"""The way of a swap through a pool's prices, cut where the rules change: at ticks and, with a dynamic fee, spacings.

The cuts do not depend on the amount, so a quote takes segments one by one while something is left, and a
curve takes them all once. Rules: raydium-clmm `instructions/swap.rs` (`swap_internal`); the parts of 2026
(dynamic fee, limit orders) from its published source.
"""

from bisect import bisect_right
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from activities.venues.errors import CannotLand, DecodeError, MissingAccounts, VenueError
from activities.venues.integers import U64_MAX, U128_MAX
from activities.venues.raydium.clmm_bitmap import ArrayBitmap
from activities.venues.raydium.clmm_errors import refused
from activities.venues.raydium.clmm_math import MAX_TICK, MIN_TICK, sqrt_price_at, tick_at
from activities.venues.raydium.clmm_state import PROGRAM, RATE_ONE, DynamicFee, PoolState
from activities.venues.raydium.clmm_ticks import TICK_SIZE, TICKS_OFFSET, TICKS_PER_ARRAY, TickArray, TickArrays

# What a transaction of 1,232 bytes can list, without a lookup table, beside the swap's other 15 accounts,
# the compute budget and a memo.
MAX_ARRAYS = 12
# Arrays that a swap asks for or lists beyond the price at one go: as many as leave room for wrapping SOL.
ARRAYS_AHEAD = 6
# More moves than the compute units of one transaction could pay for.
MAX_SEGMENTS = 200

# What a walk reads of a tick: number, net and gross liquidity in halves, orders, part-filled orders.
_TICK = Struct("<iQqQQ88xQQ28x")
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

    `rate` is the base fee rate, `on_input` says which side pays it. `visited` lists the indexes of the tick
    arrays read so far, `dynamic` is the dynamic fee as it stands when the swap starts.
    """

    __slots__ = ("_arrays", "_bitmap", "_down", "_limit", "_on_input", "_rate", "_state", "dynamic", "visited")

    def __init__(
        self, state: PoolState, bitmap: ArrayBitmap, arrays: TickArrays, rate: int, down: bool, limit: int, now: int
    ) -> None:
        self._state = state
        self._bitmap = bitmap
        self._arrays = arrays
        self._rate = rate
        self._down = down
        self._limit = limit
        self._on_input = state.fee_on_input(down)
        self.visited: list[int] = []
        dynamic = state.dynamic
        self.dynamic = None if dynamic is None else dynamic.referred(state.tick // state.spacing, now)

    def segments(self) -> Iterator[Segment]:
        """The segments in order of travel; the last one ends at the limit.

        Raises SwapRefused where the liquidity ends, MissingAccounts where the accounts at hand do, and
        CannotLand where no transaction would be large enough.
        """
        return self._plain() if self.dynamic is None else self._with_dynamic_fee(self.dynamic)

    def _plain(self) -> Iterator[Segment]:
        price, liquidity = self._state.sqrt_price, self._state.liquidity
        down, limit, rate, on_input = self._down, self._limit, self._rate, self._on_input
        for tick, tick_price, net, orders in self._ticks():
            end = tick_price if (tick_price > limit if down else tick_price < limit) else limit
            taken, paid, fee = _whole(price, end, liquidity, rate, down, on_input)
            if end != tick_price:
                yield _new(Segment, (price, end, liquidity, rate, taken, paid, fee, None, liquidity, False, None, 0))
                return
            after = _added(liquidity, net)
            next_tick = tick - 1 if down else tick
            yield _new(Segment, (price, end, liquidity, rate, taken, paid, fee, next_tick, after, True, orders, 0))
            if end == limit:
                return
            price, liquidity = end, _possible(after, net)

    def _with_dynamic_fee(self, fee: DynamicFee) -> Iterator[Segment]:
        price, liquidity, spacing = self._state.sqrt_price, self._state.liquidity, self._state.spacing
        down, limit, on_input = self._down, self._limit, self._on_input
        step = -1 if down else 1
        index = self._state.tick // spacing
        moves = 0
        for tick, tick_price, net, orders in self._ticks():
            target = max(tick_price, limit) if down else min(tick_price, limit)
            end = None
            while end != target:
                moves += 1
                if moves > MAX_SEGMENTS:
                    raise CannotLand("TooManySteps")
                volatility = fee.volatility_at(index)
                rate = fee.total_rate(self._rate, volatility, spacing)
                end, next_tick = target, None
                if liquidity and volatility != fee.max_volatility:
                    bound = min(max((index if down else index + 1) * spacing, MIN_TICK), MAX_TICK)
                    bound_price = sqrt_price_at(bound)
                    if (bound_price > target) if down else (bound_price < target):
                        end, next_tick = bound_price, bound
                else:
                    # At the ceiling, and where nothing trades, the swap passes over spacings.
                    passed = tick if target == tick_price else tick_at(target)
                    index = (passed if down else passed - 1) // spacing
                    volatility = fee.volatility_at(index) if volatility != fee.max_volatility else volatility
                index += step
                whole = _whole(price, end, liquidity, rate, down, on_input)
                if end == tick_price:
                    after = _added(liquidity, net)
                    next_tick = tick - 1 if down else tick
                    yield Segment(price, end, liquidity, rate, *whole, next_tick, after, True, orders, volatility)
                    liquidity = _possible(after, net)
                else:
                    yield Segment(price, end, liquidity, rate, *whole, next_tick, liquidity, False, None, volatility)
                price = end
            if target == limit:
                return

    def _ticks(self) -> Iterator[tuple[int, int, int, Orders | None]]:
        """Number, square root price, liquidity that joins on crossing, and orders of each tick on the way."""
        down = self._down
        spacing = self._state.spacing
        bitmap = self._bitmap
        here = self._state.tick
        index = here // (TICKS_PER_ARRAY * spacing)
        if bitmap.is_set(index):
            array = self._read(index)
            cut = bisect_right(array.slots, (here - self._arrays.start(index)) // spacing)
            slots = array.slots[:cut][::-1] if down else array.slots[cut:]
        else:
            array, index, slots = self._next(index, "InsufficientLiquidityForDirection")
        while True:
            data = array.data
            start = self._arrays.start(index)
            for slot in slots:
                number, low, high, gross_low, gross_high, fresh, part_filled = _TICK.unpack_from(
                    data, TICKS_OFFSET + TICK_SIZE * slot
                )
                if number != start + slot * spacing:
                    raise DecodeError(PROGRAM, "tick", TICKS_OFFSET + TICK_SIZE * slot, f"{number} in slot {slot}")
                tick = number if MIN_TICK <= number <= MAX_TICK else min(max(number, MIN_TICK), MAX_TICK)
                price = sqrt_price_at(tick)
                net = low | high << 64 if gross_low or gross_high else 0
                orders = _orders(index, slot, tick, price, fresh + part_filled, down)
                yield tick, price, -net if down else net, orders
            array, index, slots = self._next(index, "LiquidityInsufficient")

    def _next(self, index: int, at_the_end: str) -> tuple[TickArray, int, list[int]]:
        """The next array with ticks in use, its index, and all its slots in order of travel."""
        found = self._bitmap.next(index, self._down)
        if found is None:
            raise refused(at_the_end)
        array = self._read(found)
        if not array.slots:
            raise refused("InvalidTickArray")
        return array, found, array.slots[::-1] if self._down else array.slots

    def _read(self, index: int) -> TickArray:
        if len(self.visited) == MAX_ARRAYS:
            raise CannotLand("TooManyTickArrays")
        try:
            array = self._arrays.at(index)
        except MissingAccounts:
            ahead = arrays_from(self._bitmap, index, self._down, ARRAYS_AHEAD)
            raise MissingAccounts(self._arrays.address(each) for each in ahead) from None
        if array is None:
            raise refused("NotEnoughTickArrayAccount" if self.visited else "InvalidFirstTickArrayAccount")
        self.visited.append(index)
        return array


def arrays_from(bitmap: ArrayBitmap, index: int, down: bool, most: int) -> list[int]:
    """The first arrays with ticks in use from `index` on, itself included; fewer where the bitmap ends."""
    found: list[int] = []
    try:
        following = index if bitmap.is_set(index) else bitmap.next(index, down)
        while following is not None and len(found) < most:
            found.append(following)
            following = bitmap.next(following, down)
    except VenueError:
        # Without the extension nothing further out is known.
        pass
    return found


def _orders(array: int, slot: int, tick: int, sqrt_price: int, unfilled: int, down: bool) -> Orders | None:
    """The orders on a tick for a swap in the direction, which pays the price rounded in their favour."""
    if not unfilled:
        return None
    if unfilled > U64_MAX:
        raise refused("CalculateOverflow")
    square = sqrt_price * sqrt_price
    return Orders(array, slot, tick, unfilled, square >> 64 if down else -(-square >> 64))


def _whole(start: int, end: int, liquidity: int, rate: int, down: bool, on_input: bool) -> tuple[int, int, int]:
    """What moving all the way from `start` to `end` takes, pays and charges."""
    if down:
        moved = liquidity * (start - end)
        need_in, paid = -((-moved << 64) // (start * end)), moved >> 64
    else:
        moved = liquidity * (end - start)
        need_in, paid = -(-moved >> 64), (moved << 64) // (start * end)
    if moved < 0:
        raise refused("RequireGteViolated")
    if on_input:
        taken = -(-need_in * RATE_ONE // (RATE_ONE - rate))
        return taken, paid, taken - need_in
    # An output beyond the program's type must stay recognisable.
    fee = -(-paid * rate // RATE_ONE) if paid <= U64_MAX else 0
    return need_in, paid - fee, fee


def _added(liquidity: int, net: int) -> int:
    after = liquidity + net
    return after if 0 <= after <= U128_MAX else IMPOSSIBLE


def _possible(liquidity: int, net: int) -> int:
    if liquidity == IMPOSSIBLE:
        raise refused("LiquiditySubValueErr" if net < 0 else "LiquidityAddValueErr")
    return liquidity
