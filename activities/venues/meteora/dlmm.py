"""Meteora DLMM: liquidity in price bins with a fee that rises with volatility, program LBUZKhRx….

Facts: the program's public IDL and release notes (lb_clmm 0.12.0), its error reference, the source that dlmm-sdk
published until 2025 with that of its quotes, and runs of the 0.12 binary. On-chain limit orders are part of what a
bin sells.
"""

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, MissingAccounts
from activities.venues.fetched import fetched
from activities.venues.meteora import dlmm_instruction
from activities.venues.meteora.dlmm_bins import arrays_ahead
from activities.venues.meteora.dlmm_errors import ERROR_NAMES
from activities.venues.meteora.dlmm_layout import (
    BINS_PER_ARRAY,
    NAME,
    PAIR_DISCRIMINATOR,
    PAIR_MINT_X,
    PAIR_MINT_Y,
    PAIR_SIZE,
    PROGRAM,
    check_array,
    extension_address,
    read_extension,
    read_pair,
)
from activities.venues.meteora.dlmm_pool import DlmmPool
from activities.venues.meteora.dlmm_walk import State, arrays_in_reach
from activities.venues.mint import TOKEN_2022_PROGRAM, decode_mint
from activities.venues.pool import Account, AccountFilter, Accounts, PoolKind, SwapCall

# Arrays fetched per direction: some hundred bins, where nearly every swap ends. A longer walk asks for more.
_ARRAYS_FETCHED = 3


class DlmmKind(PoolKind):
    """The Meteora DLMM program."""

    venue = "meteora"
    name = "dlmm"
    program_id = PROGRAM
    error_names = ERROR_NAMES
    # ExceededAmountSlippageTolerance and InsufficientInAmount; PoolDisabled.
    slippage_codes = frozenset({6003, 6104})
    closed_codes = frozenset({6042})
    changed_codes = frozenset({6009, 6012, 6027, 6028, 6036, 6037})

    def filters(self, mint_a: Pubkey, mint_b: Pubkey) -> tuple[AccountFilter, ...]:
        return tuple(
            AccountFilter(
                PAIR_SIZE, ((0, PAIR_DISCRIMINATOR), (PAIR_MINT_X, bytes(mint_x)), (PAIR_MINT_Y, bytes(mint_y)))
            )
            for mint_x, mint_y in ((mint_a, mint_b), (mint_b, mint_a))
        )

    def requirements(self, address: Pubkey, known: Accounts, a_to_b: bool | None = None) -> tuple[Pubkey, ...]:
        if address not in known:
            return (address,)
        pair = read_pair(_owned(address, *fetched(NAME, known, address)))
        extension = _read_extension(address, known)
        keys = [address, Pubkey.from_bytes(pair.mint_x), Pubkey.from_bytes(pair.mint_y), extension_address(address)]
        for sells_x in (True, False) if a_to_b is None else (a_to_b,):
            start = pair.active_id // BINS_PER_ARRAY
            ahead = arrays_ahead(address, pair.bitmap, extension, start, sells_x, _ARRAYS_FETCHED)
            keys += (key for _, key in ahead)
        return tuple(dict.fromkeys(keys))

    def decode(self, address: Pubkey, accounts: Accounts) -> DlmmPool:
        (account,) = fetched(NAME, accounts, address)
        data = _owned(address, account)
        pair = read_pair(data)
        key_x, key_y = Pubkey.from_bytes(pair.mint_x), Pubkey.from_bytes(pair.mint_y)
        mint_x, mint_y = fetched(NAME, accounts, key_x, key_y)
        if extension_address(address) not in accounts:
            raise MissingAccounts((extension_address(address),))
        extension = _read_extension(address, accounts)
        arrays: dict[int, bytes | None] = {}
        for index, key in arrays_in_reach(address, pair, extension):
            if key in accounts:
                found = accounts[key]
                if found is None:
                    arrays[index] = None
                else:
                    arrays[index] = _owned(key, found)
                    check_array(found.data, bytes(address), index)
        mint_a, mint_b = decode_mint(key_x, mint_x), decode_mint(key_y, mint_y)
        token_2022_mints = [mint_a.program, mint_b.program].count(TOKEN_2022_PROGRAM)
        return DlmmPool(address, mint_a, mint_b, data, State(address, pair, extension, arrays, token_2022_mints))

    def parse(self, instruction: Instruction) -> SwapCall | None:
        return dlmm_instruction.parse(instruction)


def _owned(key: Pubkey, account: Account) -> bytes:
    if account.owner != PROGRAM:
        raise DecodeError(NAME, "owner", 0, f"{key} belongs to program {account.owner}")
    return account.data


def _read_extension(address: Pubkey, accounts: Accounts) -> bytes | None:
    """The pair's bitmap extension, None where it has none or that is not known yet."""
    key = extension_address(address)
    account = accounts.get(key)
    return None if account is None else read_extension(_owned(key, account), address)


KIND = DlmmKind()
DlmmPool.kind = KIND
