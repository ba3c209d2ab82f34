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
from activities.venues.raydium.clmm_math import MAX_TICK, MIN_TICK, amounts_between, sqrt_price_at, tick_at
from activities.venues.raydium.clmm_state import PROGRAM, DynamicFee, PoolState
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

    `need_in` and `need_out` are what the whole move takes and pays before fees; they may exceed 64 bits.
    `next_tick` and `next_liquidity` hold after it and after all `orders` at its end, `volatility` after it
    (`next_tick` None: the tick of the price). `crosses` when it ends at a tick in use.
    """

    start: int
    target: int
    liquidity: int
    rate: int
    need_in: int
    need_out: int
    next_tick: int | None
    next_liquidity: int
    crosses: bool
    orders: Orders | None = None
    volatility: int = 0


class Walk:
    """All segments from the current price to the square root price `limit`, selling token 0 when `down`.

    `visited` lists the indexes of the tick arrays read so far, `dynamic` the dynamic fee as it stands when
    the swap starts.
    """

    __slots__ = ("_arrays", "_base_rate", "_bitmap", "_down", "_limit", "_state", "dynamic", "visited")

    def __init__(
        self, state: PoolState, bitmap: ArrayBitmap, arrays: TickArrays, rate: int, down: bool, limit: int, now: int
    ) -> None:
        self._state = state
        self._bitmap = bitmap
        self._arrays = arrays
        self._base_rate = rate
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
        return self._plain() if self.dynamic is None else self._with_dynamic_fee(self.dynamic)

    def _plain(self) -> Iterator[Segment]:
        price, liquidity = self._state.sqrt_price, self._state.liquidity
        down, limit, rate = self._down, self._limit, self._base_rate
        for tick, tick_price, net, orders in self._ticks():
            target = max(tick_price, limit) if down else min(tick_price, limit)
            if (target > price) if down else (target < price):
                raise refused("RequireGteViolated")
            need_in, need_out = amounts_between(price, target, liquidity, down)
            if target != tick_price:
                yield Segment(price, target, liquidity, rate, need_in, need_out, None, liquidity, False)
                return
            after = _added(liquidity, net)
            next_tick = tick - 1 if down else tick
            yield Segment(price, target, liquidity, rate, need_in, need_out, next_tick, after, True, orders)
            if target == limit:
                return
            price, liquidity = target, _possible(after, net)

    def _with_dynamic_fee(self, fee: DynamicFee) -> Iterator[Segment]:
        price, liquidity, spacing = self._state.sqrt_price, self._state.liquidity, self._state.spacing
        down, limit = self._down, self._limit
        step = -1 if down else 1
        index = self._state.tick // spacing
        taken = 0
        for tick, tick_price, net, orders in self._ticks():
            target = max(tick_price, limit) if down else min(tick_price, limit)
            end = None
            while end != target:
                taken += 1
                if taken > MAX_SEGMENTS:
                    raise CannotLand("TooManySteps")
                volatility = fee.volatility_at(index)
                rate = fee.total_rate(self._base_rate, volatility, spacing)
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
                if (end > price) if down else (end < price):
                    raise refused("RequireGteViolated")
                index += step
                need_in, need_out = amounts_between(price, end, liquidity, down)
                if end == tick_price:
                    after = _added(liquidity, net)
                    next_tick = tick - 1 if down else tick
                    yield Segment(
                        price, end, liquidity, rate, need_in, need_out, next_tick, after, True, orders, volatility
                    )
                    liquidity = _possible(after, net)
                else:
                    yield Segment(
                        price, end, liquidity, rate, need_in, need_out, next_tick, liquidity, False, None, volatility
                    )
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
                tick = min(max(number, MIN_TICK), MAX_TICK)
                price = sqrt_price_at(tick)
                net = low | high << 64 if gross_low or gross_high else 0
                orders = None
                if fresh or part_filled:
                    if fresh + part_filled > U64_MAX:
                        raise refused("CalculateOverflow")
                    # In the pool's favour: token 0 is bought with it multiplied up, sold with it divided down.
                    square = price * price
                    order_price = square >> 64 if down else -(-square >> 64)
                    orders = Orders(index, slot, tick, fresh + part_filled, order_price)
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


def _added(liquidity: int, net: int) -> int:
    after = liquidity + net
    return after if 0 <= after <= U128_MAX else IMPOSSIBLE


def _possible(liquidity: int, net: int) -> int:
    if liquidity == IMPOSSIBLE:
        raise refused("LiquiditySubValueErr" if net < 0 else "LiquidityAddValueErr")
    return liquidity
