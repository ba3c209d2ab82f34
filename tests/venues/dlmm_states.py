"""Made-up DLMM pairs, account by account, from bins and fee parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import pack_into

from solders.pubkey import Pubkey

from activities.venues.meteora.dlmm import KIND
from activities.venues.meteora.dlmm_bins import bin_price
from activities.venues.meteora.dlmm_layout import (
    ARRAY_SIZE,
    BINS_PER_ARRAY,
    EXTENSION_SIZE,
    PAIR_DISCRIMINATOR,
    PAIR_SIZE,
    PROGRAM,
    bin_array_address,
    extension_address,
)
from activities.venues.meteora.dlmm_pool import DlmmPool
from activities.venues.mint import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from activities.venues.pool import Account, Clock, UserAccounts

NOW = 1_790_000_000
CLOCK = Clock(slot=400_000_000, epoch=925, unix_timestamp=NOW)
ADDRESS, MINT_X, MINT_Y, RESERVE_X, RESERVE_Y, ORACLE = (Pubkey.from_bytes(bytes([n]) * 32) for n in range(1, 7))
USER = UserAccounts(*(Pubkey.from_bytes(bytes([n]) * 32) for n in range(11, 14)))


@dataclass(frozen=True)
class BinSpec:
    """One bin; `orders` are open ones, `processed` what remains of those being processed, of the ask side or not."""

    x: int = 0
    y: int = 0
    orders: int = 0
    processed: int = 0
    ask: bool = False
    supply: int = 1 << 70
    price: int | None = None


@dataclass(frozen=True)
class PairSpec:
    """A pair; `volatility` is (accumulator, reference, index reference, seconds since the last update).

    `transfer_fees` are (basis points, maximum) by mint, None for SPL Token. `extension` says whether the bitmap
    extension exists.
    """

    bins: Mapping[int, BinSpec]
    active_id: int = 0
    bin_step: int = 10
    base_factor: int = 10_000
    base_fee_power: int = 0
    variable_fee_control: int = 40_000
    max_volatility: int = 350_000
    periods: tuple[int, int, int] = (30, 600, 5_000)
    volatility: tuple[int, int, int, int] = (0, 0, 0, 5)
    function_type: int = 0
    collect_fee_mode: int = 0
    status: int = 0
    pair_type: int = 0
    activation: tuple[int, int] = (0, 0)
    reward_mints: tuple[bytes, bytes] = (bytes(32), bytes(32))
    transfer_fees: tuple[tuple[int, int] | None, tuple[int, int] | None] = (None, None)
    extension: bool = False
    marks: frozenset[int] = field(default_factory=frozenset)

    @property
    def array_indexes(self) -> set[int]:
        return {bin_id // BINS_PER_ARRAY for bin_id in self.bins}

    def accounts(self) -> dict[Pubkey, Account | None]:
        """All accounts of the pair that a quote reads, at the addresses of this module."""
        found: dict[Pubkey, Account | None] = {
            ADDRESS: _owned(self._pair()),
            MINT_X: _mint(self.transfer_fees[0]),
            MINT_Y: _mint(self.transfer_fees[1]),
            extension_address(ADDRESS): _owned(self._extension()) if self.extension else None,
        }
        for index in self.array_indexes:
            found[bin_array_address(ADDRESS, index)] = _owned(self._array(index))
        return found

    def decoded(self) -> DlmmPool:
        """The pool, decoded."""
        return KIND.decode(ADDRESS, self.accounts())

    def price(self, bin_id: int) -> int:
        """The Q64.64 price of a bin."""
        stored = self.bins[bin_id].price
        return bin_price(bin_id, self.bin_step) if stored is None else stored

    def _marked(self) -> set[int]:
        return self.array_indexes | self.marks

    def _pair(self) -> bytes:
        data = bytearray(PAIR_SIZE)
        data[:8] = PAIR_DISCRIMINATOR
        parameters = (self.base_factor, *self.periods, self.variable_fee_control, self.max_volatility)
        pack_into("<HHHHII", data, 8, *parameters)
        data[34:37] = bytes((self.base_fee_power, self.function_type, self.collect_fee_mode))
        accumulator, reference, index, age = self.volatility
        pack_into("<IIi4xq", data, 40, accumulator, reference, index, NOW - age)
        pack_into("<BiHB", data, 75, self.pair_type, self.active_id, self.bin_step, self.status)
        data[86], activation_point = self.activation
        for offset, key in ((88, MINT_X), (120, MINT_Y), (152, RESERVE_X), (184, RESERVE_Y), (552, ORACLE)):
            data[offset : offset + 32] = bytes(key)
        data[264:296], data[408:440] = self.reward_mints
        near = (index + 512 for index in self._marked() if -512 <= index < 512)
        data[584:712] = sum(1 << bit for bit in near).to_bytes(128, "little")
        pack_into("<Q", data, 816, activation_point)
        return bytes(data)

    def _extension(self) -> bytes:
        above = sum(1 << (index - 512) for index in self._marked() if index >= 512)
        below = sum(1 << (-513 - index) for index in self._marked() if index < -512)
        data = bytes.fromhex("506f7c7137ed1205") + bytes(ADDRESS)
        data += above.to_bytes(768, "little") + below.to_bytes(768, "little")
        assert len(data) == EXTENSION_SIZE
        return data

    def _array(self, index: int) -> bytes:
        data = bytearray(ARRAY_SIZE)
        data[:8] = bytes.fromhex("5c8e5cdc059446b5")
        pack_into("<qB", data, 8, index, 2)
        data[24:56] = bytes(ADDRESS)
        for slot in range(BINS_PER_ARRAY):
            spec = self.bins.get(index * BINS_PER_ARRAY + slot)
            if spec is not None:
                price, at = self.price(index * BINS_PER_ARRAY + slot), 56 + 144 * slot
                pack_into("<QQ", data, at, spec.x, spec.y)
                data[at + 16 : at + 32] = price.to_bytes(16, "little")
                data[at + 32 : at + 48] = spec.supply.to_bytes(16, "little")
                pack_into("<QQQIB", data, at + 112, spec.orders, spec.processed, spec.processed, 0, spec.ask)
        return bytes(data)


def _owned(data: bytes) -> Account:
    return Account(PROGRAM, 1_000_000, data)


def _mint(transfer_fee: tuple[int, int] | None) -> Account:
    data = bytearray(82)
    data[44:46] = bytes((6, 1))
    if transfer_fee is None:
        return Account(TOKEN_PROGRAM, 1_000_000, bytes(data))
    points, maximum = transfer_fee
    config = bytearray(108)
    for offset in (72, 90):
        pack_into("<QQH", config, offset, 0, maximum, points)
    data += bytes(83) + b"\x01" + bytes((1, 0, 108, 0)) + config
    return Account(TOKEN_2022_PROGRAM, 1_000_000, bytes(data))
