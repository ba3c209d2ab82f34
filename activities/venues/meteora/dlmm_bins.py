"""Meteora DLMM bins: the price of each, and which bin arrays hold liquidity.

Bitmaps: the pair itself marks arrays -512 to 511 (bit = index + 512), its extension 6,144 more on either
side: bit j of the positive half is array 512 + j, of the negative half array -513 - j.
"""

from functools import lru_cache

from solders.pubkey import Pubkey

from activities.venues.errors import SwapRefused
from activities.venues.integers import U128_MAX
from activities.venues.meteora.dlmm_errors import refused
from activities.venues.meteora.dlmm_layout import bin_array_address

PRICE_BITS = 64
_ONE = 1 << PRICE_BITS

_HALF = 512
_EXTENSION_HALF_BYTES = 768


@lru_cache(maxsize=65_536)
def bin_price(bin_id: int, bin_step: int) -> int:
    """The Q64.64 price (base units of Y for one of X) of a bin: (1 + bin_step / 10000) ** bin_id.

    Rounded as the program does: the power of the inverted base, every product shifted down, inverted back.
    Raises SwapRefused where the result does not fit.
    """
    base = _ONE + (bin_step << PRICE_BITS) // 10_000
    exponent, square, power = abs(bin_id), U128_MAX // base, _ONE
    if bin_id == 0:
        return _ONE
    while exponent:
        if exponent & 1:
            power = power * square >> PRICE_BITS
        square = square * square >> PRICE_BITS
        exponent >>= 1
    if power == 0:
        raise refused("MathOverflow")
    return power if bin_id < 0 else U128_MAX // power


def next_array(bitmap: bytes, extension: bytes | None, index: int, downwards: bool) -> int:
    """The first array with liquidity from `index` on, itself included.

    Raises SwapRefused as the program does when there is none, or when the search leaves the pair's own
    bitmap and the pair has no extension.
    """
    found = _search_down(bitmap, extension, index) if downwards else _search_up(bitmap, extension, index)
    if found is None:
        raise refused("CannotFindNonZeroLiquidityBinArrayId")
    return found


# Fetching and decoding ask the same of the same bitmap again and again.
@lru_cache(maxsize=8_192)
def arrays_ahead(
    pair: Pubkey, bitmap: bytes, extension: bytes | None, index: int, downwards: bool, count: int
) -> tuple[tuple[int, Pubkey], ...]:
    """Up to `count` arrays with liquidity from `index` on in travel order, with their addresses."""
    found: list[tuple[int, Pubkey]] = []
    try:
        while len(found) < count:
            index = next_array(bitmap, extension, index, downwards)
            found.append((index, bin_array_address(pair, index)))
            index += -1 if downwards else 1
    except SwapRefused:
        pass
    return tuple(found)


@lru_cache(maxsize=8_192)
def arrays_around(
    pair: Pubkey, bitmap: bytes, extension: bytes | None, index: int, count: int
) -> tuple[tuple[int, Pubkey], ...]:
    """Up to `count` arrays with liquidity in either direction from `index` on, each once."""
    down = arrays_ahead(pair, bitmap, extension, index, True, count)
    up = arrays_ahead(pair, bitmap, extension, index, False, count)
    return tuple(dict.fromkeys((*down, *up)))


def _search_down(bitmap: bytes, extension: bytes | None, index: int) -> int | None:
    if index >= _HALF:
        bits = _positive(extension) & ((2 << (index - _HALF)) - 1)
        if bits:
            return _HALF - 1 + bits.bit_length()
        index = _HALF - 1
    if index >= -_HALF:
        bits = int.from_bytes(bitmap, "little") & ((2 << (index + _HALF)) - 1)
        if bits:
            return bits.bit_length() - 1 - _HALF
        index = -_HALF - 1
    bits = _negative(extension) >> (-_HALF - 1 - index)
    return index - _lowest(bits) if bits else None


def _search_up(bitmap: bytes, extension: bytes | None, index: int) -> int | None:
    if index < -_HALF:
        bits = _negative(extension) & ((2 << (-_HALF - 1 - index)) - 1)
        if bits:
            return -_HALF - bits.bit_length()
        index = -_HALF
    if index < _HALF:
        bits = int.from_bytes(bitmap, "little") >> (index + _HALF)
        if bits:
            return index + _lowest(bits)
        index = _HALF
    bits = _positive(extension) >> (index - _HALF)
    return index + _lowest(bits) if bits else None


def _lowest(bits: int) -> int:
    """The position of the lowest set bit."""
    return (bits & -bits).bit_length() - 1


def without_array(bitmap: bytes, extension: bytes | None, index: int) -> tuple[bytes, bytes | None]:
    """The pair's bitmap and its extension with the mark of array `index` taken away."""
    if -_HALF <= index < _HALF:
        return _cleared(bitmap, index + _HALF), extension
    if extension is None:
        raise refused("BitmapExtensionAccountIsNotProvided")
    bit = index - _HALF if index >= 0 else 8 * _EXTENSION_HALF_BYTES - _HALF - 1 - index
    return bitmap, _cleared(extension, bit)


def _cleared(bits: bytes, bit: int) -> bytes:
    return (int.from_bytes(bits, "little") & ~(1 << bit)).to_bytes(len(bits), "little")


def _positive(extension: bytes | None) -> int:
    if extension is None:
        raise refused("BitmapExtensionAccountIsNotProvided")
    return int.from_bytes(extension[:_EXTENSION_HALF_BYTES], "little")


def _negative(extension: bytes | None) -> int:
    if extension is None:
        raise refused("BitmapExtensionAccountIsNotProvided")
    return int.from_bytes(extension[_EXTENSION_HALF_BYTES:], "little")
