"""Prices of ticks and amounts of price moves in a concentrated-liquidity pool, as the program rounds them.

Square root prices are Q64.64 of token 1 per token 0, liquidity is the program's u128. Formulas: Uniswap v3
(whitepaper, sections 6.2 and 6.3), in the number formats of Raydium's `tick_math` and `sqrt_price_math`.
"""

from functools import lru_cache

from activities.venues.integers import U128_MAX

MIN_TICK = -443_636
MAX_TICK = 443_636
MIN_SQRT_PRICE = 4_295_048_016
MAX_SQRT_PRICE = 79_226_673_521_066_979_257_578_248_091

# 2^64 / sqrt(1.0001)^(2^i), rounded as the program has it (libraries/tick_math).
_FACTORS = (
    0xFFFCB933BD6FB800,
    0xFFF97272373D4000,
    0xFFF2E50F5F657000,
    0xFFE5CACA7E10F000,
    0xFFCB9843D60F7000,
    0xFF973B41FA98E800,
    0xFF2EA16466C9B000,
    0xFE5DEE046A9A3800,
    0xFCBE86C7900BB000,
    0xF987A7253AC65800,
    0xF3392B0822BB6000,
    0xE7159475A2CAF000,
    0xD097F3BDFD2F2000,
    0xA9F746462D9F8000,
    0x70D869A156F31C00,
    0x31BE135F97ED3200,
    0x9AA508B5B85A500,
    0x5D6AF8DEDC582C,
    0x2216E584F5FA,
)
# The program's logarithm has 16 fractional bits of log2, 2^32 / log2(sqrt(1.0001)) turns it into ticks, and
# the two margins bound its error.
_LOG_BITS = 16
_TICKS_PER_LOG2 = 59_543_866_431_248
_LOW_MARGIN = 184_467_440_737_095_516
_HIGH_MARGIN = 15_793_534_762_490_258_745


@lru_cache(maxsize=1 << 16)
def sqrt_price_at(tick: int) -> int:
    """The square root price of `tick`, which must lie within MIN_TICK and MAX_TICK."""
    ratio = 1 << 64
    bits = abs(tick)
    for factor in _FACTORS:
        if bits & 1:
            ratio = ratio * factor >> 64
        bits >>= 1
    return U128_MAX // ratio if tick > 0 else ratio


def tick_at(sqrt_price: int) -> int:
    """The greatest tick whose price is at most `sqrt_price`, of MIN_SQRT_PRICE up to below MAX_SQRT_PRICE."""
    top = sqrt_price.bit_length() - 1
    mantissa = sqrt_price >> top - 63 if top >= 64 else sqrt_price << 63 - top
    fraction = 0
    for _ in range(_LOG_BITS):
        mantissa *= mantissa
        carry = mantissa >> 127
        mantissa >>= 63 + carry
        fraction = fraction << 1 | carry
    ticks = ((top - 64 << 32) + (fraction << 32 - _LOG_BITS)) * _TICKS_PER_LOG2
    low = ticks - _LOW_MARGIN >> 64
    high = ticks + _HIGH_MARGIN >> 64
    return high if low != high and sqrt_price_at(high) <= sqrt_price else low


def price_after_input(sqrt_price: int, liquidity: int, amount: int, down: bool) -> int:
    """The square root price after `amount` of the input token is added, rounded towards `sqrt_price`'s side.

    `down` sells token 0. Liquidity must be positive.
    """
    if not down:
        return sqrt_price + (amount << 64) // liquidity
    scaled = liquidity << 64
    return -(-scaled * sqrt_price // (scaled + amount * sqrt_price))


def price_after_output(sqrt_price: int, liquidity: int, amount: int, down: bool) -> int:
    """The square root price after `amount` of the output token is taken, rounded away from `sqrt_price`.

    `down` buys token 1. The liquidity must be positive and hold more than `amount`.
    """
    if down:
        return sqrt_price + (-amount << 64) // liquidity
    scaled = liquidity << 64
    return -(-scaled * sqrt_price // (scaled - amount * sqrt_price))


def amounts_between(start: int, end: int, liquidity: int, down: bool) -> tuple[int, int]:
    """What a move from price `start` to `end` takes in, rounded up, and pays out, rounded down."""
    if down:
        moved = liquidity * (start - end)
        return -((-moved << 64) // (start * end)), moved >> 64
    moved = liquidity * (end - start)
    return -(-moved >> 64), (moved << 64) // (start * end)


def paid_between(start: int, end: int, liquidity: int, down: bool) -> int:
    """What a move from price `start` to `end` pays out, rounded down."""
    if down:
        return liquidity * (start - end) >> 64
    return (liquidity * (end - start) << 64) // (start * end)
