"""Where a pool's liquidity begins and ends: tick arrays and the ticks in them.

Layouts: raydium-clmm `states/tick_array.rs` (packed, little-endian). The array of index i holds the 60 ticks
from i * 60 * spacing on, one every `spacing`.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import compress
from operator import or_
from struct import Struct
from typing import NamedTuple

from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, MissingAccounts, VenueError
from activities.venues.fetched import owned_data
from activities.venues.pool import Accounts
from activities.venues.raydium.clmm_bitmap import ArrayBitmap
from activities.venues.raydium.clmm_state import PROGRAM, PROGRAM_ID, TICKS_PER_ARRAY

ARRAY_SIZE = 10_240
TICKS_OFFSET, TICK_SIZE = 44, 168
ARRAY_DISCRIMINATOR = bytes.fromhex("c09b55cd31f9812a")

_COUNT_OFFSET = 10_124
_TICK = Struct("<i16s16s80xQQQ16s12x")
# The limit-order fields of a tick, the only ones of an array that a swap changes and a quote reads.
_ORDERS_OFFSET = 116
_ORDERS = Struct("<QQQ16s")
# Gross liquidity by its lower half, then by words of the array the upper halves and the two order amounts.
_GROSS_LOW = Struct("<44x" + "20xQ140x" * TICKS_PER_ARRAY + "116x")
_WORDS_PER_TICK = TICK_SIZE // 8
_RARE = tuple(slice(first, first + _WORDS_PER_TICK * TICKS_PER_ARRAY, _WORDS_PER_TICK) for first in (9, 21, 22))
_ZEROS = memoryview(bytes(8 * TICKS_PER_ARRAY)).cast("Q")
_SLOTS = tuple(range(TICKS_PER_ARRAY))


@lru_cache(maxsize=1 << 16)
def array_address(pool: Pubkey, start: int) -> Pubkey:
    """The address of the tick array whose first tick is `start`."""
    seeds = [b"tick_array", bytes(pool), start.to_bytes(4, "big", signed=True)]
    return Pubkey.find_program_address(seeds, PROGRAM_ID)[0]


class Tick(NamedTuple):
    """A tick: liquidity that starts (net, going up) and that refers to it, and the limit orders on it.

    Orders sell the token that a swap reaching the tick buys, in base units: those of the current cohort still
    open (`part_filled`, of which `unfilled_ratio` is the Q64.64 share) come before the untouched `orders`.
    """

    number: int
    net: int
    gross: int
    phase: int
    orders: int
    part_filled: int
    unfilled_ratio: int

    @property
    def unfilled(self) -> int:
        """Everything that the orders still sell."""
        return self.orders + self.part_filled

    def filled(self, amount: int) -> "Tick":
        """The tick after orders for `amount` base units of `unfilled` were matched."""
        first = min(self.part_filled, amount)
        rest = amount - first
        if rest:
            left = self.orders - rest
            ratio = (left << 64) // self.orders
            # A full counter stays full.
            phase = min(self.phase + 1, (1 << 64) - 1)
            return self._replace(phase=phase, orders=0, part_filled=left, unfilled_ratio=ratio)
        if not first:
            return self
        left = self.part_filled - first
        ratio = self.unfilled_ratio * left // self.part_filled
        return self._replace(part_filled=left, unfilled_ratio=ratio)


class TickArray:
    """A tick array account, its ticks decoded when asked for; `slots` are those in use, ascending."""

    __slots__ = ("data", "slots")

    def __init__(self, data: bytes) -> None:
        self.data = data
        used: Iterable[int] = _GROSS_LOW.unpack(data)
        words = memoryview(data).cast("Q")
        for column in _RARE:
            amounts = words[column]
            if amounts != _ZEROS:
                used = tuple(map(or_, used, amounts.tolist()))
        self.slots = list(compress(_SLOTS, used))

    def tick(self, slot: int) -> Tick:
        """The tick in `slot`, 0 to 59."""
        number, net, gross, phase, orders, part_filled, ratio = _TICK.unpack_from(
            self.data, TICKS_OFFSET + TICK_SIZE * slot
        )
        return Tick(
            number,
            int.from_bytes(net, "little", signed=True),
            int.from_bytes(gross, "little"),
            phase,
            orders,
            part_filled,
            int.from_bytes(ratio, "little"),
        )

    @property
    def count(self) -> int:
        """The program's own count of the ticks in use."""
        return self.data[_COUNT_OFFSET]

    def with_tick(self, slot: int, tick: Tick) -> "TickArray":
        """The array with the orders of `tick` in `slot`, counted out when nothing refers to it any more."""
        data = bytearray(self.data)
        offset = TICKS_OFFSET + TICK_SIZE * slot + _ORDERS_OFFSET
        ratio = tick.unfilled_ratio.to_bytes(16, "little")
        _ORDERS.pack_into(data, offset, tick.phase, tick.orders, tick.part_filled, ratio)
        if not tick.gross and not tick.unfilled:
            data[_COUNT_OFFSET] = max(self.count - 1, 0)
        return TickArray(bytes(data))

    def write(self, data: bytearray) -> None:
        """Write what a swap changes into the bytes of the same array."""
        for offset in range(TICKS_OFFSET + _ORDERS_OFFSET, _COUNT_OFFSET, TICK_SIZE):
            data[offset : offset + _ORDERS.size] = self.data[offset : offset + _ORDERS.size]
        data[_COUNT_OFFSET] = self.data[_COUNT_OFFSET]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TickArray):
            return NotImplemented
        if self.data == other.data:
            return True
        return self._read() == other._read()

    def _read(self) -> tuple[int, list[Tick]]:
        return self.count, [self.tick(slot) for slot in self.slots]


class TickArrays:
    """A pool's tick arrays by index, decoded at the first use; `changed` ones stand before the accounts."""

    __slots__ = ("_accounts", "_head", "_seen", "changed", "pool", "spacing")

    def __init__(
        self, pool: Pubkey, spacing: int, accounts: Accounts, changed: dict[int, TickArray] | None = None
    ) -> None:
        self.pool = pool
        self.spacing = spacing
        self.changed = changed or {}
        self._accounts = accounts
        self._head = ARRAY_DISCRIMINATOR + bytes(pool)
        self._seen: dict[int, TickArray] = dict(self.changed)

    def start(self, index: int) -> int:
        """The first tick of the array."""
        return index * TICKS_PER_ARRAY * self.spacing

    def address(self, index: int) -> Pubkey:
        """The account of the array."""
        return array_address(self.pool, self.start(index))

    def at(self, index: int) -> TickArray | None:
        """The array, None when there is no such account.

        Raises MissingAccounts when it was not fetched and DecodeError when it is something else.
        """
        array = self._seen.get(index)
        if array is not None:
            return array
        first = self.start(index)
        key = array_address(self.pool, first)
        account = self._accounts.get(key)
        if account is None:
            if key in self._accounts:
                return None
            raise MissingAccounts((key,))
        data = owned_data(PROGRAM, "tick_array", account, PROGRAM_ID, ARRAY_SIZE)
        if not data.startswith(self._head + first.to_bytes(4, "little", signed=True)):
            raise _not_this_array(data, self.pool)
        array = self._seen[index] = TickArray(data)
        return array

    def with_changes(self, changes: dict[int, TickArray]) -> "TickArrays":
        """The arrays with some of them replaced."""
        return TickArrays(self.pool, self.spacing, self._accounts, {**self.changed, **changes})

    def same(self, other: "TickArrays", bitmap: ArrayBitmap) -> bool:
        """Whether both have equal arrays wherever `bitmap` or a change says that there is one."""
        indexes = {*bitmap.indexes(), *self.changed, *other.changed}
        return all(self._found(index) == other._found(index) for index in indexes)

    def _found(self, index: int) -> TickArray | None:
        try:
            return self.at(index)
        except VenueError:
            return None


def _not_this_array(data: bytes, pool: Pubkey) -> DecodeError:
    if not data.startswith(ARRAY_DISCRIMINATOR):
        return DecodeError(PROGRAM, "discriminator", 0, "not a tick array")
    if data[8:40] != bytes(pool):
        return DecodeError(PROGRAM, "pool_id", 8, "a tick array of another pool")
    return DecodeError(PROGRAM, "start_tick_index", 40, "another tick array of the pool")
