"""The swap instructions of Raydium CLMM, built and taken apart: `swap_v2`, and the older `swap`.

Accounts and data: raydium-clmm `instructions/swap_v2.rs` and `instructions/swap.rs`.
"""

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import NamedTuple

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError
from activities.venues.mint import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from activities.venues.pool import Mode, Swap, SwapCall, UserAccounts
from activities.venues.raydium.clmm_state import PROGRAM, PROGRAM_ID

MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")

SWAP_V2 = bytes.fromhex("2b04ed0b1ac91e62")
SWAP = bytes.fromhex("f8c69e91e17587c8")
# The named accounts of each form; tick arrays and the bitmap extension follow. The old one names its first
# tick array.
_NAMED = {SWAP_V2: 13, SWAP: 10}
# Discriminator, amount, limit of the other amount, Q64.64 limit of the square root price, exact input.
_DATA = Struct("<8sQQ16sB")


class Accounts(NamedTuple):
    """The accounts of a swap beside the user's; pairs are input first, tick arrays in order of travel."""

    config: Pubkey
    pool: Pubkey
    vaults: tuple[Pubkey, Pubkey]
    observation: Pubkey
    mints: tuple[Pubkey, Pubkey]
    extension: Pubkey | None
    tick_arrays: Sequence[Pubkey]


def swap_v2(swap: Swap, limit: int, user: UserAccounts, accounts: Accounts) -> Instruction:
    """The current form of `swap`, guarded by `limit` of the other amount."""
    programs_and_mints = TOKEN_PROGRAM, TOKEN_2022_PROGRAM, MEMO_PROGRAM, *accounts.mints
    extension = () if accounts.extension is None else (accounts.extension,)
    rest = *map(_read, programs_and_mints), *map(_written, (*extension, *accounts.tick_arrays))
    return _swap(SWAP_V2, swap, limit, user, accounts, rest)


def legacy_swap(swap: Swap, limit: int, user: UserAccounts, accounts: Accounts) -> Instruction:
    """The older form of `swap`, for SPL Token only."""
    first, *others = accounts.tick_arrays
    extension = () if accounts.extension is None else (accounts.extension,)
    rest = _read(TOKEN_PROGRAM), *map(_written, (first, *extension, *others))
    return _swap(SWAP, swap, limit, user, accounts, rest)


def _swap(
    form: bytes, swap: Swap, limit: int, user: UserAccounts, accounts: Accounts, rest: Iterable[AccountMeta]
) -> Instruction:
    metas = [
        AccountMeta(user.owner, is_signer=True, is_writable=False),
        _read(accounts.config),
        *map(_written, (accounts.pool, user.source, user.destination, *accounts.vaults, accounts.observation)),
        *rest,
    ]
    price = swap.sqrt_price_limit.to_bytes(16, "little")
    exact_in = swap.mode is Mode.EXACT_IN
    return Instruction(PROGRAM_ID, _DATA.pack(form, swap.amount, limit, price, exact_in), metas)


def parse(instruction: Instruction) -> SwapCall | None:
    """Take a swap of either form apart; None for any other instruction, DecodeError for a malformed one."""
    data = instruction.data
    named = _NAMED.get(data[:8]) if instruction.program_id == PROGRAM_ID else None
    if named is None:
        return None
    # The program ignores bytes after the arguments, as Anchor does.
    if len(data) < _DATA.size:
        raise DecodeError(PROGRAM, "instruction", len(data), f"{_DATA.size} bytes expected")
    if len(instruction.accounts) < named:
        raise DecodeError(PROGRAM, "accounts", len(instruction.accounts), f"{named} expected")
    _, amount, limit, price, exact_in = _DATA.unpack_from(data)
    if exact_in > 1:
        raise DecodeError(PROGRAM, "is_base_input", _DATA.size - 1, "not a boolean")
    owner, _, pool, source, destination = (meta.pubkey for meta in instruction.accounts[:5])
    mode = Mode.EXACT_IN if exact_in else Mode.EXACT_OUT
    user = UserAccounts(owner, source, destination)
    return SwapCall(pool, user, mode, amount, limit, int.from_bytes(price, "little"))


def _read(key: Pubkey) -> AccountMeta:
    return AccountMeta(key, is_signer=False, is_writable=False)


def _written(key: Pubkey) -> AccountMeta:
    return AccountMeta(key, is_signer=False, is_writable=True)
