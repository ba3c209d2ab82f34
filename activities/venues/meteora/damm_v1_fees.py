"""The fees of a DAMM v1 pool: a constant rate, or one that falls by a schedule after the activation.

Rules: MeteoraAg/damm-v1-sdk, `PoolFees::trading_fee` and `get_latest_pool_fees` (the schedule was read there,
not seen running).
"""

from struct import Struct
from typing import NamedTuple

from activities.venues.errors import SwapRefused
from activities.venues.integers import U64_MAX
from activities.venues.meteora.damm_v1_vault import math_overflow

# Seven points of the schedule, each (fee in basis points, slot or second from which it holds).
_POINTS = Struct("<" + "HQ" * 7)
# A schedule states basis points, the pool's rates are over 100,000.
_NUMERATOR_PER_BASIS_POINT = 10


class FeeSchedule(NamedTuple):
    """Rates by slot or second: steps, or straight lines between the points when `linear`."""

    linear: bool
    points: tuple[tuple[int, int], ...]

    def numerator(self, point: int) -> int:
        """The trade fee numerator at `point`."""
        return self._basis_points(point) * _NUMERATOR_PER_BASIS_POINT

    def _basis_points(self, point: int) -> int:
        for index, (basis_points, start) in enumerate(self.points):
            if start < point:
                continue
            if index == 0:
                return basis_points
            before, before_start = self.points[index - 1]
            if not self.linear or start == before_start:
                return before
            weighted = basis_points * (point - before_start) + before * (start - point)
            if start < before_start or not 0 <= weighted <= U64_MAX:
                raise math_overflow()
            # Kept in 16 bits there, as the points themselves are.
            return weighted // (start - before_start) & 0xFFFF
        return self.points[-1][0]


def read_schedule(kind: int, points: bytes) -> FeeSchedule | None:
    """Decode a schedule from its type (0 none, 1 steps, 2 linear) and the bytes of its points."""
    if kind == 0:
        return None
    values = _POINTS.unpack(points)
    return FeeSchedule(kind == 2, tuple(zip(values[::2], values[1::2], strict=True)))


class PoolFees(NamedTuple):
    """The trade fee, taken from the input, and the protocol's part of it, each a numerator over a denominator."""

    numerator: int
    denominator: int
    protocol_numerator: int
    protocol_denominator: int
    schedule: FeeSchedule | None

    def of(self, amount_in: int, point: int) -> tuple[int, int]:
        """The whole trade fee of `amount_in` at slot or second `point`, and the protocol's part of it."""
        numerator = self.numerator if self.schedule is None else self.schedule.numerator(point)
        fee = _fee(amount_in, numerator, self.denominator)
        return fee, _fee(fee, self.protocol_numerator, self.protocol_denominator)


def _fee(amount: int, numerator: int, denominator: int) -> int:
    """A rate rounded down, but never to nothing."""
    if numerator == 0 or amount == 0:
        return 0
    if denominator == 0:
        raise SwapRefused("FeeCalculationFailure", 6003)
    return max(1, amount * numerator // denominator)
