"""Short names for what the CLMM tests ask of a pool."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from solders.pubkey import Pubkey

from activities.venues.errors import SwapRefused
from activities.venues.pool import Account, Accounts, Clock, Mode, Swap, UserAccounts
from activities.venues.raydium.clmm_bitmap import extension_address
from activities.venues.raydium.clmm_pool import ClmmPool
from activities.venues.raydium.clmm_ticks import Tick, array_address
from tests.venues.clmm_states import (
    ADDRESS,
    CLOCK,
    PoolSpec,
)

U64_MAX = 2**64 - 1
USER = UserAccounts(*(Pubkey.new_unique() for _ in range(3)))
EXTENSION = extension_address(ADDRESS)
# One position around the price, reaching over three tick arrays.
PLAIN = PoolSpec([(-900, 900, 10**13)], spacing=10)


def array_at(tick: int, spacing: int = 10) -> Pubkey:
    return array_address(ADDRESS, tick // (60 * spacing) * 60 * spacing)


def sell(amount: int, limit: int | None = None, down: bool = True, stop: int = 0) -> Swap:
    return Swap(down, Mode.EXACT_IN, amount, limit, stop)


def buy(amount: int, limit: int | None = None, down: bool = True, stop: int = 0) -> Swap:
    return Swap(down, Mode.EXACT_OUT, amount, limit, stop)


def refusal(pool: ClmmPool, swap: Swap, clock: Clock = CLOCK) -> tuple[str, int | None]:
    with pytest.raises(SwapRefused) as raised:
        pool.quote(swap, clock)
    return raised.value.name, raised.value.code


def after_of(pool: ClmmPool, swap: Swap) -> ClmmPool:
    return pool.after(pool.quote(swap, CLOCK), CLOCK)


def tick_of(pool: ClmmPool, number: int) -> Tick:
    array = pool._arrays.at(number // 600)
    assert array is not None
    return array.tick(number % 600 // 10)


def applied(accounts: Accounts, written: Mapping[Pubkey, bytes]) -> dict[Pubkey, Account | None]:
    """The accounts with `written` in place."""
    found = dict(accounts)
    for key, data in written.items():
        account = found[key]
        assert account is not None
        found[key] = replace(account, data=data)
    return found
