"""The trading fee of Meteora DAMM v2: base fee by schedule or rate limiter, dynamic fee by volatility.

Follows the source of MeteoraAg/damm-v2 (`base_fee/`, `state/fee.rs`, `math/fee_math.rs`). Rates are
numerators over `DENOMINATOR`. A point is a slot or a unix second, by the pool's activation type.
"""

from functools import lru_cache
from math import isqrt
from typing import NamedTuple

from activities.venues.errors import SwapRefused
from activities.venues.integers import U64_MAX, U128_MAX
from activities.venues.meteora.damm_v2_errors import refused

DENOMINATOR = 1_000_000_000
_BASIS_POINTS = 10_000
_ONE = 1 << 64
# The dynamic fee's scale: volatility and bin step are in basis points, so their squared product is over 1e20.
_VARIABLE_SCALE = 100_000_000_000

# The program's limits for sqrt prices (MIN_SQRT_PRICE, MAX_SQRT_PRICE).
_LOWEST_PRICE, _HIGHEST_PRICE = 4_295_048_016, 79_226_673_521_066_979_257_578_248_091
_LEAST_BIN_STEP_Q64 = _ONE // 100_000

TIME_LINEAR, TIME_EXPONENTIAL, RATE_LIMITER, CAP_LINEAR, CAP_EXPONENTIAL = range(5)


class BaseFee(NamedTuple):
    """The base fee in its stored form.

    `steps` is the number of periods, or the limiter's increment in basis points; `timing` the time
    schedule's frequency, or two u32: price step in basis points and expiry (market-cap schedule), duration
    and highest fee in basis points (limiter); `factor` the reduction per period, or the limiter's reference
    amount.
    """

    cliff: int
    mode: int
    steps: int
    timing: int
    factor: int

    def limits(self, a_to_b: bool, point: int, activation: int) -> bool:
        """Whether the rate limiter applies: to purchases of A, for its duration after the activation."""
        if self.mode != RATE_LIMITER or a_to_b or not (self.steps or self.timing or self.factor):
            return False
        return point <= activation + (self.timing & 0xFFFF_FFFF)

    def scheduled(self, point: int, activation: int, sqrt_price: int, initial_sqrt_price: int) -> int:
        """The rate where no limiter applies; `point` is not before `activation`."""
        mode, timing = self.mode, self.timing
        if mode == RATE_LIMITER or (mode <= TIME_EXPONENTIAL and timing == 0):
            return self.cliff
        if mode <= TIME_EXPONENTIAL:
            periods = min((point - activation) // timing, self.steps)
        elif mode <= CAP_EXPONENTIAL:
            periods = self._price_periods(point, activation, sqrt_price, initial_sqrt_price)
        else:
            raise refused("InvalidBaseFeeMode")
        if mode in (TIME_LINEAR, CAP_LINEAR):
            rate = self.cliff - self.factor * periods
            if rate < 0:
                raise refused("MathOverflow")
            return rate
        return self.cliff * _decay(self.factor, periods) >> 64

    def _price_periods(self, point: int, activation: int, sqrt_price: int, initial_sqrt_price: int) -> int:
        step, expiry = self.timing & 0xFFFF_FFFF, self.timing >> 32
        if activation + expiry > U64_MAX:
            raise refused("MathOverflow")
        if point > activation + expiry:
            return self.steps
        if sqrt_price <= initial_sqrt_price:
            return 0
        if initial_sqrt_price == 0 or step == 0:
            raise refused("MathOverflow")
        risen = (sqrt_price - initial_sqrt_price) * _BASIS_POINTS // initial_sqrt_price
        return min(risen // step, self.steps)

    def limited_of_gross(self, amount: int) -> int:
        """The limiter's rate for an input `amount` that holds its fee: slices of the reference amount pay
        a rate that rises by the increment up to the highest, the sum is turned back into one rate."""
        cliff, reference = self.cliff, self.factor
        if amount <= reference:
            return cliff
        if reference == 0:
            raise SwapRefused("division_by_zero")
        slices, rest = divmod(amount - reference, reference)
        top_rate, increment, top_slice = self._limits()
        if slices < top_slice:
            sliced, rest_rate = slices, cliff + increment * (slices + 1)
        else:
            sliced, rest_rate = top_slice, top_rate
            rest += (slices - top_slice) * reference
        total = reference * (cliff + cliff * sliced + increment * sliced * (sliced + 1) // 2) + rest * rest_rate
        fee = -(-total // DENOMINATOR)
        if fee > U64_MAX:
            raise refused("TypeCastFailed")
        return rate_of(fee, amount)

    def limited_of_net(self, net: int) -> int:
        """The limiter's rate for an input of which `net` is left without the fee."""
        cliff, reference = self.cliff, self.factor
        if net <= self._net_of(reference):
            return cliff
        top_rate, increment, top_slice = self._limits()
        top_amount = (top_slice + 1) * reference
        capped = top_amount > U64_MAX
        top_amount = min(top_amount, U64_MAX)
        top_net = self._net_of(top_amount)
        if net == top_net:
            return self.limited_of_gross(top_amount)
        if net < top_net:
            gross = self._gross_below_top(net, increment)
        elif capped:
            raise refused("MathOverflow")
        else:
            gross = top_amount + including(top_rate, net - top_net)
            if gross > U64_MAX:
                raise refused("MathOverflow")
        if gross < net:
            raise refused("MathOverflow")
        rate = rate_of(gross - net, gross)
        if rate < cliff:
            raise refused("UndeterminedError")
        return rate

    def _gross_below_top(self, net: int, increment: int) -> int:
        """Solve the quadratic of whole slices, then fill what is left at the next slice's rate."""
        cliff, reference = self.cliff, self.factor
        if reference == 0:
            raise refused("MathOverflow")
        linear = 2 * DENOMINATOR * reference + increment * reference - 2 * cliff * reference
        discriminant = linear * linear - 8 * increment * net * DENOMINATOR * reference
        if discriminant < 0:
            raise refused("MathOverflow")
        whole = (linear - isqrt(discriminant)) // (2 * increment)
        if not 0 <= whole <= U64_MAX:
            raise refused("TypeCastFailed")
        left = net - self._net_of(whole)
        if left < 0:
            raise refused("MathOverflow")
        gross = whole + including(cliff + increment * (whole // reference), left)
        if gross > U64_MAX:
            raise refused("TypeCastFailed")
        return gross

    def _net_of(self, gross: int) -> int:
        net = gross - -(-gross * self.limited_of_gross(gross) // DENOMINATOR)
        if net < 0:
            raise refused("MathOverflow")
        return net

    def _limits(self) -> tuple[int, int, int]:
        """Highest rate, increment, and the number of increments between the cliff and the highest rate."""
        top_rate = (self.timing >> 32) * DENOMINATOR // _BASIS_POINTS
        increment = self.steps * DENOMINATOR // _BASIS_POINTS
        if top_rate < self.cliff or increment == 0:
            raise refused("MathOverflow")
        return top_rate, increment, (top_rate - self.cliff) // increment


class DynamicFee(NamedTuple):
    """The dynamic fee's parameters and state; `accumulator` and `reference` are volatility."""

    max_accumulator: int
    control: int
    bin_step: int
    filter_period: int
    decay_period: int
    reduction: int
    last_update: int
    bin_step_q64: int
    sqrt_price_reference: int
    accumulator: int
    reference: int

    def rate(self) -> int:
        """The rate on top of the base fee, from the stored volatility."""
        volatility = self.accumulator * self.bin_step
        if volatility > U128_MAX:
            raise refused("MathOverflow")
        squared = volatility * volatility
        if squared > U128_MAX:
            raise refused("TypeCastFailed")
        scaled = squared * self.control + _VARIABLE_SCALE - 1
        if scaled > U128_MAX:
            raise refused("MathOverflow")
        return scaled // _VARIABLE_SCALE

    def surely_moves(self, before: int, after: int) -> bool:
        """Whether `moved` between these sqrt prices cannot fail, so that a quote need not compute it.

        Within the program's price limits ratios stay under 2^128; with a bin step of at least a tenth of a
        basis point and volatility of 64 bits no product overflows.
        """
        return (
            self.bin_step_q64 >= _LEAST_BIN_STEP_Q64
            and self.accumulator <= U64_MAX >= self.reference
            and _LOWEST_PRICE <= before <= _HIGHEST_PRICE
            and _LOWEST_PRICE <= after <= _HIGHEST_PRICE
            and _LOWEST_PRICE <= self.sqrt_price_reference <= _HIGHEST_PRICE
        )

    def moved(self, before: int, after: int, now: int) -> "DynamicFee":
        """The state after a swap from one sqrt price to another: references first, then the volatility."""
        anchor, reference, last_update = self.sqrt_price_reference, self.reference, self.last_update
        # The program's subtraction saturates: a clock behind the last update counts as no time.
        elapsed = max(now - last_update, 0)
        if elapsed >= self.filter_period:
            anchor, reference = before, 0
            if elapsed < self.decay_period:
                reference = self.accumulator * self.reduction
                if reference > U128_MAX:
                    raise refused("MathOverflow")
                reference //= _BASIS_POINTS
        volatility = reference + self._bins(after, anchor) * _BASIS_POINTS
        if volatility > U128_MAX:
            raise refused("MathOverflow")
        if self._bins(before, after) > 0:
            last_update = now
        return self._replace(
            sqrt_price_reference=anchor,
            reference=reference,
            accumulator=min(volatility, self.max_accumulator),
            last_update=last_update,
        )

    def _bins(self, one: int, other: int) -> int:
        """The distance of two sqrt prices in bins, twice that of the square roots."""
        lower, upper = (other, one) if one > other else (one, other)
        if lower == 0 or self.bin_step_q64 == 0:
            raise refused("MathOverflow")
        ratio = (upper << 64) // lower
        bins = (ratio - _ONE) // self.bin_step_q64 * 2
        if ratio > U128_MAX or bins * _BASIS_POINTS > U128_MAX:
            raise refused("MathOverflow")
        return bins


def including(rate: int, net: int) -> int:
    """The least amount that leaves `net` after a fee of `rate`, as the program computes it."""
    if rate >= DENOMINATOR:
        raise refused("MathOverflow")
    gross = -(-net * DENOMINATOR // (DENOMINATOR - rate))
    if gross > U64_MAX:
        raise refused("TypeCastFailed")
    return gross


def rate_of(fee: int, amount: int) -> int:
    """The least rate at which `amount` pays `fee`."""
    if amount == 0:
        raise refused("MathOverflow")
    rate = -(-fee * DENOMINATOR // amount)
    if rate > U64_MAX:
        raise refused("TypeCastFailed")
    return rate


@lru_cache(maxsize=4096)
def _decay(reduction: int, periods: int) -> int:
    """(1 - reduction / 10,000) ^ periods in Q64, squaring and flooring as the program does."""
    if reduction == 0:
        return _ONE
    base = _ONE - (reduction << 64) // _BASIS_POINTS
    if base < 0:
        raise refused("MathOverflow")
    result = _ONE
    exponent = periods
    while exponent:
        if exponent & 1:
            result = result * base >> 64
        base = base * base >> 64
        exponent >>= 1
    if result == 0:
        raise refused("MathOverflow")
    return result
