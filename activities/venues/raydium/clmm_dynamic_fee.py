"""The dynamic fee of Raydium CLMM pools (2026): the rate rises with the tick spacings that a swap crosses.

Rules: raydium-clmm `states/pool_fee.rs`, and `SwapState` in `instructions/swap.rs`.
"""

from typing import NamedTuple

from activities.venues.raydium.clmm_errors import refused
from activities.venues.raydium.clmm_math import MAX_TICK, MIN_TICK, sqrt_price_at, tick_at

# The ceiling of base plus dynamic rate in millionths, and the scales of volatility and of its control.
_MAX_DYNAMIC_TOTAL = 100_000
_VOLATILITY_SCALE = 10_000
_REDUCTION_ONE = 10_000
_CONTROL_SCALE = 100_000 * _VOLATILITY_SCALE**2
_U32_MAX = (1 << 32) - 1


class DynamicFee(NamedTuple):
    """A fee that rises with the tick spacings crossed: settings, then what swaps leave behind.

    Periods in seconds, volatilities in ten-thousandths of a spacing, `updated` in Unix seconds.
    """

    filter_period: int
    decay_period: int
    reduction: int
    control: int
    max_volatility: int
    index_reference: int
    volatility_reference: int
    volatility: int
    updated: int

    def referred(self, index: int, now: int) -> "DynamicFee":
        """The fee with its references as a swap that starts at spacing `index` at `now` finds them."""
        elapsed = max(now - self.updated, 0)
        if elapsed < self.filter_period:
            return self
        decays = elapsed < self.decay_period
        # The program narrows the product to 32 bits without a check.
        reference = self.volatility * self.reduction // _REDUCTION_ONE & _U32_MAX if decays else 0
        return self._replace(index_reference=index, volatility_reference=reference, updated=now)

    def volatility_at(self, index: int) -> int:
        """The volatility of trading at spacing `index`."""
        moved = abs(self.index_reference - index) * _VOLATILITY_SCALE
        return min(self.volatility_reference + moved, self.max_volatility)

    def total_rate(self, base: int, volatility: int, spacing: int) -> int:
        """The whole trade fee rate in millionths at `volatility`."""
        crossed = volatility * spacing
        if crossed > _U32_MAX:
            raise refused("CalculateOverflow")
        dynamic = -(-self.control * crossed * crossed // _CONTROL_SCALE)
        return min(base + dynamic, _MAX_DYNAMIC_TOTAL)


class Leg(NamedTuple):
    """A stretch at one fee rate.

    `end` is the square root price where it ends; `tick` that price's tick where a spacing ends there, None
    where the swap asked to go no further. `rate` is in millionths, `volatility` the one when it is done.
    """

    end: int
    tick: int | None
    rate: int
    volatility: int


class SpacingFee:
    """The dynamic fee of one swap as it moves from spacing to spacing."""

    __slots__ = ("_base", "_down", "_fee", "_index", "_spacing")

    def __init__(self, fee: DynamicFee, base: int, tick: int, spacing: int, down: bool) -> None:
        self._fee = fee
        self._base = base
        self._index = tick // spacing
        self._spacing = spacing
        self._down = down

    def leg(self, end: int, end_tick: int | None, liquidity: int) -> Leg:
        """The next stretch towards the square root price `end`, that of `end_tick` where it is a tick's."""
        fee, down, spacing = self._fee, self._down, self._spacing
        volatility = fee.volatility_at(self._index)
        rate = fee.total_rate(self._base, volatility, spacing)
        step = -1 if down else 1
        if liquidity and volatility != fee.max_volatility:
            bound = (self._index if down else self._index + 1) * spacing
            bound = min(max(bound, MIN_TICK), MAX_TICK)
            price = sqrt_price_at(bound)
            self._index += step
            if (price > end) if down else (price < end):
                return Leg(price, bound, rate, volatility)
        else:
            # At the ceiling, and where nothing trades, the swap passes over spacings.
            passed = tick_at(end) if end_tick is None else end_tick
            index = (passed if down else passed - 1) // spacing
            if volatility != fee.max_volatility:
                volatility = fee.volatility_at(index)
            self._index = index + step
        return Leg(end, None, rate, volatility)
