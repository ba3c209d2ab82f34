"""Which tick arrays of a pool have ticks in use: the pool's bitmap and its extension account.

Layouts: raydium-clmm `states/pool.rs` (`tick_array_bitmap`) and `states/tickarray_bitmap_extension.rs`.
"""

from collections.abc import Iterator
from functools import lru_cache

from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, MissingAccounts
from activities.venues.fetched import owned_data
from activities.venues.pool import Account
from activities.venues.raydium.clmm_errors import refused
from activities.venues.raydium.clmm_math import MAX_TICK
from activities.venues.raydium.clmm_state import PROGRAM, PROGRAM_ID, TICKS_PER_ARRAY

EXTENSION_SIZE = 1832
EXTENSION_DISCRIMINATOR = bytes.fromhex("3c9624db61808b99")

# Array indexes of the pool's own bitmap are -512 to 511; the extension has 14 blocks of 512 on either side.
_HALF = 512
_BLOCKS = 14
_BLOCK_BYTES = _HALF // 8
_WIDE_HALF = _HALF * (_BLOCKS + 1)
_POSITIVE, _NEGATIVE = 40, 40 + _BLOCKS * _BLOCK_BYTES

# The smallest spacing with which the pool's own bitmap spans all ticks, so that no extension is needed.
SPACING_WITHOUT_EXTENSION = 15


@lru_cache(maxsize=1 << 12)
def extension_address(pool: Pubkey) -> Pubkey:
    """The address of the pool's bitmap extension."""
    return Pubkey.find_program_address([b"pool_tick_array_bitmap_extension", bytes(pool)], PROGRAM_ID)[0]


class ArrayBitmap:
    """Which tick arrays have ticks in use: the pool's own 1,024 bits and, further out, the extension's.

    `extension` is the extension's data, None when that account does not exist, and the address to fetch
    when nobody looked. Arrays are named by their index; bits for arrays beyond the last tick are passed over.
    """

    __slots__ = ("_spacing", "_wide", "extension", "own")

    def __init__(self, own: int, extension: bytes | Pubkey | None, spacing: int) -> None:
        self.own = own
        self.extension = extension
        self._spacing = spacing
        self._wide: int | None = None

    def is_set(self, index: int) -> bool:
        """Whether the array has ticks in use; raises as `following` does."""
        if -_HALF <= index < _HALF:
            return bool(self.own >> index + _HALF & 1)
        return bool(self._all() >> index + _WIDE_HALF & 1)

    def following(self, index: int, down: bool) -> Iterator[int]:
        """The arrays with ticks in use below or above `index`, nearest first.

        Raises MissingAccounts when the extension has to be fetched to know more, SwapRefused when there is none.
        """
        end = MAX_TICK // (TICKS_PER_ARRAY * self._spacing) + 1
        if -_HALF <= index < _HALF:
            for position in _set_bits(self.own, index + _HALF, down):
                if abs(position - _HALF) > end:
                    return
                yield position - _HALF
            index = -_HALF if down else _HALF - 1
        for position in _set_bits(self._all(), index + _WIDE_HALF, down):
            if abs(position - _WIDE_HALF) > end:
                return
            yield position - _WIDE_HALF

    def without(self, index: int) -> "ArrayBitmap":
        """The bitmap with the bit of a set array cleared."""
        if -_HALF <= index < _HALF:
            return ArrayBitmap(self.own ^ 1 << index + _HALF, self.extension, self._spacing)
        assert isinstance(self.extension, bytes)
        wide = self._all() ^ 1 << index + _WIDE_HALF
        data = bytearray(self.extension)
        size = _BLOCKS * _BLOCK_BYTES
        low = (wide & (1 << _HALF * _BLOCKS) - 1).to_bytes(size, "little")
        data[_POSITIVE:_NEGATIVE] = (wide >> _WIDE_HALF + _HALF).to_bytes(size, "little")
        for block in range(_BLOCKS):
            start = size - _BLOCK_BYTES * (block + 1)
            offset = _NEGATIVE + _BLOCK_BYTES * block
            data[offset : offset + _BLOCK_BYTES] = low[start : start + _BLOCK_BYTES]
        return ArrayBitmap(self.own, bytes(data), self._spacing)

    def indexes(self) -> Iterator[int]:
        """All arrays with ticks in use, as far as the bitmap is at hand, ascending."""
        wide = self._all() if isinstance(self.extension, bytes) else self.own << _HALF * _BLOCKS
        end = MAX_TICK // (TICKS_PER_ARRAY * self._spacing) + 1
        named = (position - _WIDE_HALF for position in _set_bits(wide, -1, False))
        return (index for index in named if abs(index) <= end)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArrayBitmap):
            return NotImplemented
        return self.own == other.own and self.extension == other.extension

    def __bool__(self) -> bool:
        return bool(self.own) or (isinstance(self.extension, bytes) and any(self.extension[_POSITIVE:]))

    def _all(self) -> int:
        """All bits in one number, the lowest for index -7680."""
        if self._wide is None:
            data = self.extension
            if isinstance(data, Pubkey):
                raise MissingAccounts((data,))
            if data is None:
                raise refused("MissingTickArrayBitmapExtensionAccount")
            # Negative blocks run away from zero, the bits in each towards it.
            blocks = [data[offset : offset + _BLOCK_BYTES] for offset in range(_NEGATIVE, EXTENSION_SIZE, _BLOCK_BYTES)]
            low = int.from_bytes(b"".join(reversed(blocks)), "little")
            high = int.from_bytes(data[_POSITIVE:_NEGATIVE], "little")
            self._wide = low | self.own << _HALF * _BLOCKS | high << _WIDE_HALF + _HALF
        return self._wide


def _set_bits(bits: int, position: int, down: bool) -> Iterator[int]:
    """The positions of the bits that are set below or above `position`, nearest first."""
    if down:
        bits &= (1 << position) - 1
        while bits:
            top = bits.bit_length() - 1
            yield top
            bits ^= 1 << top
        return
    bits >>= position + 1
    while bits:
        step = (bits & -bits).bit_length()
        position += step
        yield position
        bits >>= step


def decode_extension(pool: Pubkey, account: Account) -> bytes:
    """The data of a pool's bitmap extension; raises DecodeError when `account` is not that."""
    data = owned_data(PROGRAM, "tick_array_bitmap_extension", account, PROGRAM_ID, EXTENSION_SIZE)
    if data.startswith(EXTENSION_DISCRIMINATOR + bytes(pool)):
        return data
    if data.startswith(EXTENSION_DISCRIMINATOR):
        raise DecodeError(PROGRAM, "pool_id", 8, "the extension of another pool")
    raise DecodeError(PROGRAM, "discriminator", 0, "not a bitmap extension")
