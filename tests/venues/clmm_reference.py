"""A CLMM swap done the program's way, step by step from what is left: slow, and there to be compared with.

Follows the order of raydium-clmm `swap_internal`, `compute_swap` and `match_limit_order` over a `PoolSpec`,
without the shortcuts of `activities.venues.raydium`: ticks are looked for one after the other, and every step
is computed from the amount that remains.
"""

from collections import defaultdict
from dataclasses import dataclass

from activities.venues.raydium.clmm_math import MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, MIN_TICK, sqrt_price_at
from tests.venues.clmm_states import PoolSpec

ONE = 10**6
Q64 = 1 << 64
U64_MAX = Q64 - 1


class Refused(Exception):
    """The program would not carry the swap out."""


@dataclass
class Volatility:
    """The dynamic fee while a swap runs."""

    filter_period: int
    decay_period: int
    reduction: int
    control: int
    most: int
    index_reference: int
    reference: int
    accumulator: int
    updated: int

    def refer(self, index: int, now: int) -> None:
        elapsed = max(now - self.updated, 0)
        if elapsed >= self.filter_period:
            decays = elapsed < self.decay_period
            self.reference = self.accumulator * self.reduction // 10_000 if decays else 0
            self.index_reference, self.updated = index, now

    def accumulate(self, index: int) -> None:
        self.accumulator = min(self.reference + abs(self.index_reference - index) * 10_000, self.most)

    def rate(self, base: int, spacing: int) -> int:
        dynamic = cdiv(self.control * (self.accumulator * spacing) ** 2, 10**13)
        return min(base + min(dynamic, 100_000), 100_000)


class ReferenceSwap:
    """One swap at the pool, in amounts without transfer fees; the result is in the attributes."""

    def __init__(self, spec: PoolSpec, down: bool, exact_in: bool, amount: int, limit: int, now: int) -> None:
        self.spec, self.down, self.exact_in = spec, down, exact_in
        self.left, self.other, self.fee = amount, 0, 0
        self.price = sqrt_price_at(spec.tick) if spec.sqrt_price is None else spec.sqrt_price
        self.tick = spec.tick
        self.liquidity = sum(held for lower, upper, held in spec.positions if lower <= spec.tick < upper)
        self.limit = limit or (MIN_SQRT_PRICE + 1 if down else MAX_SQRT_PRICE - 1)
        self.on_input = {0: True, 1: down, 2: not down}[spec.fee_on]
        self.orders = {tick: [order.orders, order.part_filled] for tick, order in spec.orders.items()}
        self.net: dict[int, int] = defaultdict(int)
        self.gross: dict[int, int] = defaultdict(int)
        for lower, upper, held in spec.positions:
            self.net[lower] += held
            self.net[upper] -= held
            self.gross[lower] += held
            self.gross[upper] += held
        self.volatility = None if spec.dynamic is None else Volatility(*spec.dynamic)
        self.index = spec.tick // spec.spacing
        if self.volatility is not None:
            self.volatility.refer(self.index, now)
        while self.left and self.price != self.limit:
            self._to_next_tick()
        self.amount_in = amount - self.left if exact_in else self.other
        self.amount_out = self.other if exact_in else amount - self.left

    def _to_next_tick(self) -> None:
        tick = self._next_tick()
        tick_price = sqrt_price_at(tick)
        target = max(tick_price, self.limit) if self.down else min(tick_price, self.limit)
        liquidity_next = self.liquidity
        while True:
            rate, passes, end = self.spec.trade_rate, True, target
            if self.volatility is not None:
                self.volatility.accumulate(self.index)
                rate = self.volatility.rate(self.spec.trade_rate, self.spec.spacing)
                passes, end = self._bounded(target)
            reached = self._move(end, rate) if self.price != end else end
            if reached == tick_price:
                self._match(tick, rate)
                if self.gross[tick] and not self._unfilled(tick):
                    liquidity_next = self.liquidity + (-self.net[tick] if self.down else self.net[tick])
                held = bool(self._unfilled(tick))
                self.tick = tick - 1 if self.down != held else tick
            elif reached != self.price:
                self.tick = tick_of(reached)
            self.price = reached
            self._advance(tick, tick_price, passes)
            if not self.left or self.price == target:
                break
        self.liquidity = liquidity_next

    def _next_tick(self) -> int:
        used = sorted(
            {tick for tick, held in self.gross.items() if held} | {t for t in self.orders if self._unfilled(t)}
        )
        ahead = [t for t in used if t <= self.tick] if self.down else [t for t in used if t > self.tick]
        if not ahead:
            raise Refused("no more liquidity")
        return ahead[-1] if self.down else ahead[0]

    def _unfilled(self, tick: int) -> int:
        return sum(self.orders.get(tick, (0, 0)))

    def _bounded(self, target: int) -> tuple[bool, int]:
        assert self.volatility is not None
        if not self.liquidity or self.volatility.accumulator == self.volatility.most:
            return True, target
        bound = (self.index if self.down else self.index + 1) * self.spec.spacing
        price = sqrt_price_at(min(max(bound, MIN_TICK), MAX_TICK))
        return False, max(target, price) if self.down else min(target, price)

    def _advance(self, tick: int, tick_price: int, passes: bool) -> None:
        if self.volatility is None:
            return
        if passes:
            at = tick if self.price == tick_price else self.tick
            self.index = at // self.spec.spacing
            if not self.down and at % self.spec.spacing == 0:
                self.index -= 1
            if self.volatility.accumulator != self.volatility.most:
                self.volatility.accumulate(self.index)
        self.index += -1 if self.down else 1

    def _move(self, end: int, rate: int) -> int:
        """Move towards the price `end`; the price reached."""
        if self.exact_in:
            calculated = self.left * (ONE - rate) // ONE if self.on_input else self.left
        else:
            calculated = self.left if self.on_input else cdiv(self.left * ONE, ONE - rate)
        need_in, need_out = self._amounts(end)
        reached = end
        if calculated < (need_in if self.exact_in else need_out):
            reached = self._price_after(calculated)
            need_in, need_out = self._amounts(reached)
        if self.on_input:
            if not self.exact_in:
                need_out = min(need_out, self.left)
            fee = cdiv(need_in * rate, ONE - rate)
            if self.exact_in and reached != end:
                fee = self.left - need_in
        else:
            gross, fee = need_out, cdiv(need_out * rate, ONE)
            need_out = gross - fee
            if not self.exact_in and need_out > self.left:
                need_out, fee = self.left, gross - self.left
            if self.exact_in and reached != end:
                need_in = self.left
        self._apply(need_in, need_out, fee)
        return reached

    def _amounts(self, end: int) -> tuple[int, int]:
        low, high = sorted((self.price, end))
        token_0 = self.liquidity * Q64 * (high - low)
        token_1 = self.liquidity * (high - low)
        if self.down:
            return cdiv(cdiv(token_0, high), low), token_1 // Q64
        return cdiv(token_1, Q64), token_0 // high // low

    def _price_after(self, amount: int) -> int:
        scaled = self.liquidity * Q64
        if self.down == self.exact_in:
            divisor = scaled + amount * self.price * (1 if self.exact_in else -1)
            return cdiv(scaled * self.price, divisor)
        if self.exact_in:
            return self.price + amount * Q64 // self.liquidity
        return self.price - cdiv(amount * Q64, self.liquidity)

    def _match(self, tick: int, rate: int) -> None:
        unfilled = self._unfilled(tick)
        if not self.left or not unfilled:
            return
        square = sqrt_price_at(tick) ** 2
        price = square // Q64 if self.down else cdiv(square, Q64)
        fee = 0
        if self.exact_in:
            fee = cdiv(self.left * rate, ONE) if self.on_input else 0
            taken = self.left - fee
            filled = taken * price // Q64 if self.down else taken * Q64 // price
            if filled > unfilled:
                filled, taken = unfilled, self._cost(unfilled, price)
                fee = cdiv(taken * rate, ONE - rate) if self.on_input else 0
        else:
            filled = min(self.left, unfilled)
            if not self.on_input:
                filled = min(cdiv(filled * ONE, ONE - rate), unfilled)
            taken = self._cost(filled, price)
            fee = cdiv(taken * rate, ONE - rate) if self.on_input else 0
        fresh, part_filled = self.orders[tick]
        from_part = min(part_filled, filled)
        if filled > from_part:
            fresh, part_filled = 0, fresh - (filled - from_part)
        else:
            part_filled -= from_part
        self.orders[tick] = [fresh, part_filled]
        if not self.on_input:
            fee = cdiv(filled * rate, ONE)
            filled -= fee
        self._apply(taken, filled, fee)

    def _cost(self, filled: int, price: int) -> int:
        return cdiv(filled * Q64, price) if self.down else cdiv(filled * price, Q64)

    def _apply(self, taken: int, paid: int, fee: int) -> None:
        consumed = taken + fee if self.on_input else taken
        self.left -= consumed if self.exact_in else paid
        self.other += paid if self.exact_in else consumed
        self.fee += fee
        if self.left < 0 or self.other > U64_MAX:
            raise Refused("beyond 64 bits")


def cdiv(number: int, divisor: int) -> int:
    """`number / divisor`, rounded up."""
    return -(-number // divisor)


def tick_of(sqrt_price: int) -> int:
    """The greatest tick whose price is at most `sqrt_price`, by halving."""
    low, high = MIN_TICK, MAX_TICK
    while low < high:
        middle = (low + high + 1) // 2
        if sqrt_price_at(middle) <= sqrt_price:
            low = middle
        else:
            high = middle - 1
    return low
