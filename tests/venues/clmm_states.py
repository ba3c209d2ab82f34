"""Made-up CLMM pools, account by account, from positions and limit orders."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import pack, pack_into

from solders.pubkey import Pubkey

from activities.venues.mint import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from activities.venues.pool import Account, Accounts, Clock
from activities.venues.raydium.clmm import KIND
from activities.venues.raydium.clmm_bitmap import EXTENSION_DISCRIMINATOR, EXTENSION_SIZE, extension_address
from activities.venues.raydium.clmm_math import sqrt_price_at
from activities.venues.raydium.clmm_pool import ClmmPool
from activities.venues.raydium.clmm_state import CONFIG_DISCRIMINATOR, POOL_DISCRIMINATOR, POOL_SIZE
from activities.venues.raydium.clmm_ticks import ARRAY_DISCRIMINATOR, ARRAY_SIZE, array_address

CLOCK = Clock(slot=400_000_000, epoch=925, unix_timestamp=1_790_000_000)

_KEYS = {
    name: Pubkey.from_bytes(bytes([number]) * 32)
    for number, name in enumerate(("pool", "config", "mint_0", "mint_1", "vault_0", "vault_1", "observation"), 1)
}
ADDRESS, CONFIG, MINT_0, MINT_1, VAULT_0, VAULT_1, OBSERVATION = _KEYS.values()


@dataclass(frozen=True)
class Order:
    """Limit orders on a tick: untouched, and left of the cohort in work (with its Q64.64 unfilled ratio)."""

    orders: int
    part_filled: int = 0
    ratio: int = 1 << 64


@dataclass(frozen=True)
class PoolSpec:
    """A pool: `positions` are (lower tick, upper tick, liquidity), `sqrt_price` None for the tick's own.

    `dynamic` has the nine numbers of a dynamic fee; `transfer_fees` are (basis points, maximum) by mint, None
    for SPL Token. `extension` says whether the bitmap extension exists.
    """

    positions: Sequence[tuple[int, int, int]]
    spacing: int = 10
    tick: int = 0
    sqrt_price: int | None = None
    orders: Mapping[int, Order] = field(default_factory=dict)
    trade_rate: int = 2_500
    protocol_rate: int = 120_000
    fund_rate: int = 40_000
    status: int = 0
    fee_on: int = 0
    open_time: int = 0
    dynamic: tuple[int, ...] | None = None
    transfer_fees: tuple[tuple[int, int] | None, tuple[int, int] | None] = (None, None)
    balances: tuple[int, int] = (1 << 62, 1 << 62)
    fees_owed: tuple[int, int, int, int] = (0, 0, 0, 0)
    extension: bool = True

    def accounts(self) -> dict[Pubkey, Account | None]:
        """All accounts of the pool, at the addresses of this module."""
        arrays = self._arrays()
        found: dict[Pubkey, Account | None] = {
            ADDRESS: self._owned(self._pool(arrays)),
            CONFIG: self._owned(self._config()),
            MINT_0: _mint(self.transfer_fees[0]),
            MINT_1: _mint(self.transfer_fees[1]),
            VAULT_0: _vault(self.balances[0], self.transfer_fees[0] is not None),
            VAULT_1: _vault(self.balances[1], self.transfer_fees[1] is not None),
            extension_address(ADDRESS): self._owned(self._extension(arrays)) if self.extension else None,
        }
        for index, data in arrays.items():
            found[array_address(ADDRESS, index * 60 * self.spacing)] = self._owned(bytes(data))
        return found

    def decoded(self) -> ClmmPool:
        """The pool, decoded."""
        return KIND.decode(ADDRESS, self.accounts())

    def _owned(self, data: bytes) -> Account:
        return Account(KIND.program_id, 1, data)

    def _arrays(self) -> dict[int, bytearray]:
        net: dict[int, int] = defaultdict(int)
        gross: dict[int, int] = defaultdict(int)
        for lower, upper, liquidity in self.positions:
            net[lower] += liquidity
            net[upper] -= liquidity
            gross[lower] += liquidity
            gross[upper] += liquidity
        arrays: dict[int, bytearray] = {}
        for tick in sorted({*net, *self.orders}):
            index = tick // (60 * self.spacing)
            start = index * 60 * self.spacing
            if index not in arrays:
                head = ARRAY_DISCRIMINATOR + bytes(ADDRESS) + pack("<i", start)
                arrays[index] = bytearray(head.ljust(ARRAY_SIZE, b"\0"))
            order = self.orders.get(tick, Order(0, 0, 0))
            at = 44 + 168 * ((tick - start) // self.spacing)
            pack_into("<i", arrays[index], at, tick)
            arrays[index][at + 4 : at + 20] = net[tick].to_bytes(16, "little", signed=True)
            arrays[index][at + 20 : at + 36] = gross[tick].to_bytes(16, "little")
            pack_into("<QQQ", arrays[index], at + 116, 7, order.orders, order.part_filled)
            arrays[index][at + 140 : at + 156] = order.ratio.to_bytes(16, "little")
            arrays[index][10_124] += 1
        return arrays

    def _pool(self, arrays: Mapping[int, bytearray]) -> bytes:
        data = bytearray(POOL_DISCRIMINATOR.ljust(POOL_SIZE, b"\0"))
        keys = ((9, CONFIG), (73, MINT_0), (105, MINT_1), (137, VAULT_0), (169, VAULT_1), (201, OBSERVATION))
        for offset, key in keys:
            data[offset : offset + 32] = bytes(key)
        liquidity = sum(held for lower, upper, held in self.positions if lower <= self.tick < upper)
        price = sqrt_price_at(self.tick) if self.sqrt_price is None else self.sqrt_price
        pack_into("<H", data, 235, self.spacing)
        data[237:269] = liquidity.to_bytes(16, "little") + price.to_bytes(16, "little")
        pack_into("<i", data, 269, self.tick)
        pack_into("<QQ", data, 309, *self.fees_owed[:2])
        data[389:391] = bytes((self.status, self.fee_on))
        own = sum(1 << index + 512 for index in arrays if -512 <= index < 512)
        data[904:1032] = own.to_bytes(128, "little")
        pack_into("<QQQ", data, 1064, *self.fees_owed[2:], self.open_time)
        if self.dynamic is not None:
            pack_into("<HHHIIiIIQ", data, 1096, *self.dynamic)
        return bytes(data)

    def _config(self) -> bytes:
        rates = pack("<IIHI", self.protocol_rate, self.trade_rate, self.spacing, self.fund_rate)
        return (CONFIG_DISCRIMINATOR.ljust(43, b"\0") + rates).ljust(117, b"\0")

    def _extension(self, arrays: Mapping[int, bytearray]) -> bytes:
        data = bytearray((EXTENSION_DISCRIMINATOR + bytes(ADDRESS)).ljust(EXTENSION_SIZE, b"\0"))
        for index in arrays:
            if index >= 512:
                block, bit, base = (index - 512) // 512, (index - 512) % 512, 40
            elif index < -512:
                away = -index - 513
                block, bit, base = away // 512, 511 - away % 512, 936
            else:
                continue
            data[base + 64 * block + bit // 8] |= 1 << bit % 8
        return bytes(data)


def _mint(fee: tuple[int, int] | None) -> Account:
    base = bytes(44) + bytes([6, 1]) + bytes(36)
    if fee is None:
        return Account(TOKEN_PROGRAM, 1, base)
    basis_points, maximum = fee
    each = pack("<QQH", 0, maximum, basis_points)
    extension = pack("<HH", 1, 108) + bytes(72) + each + each
    return Account(TOKEN_2022_PROGRAM, 1, base.ljust(165, b"\0") + b"\1" + extension)


def _vault(balance: int, token_2022: bool) -> Account:
    data = bytes(64) + balance.to_bytes(8, "little") + bytes(36) + b"\1" + bytes(56)
    if token_2022:
        return Account(TOKEN_2022_PROGRAM, 1, data + b"\2")
    return Account(TOKEN_PROGRAM, 1, data)


def many_ticks(arrays: int, per_array: int, spacing: int = 10) -> PoolSpec:
    """A wide position under narrow ones that begin or end `per_array` times in each of `arrays` either way."""
    step = 60 // per_array * spacing
    reach = arrays * 60 * spacing
    narrow = [(tick, tick + step, 10**12) for tick in range(-reach, reach, 2 * step)]
    return PoolSpec([(-reach - spacing, reach + spacing, 10**13), *narrow], spacing, tick=step // 2)


def without(accounts: Accounts, *keys: Pubkey) -> dict[Pubkey, Account | None]:
    """The accounts as if `keys` had not been fetched."""
    return {key: account for key, account in accounts.items() if key not in keys}
