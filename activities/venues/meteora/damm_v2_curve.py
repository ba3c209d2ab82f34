"""The two curves of Meteora DAMM v2, without fees.

Follows the source of MeteoraAg/damm-v2 (`liquidity_handler/`). Square-root prices and liquidity are Q64.64;
intermediate products fit the program's 256 and 512 bits by their operands, so only results are checked.
"""

from math import isqrt
from typing import NamedTuple

from activities.venues.errors import SwapRefused
from activities.venues.integers import U64_MAX, U128_MAX
from activities.venues.meteora.damm_v2_errors import refused


class Range(NamedTuple):
    """Constant liquidity over one range of sqrt prices."""

    lowest: int
    highest: int
    sqrt_price: int
    liquidity: int

    def sell(self, a_to_b: bool, amount: int) -> tuple[int, int]:
        """Output and next sqrt price for all of `amount`; refused outside the range."""
        lowest, highest, price, liquidity = self
        if price == 0 or liquidity == 0:
            raise SwapRefused("no_liquidity")
        if a_to_b:
            after = -(-liquidity * price // (liquidity + amount * price))
            if after < lowest:
                raise refused("PriceRangeViolation")
            output = liquidity * (price - after) >> 128
        else:
            after = price + (amount << 128) // liquidity
            if after > U128_MAX:
                raise refused("TypeCastFailed")
            if after > highest:
                raise refused("PriceRangeViolation")
            output = liquidity * (after - price) // (after * price)
        if output > U64_MAX:
            raise refused("MathOverflow")
        return output, after

    def sell_up_to(self, a_to_b: bool, amount: int) -> tuple[int, int, int]:
        """Output, next sqrt price, and what of `amount` is left over at the edge of the range."""
        lowest, highest, price, liquidity = self
        if a_to_b:
            edge, most = lowest, amount_a(lowest, price, liquidity, up=True)
        else:
            edge, most = highest, amount_b(price, highest, liquidity, up=True)
        if amount < most:
            return *self.sell(a_to_b, amount), 0
        output = amount_b(edge, price, liquidity, up=False) if a_to_b else amount_a(price, edge, liquidity, up=False)
        if output > U64_MAX:
            raise refused("MathOverflow")
        return output, edge, amount - most

    def buy(self, a_to_b: bool, amount: int) -> tuple[int, int]:
        """Input and next sqrt price for an output of `amount`; refused outside the range."""
        lowest, highest, price, liquidity = self
        if price == 0 or liquidity == 0:
            raise SwapRefused("no_liquidity")
        if a_to_b:
            after = price - -(-(amount << 128) // liquidity)
            if after < 0:
                raise refused("MathOverflow")
            if after < lowest:
                raise refused("PriceRangeViolation")
            needed = amount_a(after, price, liquidity, up=True)
        else:
            left = liquidity - amount * price
            if left <= 0:
                raise refused("MathOverflow")
            after = -(-liquidity * price // left)
            if after > U128_MAX:
                raise refused("TypeCastFailed")
            if after > highest:
                raise refused("PriceRangeViolation")
            needed = amount_b(price, after, liquidity, up=True)
        if needed > U64_MAX:
            raise refused("MathOverflow")
        return needed, after

    def reserves(self, up: bool) -> tuple[int, int]:
        """What of A lies above the price and of B below it, up to the edges of the range."""
        return (
            amount_a(self.sqrt_price, self.highest, self.liquidity, up),
            amount_b(self.lowest, self.sqrt_price, self.liquidity, up),
        )


class Product(NamedTuple):
    """Constant product of the tracked reserves (collect fee mode 2, compounding); it has no edge."""

    reserve_a: int
    reserve_b: int

    def sell(self, a_to_b: bool, amount: int) -> tuple[int, int]:
        """Output for `amount`; the next price follows from the reserves, 0 stands for it."""
        reserve_in, reserve_out = self if a_to_b else (self.reserve_b, self.reserve_a)
        total = reserve_in + amount
        if total == 0 or total > U64_MAX:
            raise refused("MathOverflow")
        return reserve_out * amount // total, 0

    def sell_up_to(self, a_to_b: bool, amount: int) -> tuple[int, int, int]:
        """As `sell`, nothing left over."""
        return *self.sell(a_to_b, amount), 0

    def buy(self, a_to_b: bool, amount: int) -> tuple[int, int]:
        """Input for an output of `amount`, rounded up."""
        reserve_in, reserve_out = self if a_to_b else (self.reserve_b, self.reserve_a)
        if amount >= reserve_out:
            raise refused("MathOverflow")
        needed = -(-reserve_in * amount // (reserve_out - amount))
        if needed > U64_MAX:
            raise refused("TypeCastFailed")
        return needed, 0


def sqrt_price_of(reserve_a: int, reserve_b: int) -> int:
    """The Q64.64 square root of the price of B over A that a compounding pool stores after a swap."""
    if reserve_a == 0:
        raise refused("MathOverflow")
    return isqrt((reserve_b << 128) // reserve_a)


def amount_a(lower: int, upper: int, liquidity: int, up: bool) -> int:
    """A between two sqrt prices: L * (upper - lower) / (upper * lower)."""
    if lower == 0 or upper < lower:
        # The program asserts the one and overflows at the other.
        raise SwapRefused("price_out_of_range")
    amount = liquidity * (upper - lower)
    return -(-amount // (upper * lower)) if up else amount // (upper * lower)


def amount_b(lower: int, upper: int, liquidity: int, up: bool) -> int:
    """B between two sqrt prices: L * (upper - lower) over 2^128."""
    if upper < lower:
        raise refused("MathOverflow")
    amount = liquidity * (upper - lower)
    return -(-amount >> 128) if up else amount >> 128
