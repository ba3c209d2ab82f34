"""Meteora DLMM swap instructions: built in the v2 form, read in all of them (public IDL, official SDK)."""

from struct import Struct
from struct import error as struct_error

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, Unsupported
from activities.venues.meteora.dlmm_layout import NAME, PROGRAM, Pair, bin_array_address, extension_address
from activities.venues.mint import Mint
from activities.venues.pool import Mode, SwapCall, UserAccounts

# Program address of the seed "__event_authority".
EVENT_AUTHORITY = Pubkey.from_string("D1ZN9Wj1fRSUQfCjhvnu1hqDMT7hzjzBBpi12nVniYD6")
MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")

_SWAP = bytes.fromhex("f8c69e91e17587c8")
_SWAP2 = bytes.fromhex("414b3f4ceb5b5b88")
_SWAP_EXACT_OUT = bytes.fromhex("fa49652126cf4bb8")
_SWAP_EXACT_OUT2 = bytes.fromhex("2bd7f784893cf351")
_MODES = {
    _SWAP: Mode.EXACT_IN,
    _SWAP2: Mode.EXACT_IN,
    _SWAP_EXACT_OUT: Mode.EXACT_OUT,
    _SWAP_EXACT_OUT2: Mode.EXACT_OUT,
}
_V2_FORMS = {Mode.EXACT_IN: _SWAP2, Mode.EXACT_OUT: _SWAP_EXACT_OUT2}
# The swaps guarded by a price impact instead of an amount, v1 and v2.
_PRICE_IMPACT_FORMS = frozenset({bytes.fromhex("38ade6d0ade49ccd"), bytes.fromhex("4a62c0d6b1334b33")})

_AMOUNTS = Struct("<8sQQ")
_COUNT = Struct("<I")
# The remaining accounts before the bin arrays: none for the transfer hook of X (0), none for that of Y (1).
_NO_HOOK_ACCOUNTS = bytes.fromhex("0200000000000100")
# Accounts before the bin arrays; v1 has no Memo program among them.
_V1_ACCOUNTS, _V2_ACCOUNTS = 15, 16
_SOURCE, _DESTINATION, _OWNER = 4, 5, 10
# The one slice type that carries a byte of its own (TransferHookMultiReward), and the last type.
_MULTI_REWARD_SLICE, _LAST_SLICE = 3, 4


def build(
    pool: Pubkey,
    pair: Pair,
    mints: tuple[Mint, Mint],
    has_extension: bool,
    arrays: tuple[int, ...],
    mode: Mode,
    amounts: tuple[int, int],
    user: UserAccounts,
) -> Instruction:
    """A swap2 or swap_exact_out2 over `arrays` in travel order.

    `amounts` are (input, least output) or (most input, output). An optional account that is not there is
    named by the program's own id.
    """
    mint_x, mint_y = mints
    extension = AccountMeta(extension_address(pool), False, True) if has_extension else _readonly(PROGRAM)
    accounts = [
        _writable(pool),
        extension,
        _writable(Pubkey.from_bytes(pair.reserve_x)),
        _writable(Pubkey.from_bytes(pair.reserve_y)),
        _writable(user.source),
        _writable(user.destination),
        _readonly(mint_x.address),
        _readonly(mint_y.address),
        _writable(Pubkey.from_bytes(pair.oracle)),
        _readonly(PROGRAM),
        AccountMeta(user.owner, is_signer=True, is_writable=False),
        _readonly(mint_x.program),
        _readonly(mint_y.program),
        _readonly(MEMO_PROGRAM),
        _readonly(EVENT_AUTHORITY),
        _readonly(PROGRAM),
        *(_writable(bin_array_address(pool, index)) for index in arrays),
    ]
    data = _AMOUNTS.pack(_V2_FORMS[mode], *amounts) + _NO_HOOK_ACCOUNTS
    return Instruction(PROGRAM, data, accounts)


def parse(instruction: Instruction) -> SwapCall | None:
    """Take a swap of any form apart, None for another instruction of the program.

    Raises DecodeError on a malformed swap, and Unsupported (`price_impact_guard`) on the two forms whose
    guard is no amount.
    """
    if instruction.program_id != PROGRAM:
        return None
    data = bytes(instruction.data)
    tag = data[:8]
    if tag in _PRICE_IMPACT_FORMS:
        raise Unsupported("price_impact_guard")
    mode = _MODES.get(tag)
    if mode is None:
        return None
    if len(data) < _AMOUNTS.size:
        raise DecodeError(NAME, "instruction_data", len(data), f"{_AMOUNTS.size} bytes expected")
    v2 = tag == _V2_FORMS[mode]
    hook_accounts = _hook_accounts(data) if v2 else 0
    least = (_V2_ACCOUNTS if v2 else _V1_ACCOUNTS) + hook_accounts
    keys = [meta.pubkey for meta in instruction.accounts]
    if len(keys) < least:
        raise DecodeError(NAME, "instruction_accounts", len(keys), f"at least {least} expected")
    _, first, second = _AMOUNTS.unpack_from(data)
    amount, limit = (first, second) if mode is Mode.EXACT_IN else (second, first)
    user = UserAccounts(keys[_OWNER], keys[_SOURCE], keys[_DESTINATION])
    return SwapCall(keys[0], user, mode, amount, limit)


def _hook_accounts(data: bytes) -> int:
    """The number of accounts that the slices of a v2 swap put before the bin arrays."""
    at = _AMOUNTS.size
    total = 0
    try:
        (count,) = _COUNT.unpack_from(data, at)
        at += _COUNT.size
        for _ in range(count):
            if data[at] > _LAST_SLICE:
                raise DecodeError(NAME, "remaining_accounts_info", at, "unknown slice type")
            at += 3 if data[at] == _MULTI_REWARD_SLICE else 2
            total += data[at - 1]
    except (IndexError, struct_error) as error:
        raise DecodeError(NAME, "remaining_accounts_info", at, "cut short") from error
    return total


def _readonly(key: Pubkey) -> AccountMeta:
    return AccountMeta(key, is_signer=False, is_writable=False)


def _writable(key: Pubkey) -> AccountMeta:
    return AccountMeta(key, is_signer=False, is_writable=True)
