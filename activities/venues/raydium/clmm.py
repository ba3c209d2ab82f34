"""Raydium CLMM: concentrated liquidity in ticks, with the dynamic fee, fee side and limit orders of 2026.

How a swap runs: `clmm_walk` (where rules change on the way), `clmm_swap` (amounts), `clmm_pool` (the pool).
"""

from collections.abc import Mapping
from typing import ClassVar

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from activities.venues.fetched import fetched, owned_data
from activities.venues.mint import decode_mint, token_balance
from activities.venues.pool import AccountFilter, Accounts, PoolKind, SwapCall
from activities.venues.raydium.clmm_bitmap import (
    SPACING_WITHOUT_EXTENSION,
    ArrayBitmap,
    decode_extension,
    extension_address,
)
from activities.venues.raydium.clmm_errors import ERROR_NAMES
from activities.venues.raydium.clmm_instruction import parse
from activities.venues.raydium.clmm_pool import ClmmPool
from activities.venues.raydium.clmm_state import (
    BITMAP,
    CONFIG_SIZE,
    MINT_OFFSETS,
    POOL_DISCRIMINATOR,
    POOL_SIZE,
    PROGRAM,
    PROGRAM_ID,
    TICKS_PER_ARRAY,
    PoolKeys,
    PoolState,
    decode_config,
    decode_pool,
)
from activities.venues.raydium.clmm_ticks import TickArrays
from activities.venues.raydium.clmm_walk import ARRAYS_AHEAD, arrays_from


class ClmmKind(PoolKind):
    """Finds, fetches and decodes Raydium CLMM pools."""

    venue: ClassVar[str] = "raydium"
    name: ClassVar[str] = "clmm"
    program_id: ClassVar[Pubkey] = PROGRAM_ID
    error_names: ClassVar[Mapping[int, str]] = ERROR_NAMES
    slippage_codes: ClassVar[frozenset[int]] = frozenset({6022, 6023})
    closed_codes: ClassVar[frozenset[int]] = frozenset({2505, 6001})
    changed_codes: ClassVar[frozenset[int]] = frozenset({6019, 6027, 6028, 6040, 6041})
    unfunded_codes: ClassVar[frozenset[int]] = frozenset({1})

    def filters(self, mint_a: Pubkey, mint_b: Pubkey) -> tuple[AccountFilter, ...]:
        """One query: the program sorts a pool's mints by their bytes."""
        mints = sorted((bytes(mint_a), bytes(mint_b)))
        comparisons = ((0, POOL_DISCRIMINATOR), *zip(MINT_OFFSETS, mints, strict=True))
        return (AccountFilter(POOL_SIZE, comparisons),)

    def requirements(self, address: Pubkey, known: Accounts, a_to_b: bool | None = None) -> tuple[Pubkey, ...]:
        """The pool; then what it names, its bitmap extension and the tick arrays nearest to its price."""
        if address not in known:
            return (address,)
        keys, state, own = _pool(address, known)
        keep = [address, *keys[:5]]
        extension: bytes | Pubkey | None = None
        if state.spacing < SPACING_WITHOUT_EXTENSION:
            keep.append(extension_address(address))
            extension = _extension(address, state.spacing, known)
        bitmap = ArrayBitmap(own, extension, state.spacing)
        arrays = TickArrays(address, state.spacing, known)
        here = state.tick // (TICKS_PER_ARRAY * state.spacing)
        for down in (True, False) if a_to_b is None else (a_to_b,):
            near = (arrays.address(index) for index in arrays_from(bitmap, here, down, ARRAYS_AHEAD))
            keep += (key for key in near if key not in keep)
        return tuple(keep)

    def decode(self, address: Pubkey, accounts: Accounts) -> ClmmPool:
        """Decode the pool; its tick arrays are decoded, and their errors raised, when a walk reads them."""
        keys, state, own = _pool(address, accounts)
        config, mint_0, mint_1, vault_0, vault_1 = fetched(PROGRAM, accounts, *keys[:5])
        return ClmmPool(
            address,
            keys,
            decode_config(owned_data(PROGRAM, "amm_config", config, PROGRAM_ID, CONFIG_SIZE)),
            (decode_mint(keys.mint_0, mint_0), decode_mint(keys.mint_1, mint_1)),
            (token_balance(keys.vault_0, vault_0), token_balance(keys.vault_1, vault_1)),
            state,
            ArrayBitmap(own, _extension(address, state.spacing, accounts), state.spacing),
            TickArrays(address, state.spacing, dict(accounts)),
        )

    def parse(self, instruction: Instruction) -> SwapCall | None:
        """Take `swap_v2` or the older `swap` apart."""
        return parse(instruction)


def _pool(address: Pubkey, accounts: Accounts) -> tuple[PoolKeys, PoolState, int]:
    """The pool account: what it names, its state, and its own bitmap."""
    (account,) = fetched(PROGRAM, accounts, address)
    data = owned_data(PROGRAM, "pool", account, PROGRAM_ID, POOL_SIZE)
    keys, state = decode_pool(data)
    return keys, state, int.from_bytes(data[BITMAP], "little")


def _extension(address: Pubkey, spacing: int, accounts: Accounts) -> bytes | Pubkey | None:
    """The bitmap extension as ArrayBitmap takes it; one that cannot matter is not asked for."""
    key = extension_address(address)
    if key not in accounts:
        return key if spacing < SPACING_WITHOUT_EXTENSION else None
    account = accounts[key]
    return None if account is None else decode_extension(address, account)


KIND = ClmmKind()
ClmmPool.kind = KIND
