"""Bytes of mints and token accounts, written and read (SPL Token and Token-2022 layouts)."""

from struct import Struct
from typing import NamedTuple

from solders.pubkey import Pubkey

from activities.venues.mint import NATIVE_MINT, TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from activities.venues.pool import Account

ASSOCIATED_TOKEN_PROGRAM = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
TOKEN_PROGRAMS = frozenset({TOKEN_PROGRAM, TOKEN_2022_PROGRAM})

_MINT = Struct("<I32sQBBI32s")
_ACCOUNT = Struct("<32s32sQI32sBIQQI32s")
_EXTENSION = Struct("<HH")
_FEE_CONFIG = Struct("<32s32sQQQHQQH")
_U64 = Struct("<Q")
ACCOUNT_SIZE = _ACCOUNT.size
MINT_SIZE = _MINT.size
_SUPPLY = 36
_AMOUNT = 64
_DELEGATE = 72
_STATE = 108
_DELEGATED_AMOUNT = 121
_ACCOUNT_TYPE = 165
_TRANSFER_FEE_CONFIG = 1
_TRANSFER_FEE_AMOUNT = 2
_IMMUTABLE_OWNER = 7


class TokenAccount(NamedTuple):
    """What the node itself reads of a token account."""

    mint: Pubkey
    owner: Pubkey
    amount: int


def rent_exempt(size: int) -> int:
    """The lamports that keep an account of `size` data bytes alive (cluster defaults)."""
    return (128 + size) * 6_960


def associated_address(owner: Pubkey, mint: Pubkey, program: Pubkey) -> Pubkey:
    """The associated token account of `owner` for `mint`."""
    seeds = [bytes(owner), bytes(program), bytes(mint)]
    return Pubkey.find_program_address(seeds, ASSOCIATED_TOKEN_PROGRAM)[0]


def mint_account(
    decimals: int, supply: int, authority: Pubkey | None, transfer_fee: tuple[int, int] | None = None
) -> Account:
    """A mint; with `transfer_fee` (basis points, maximum in base units) one of Token-2022."""
    data = _MINT.pack(
        int(authority is not None), bytes(authority or Pubkey.default()), supply, decimals, 1, 0, bytes(32)
    )
    if transfer_fee is None:
        return Account(TOKEN_PROGRAM, rent_exempt(len(data)), data)
    basis_points, maximum = transfer_fee
    key = bytes(authority or Pubkey.default())
    fee = _FEE_CONFIG.pack(key, key, 0, 0, maximum, basis_points, 0, maximum, basis_points)
    data = data.ljust(_ACCOUNT_TYPE, b"\0") + b"\x01" + _EXTENSION.pack(_TRANSFER_FEE_CONFIG, len(fee)) + fee
    return Account(TOKEN_2022_PROGRAM, rent_exempt(len(data)), data)


def with_supply(mint: Account, supply: int) -> Account:
    """The mint with another supply."""
    data = bytearray(mint.data)
    _U64.pack_into(data, _SUPPLY, supply)
    return Account(mint.owner, mint.lamports, bytes(data))


def token_account(mint: Pubkey, owner: Pubkey, amount: int, *, mint_data: Account | None = None) -> Account:
    """A token account of `owner` that holds `amount` base units.

    For the native mint the lamports back the amount. With the account of a Token-2022 mint in `mint_data`
    the account carries the extensions that the associated-token program would give it.
    """
    native = mint == NATIVE_MINT
    rent = rent_exempt(ACCOUNT_SIZE)
    data = _ACCOUNT.pack(
        bytes(mint), bytes(owner), amount, 0, bytes(32), 1, int(native), rent if native else 0, 0, 0, bytes(32)
    )
    if mint_data is None or mint_data.owner == TOKEN_PROGRAM:
        return Account(TOKEN_PROGRAM, rent + (amount if native else 0), data)
    data += b"\x02" + _EXTENSION.pack(_IMMUTABLE_OWNER, 0)
    if len(mint_data.data) > MINT_SIZE:
        data += _EXTENSION.pack(_TRANSFER_FEE_AMOUNT, 8) + bytes(8)
    return Account(TOKEN_2022_PROGRAM, rent_exempt(len(data)), data)


def read_token_account(account: Account) -> TokenAccount | None:
    """The holding in an initialised token account, None for any other account."""
    data = account.data
    if account.owner not in TOKEN_PROGRAMS or len(data) < ACCOUNT_SIZE or not data[_STATE]:
        return None
    if len(data) > ACCOUNT_SIZE and data[_ACCOUNT_TYPE] != 2:
        return None
    amount: int = _U64.unpack_from(data, _AMOUNT)[0]
    return TokenAccount(Pubkey.from_bytes(data[:32]), Pubkey.from_bytes(data[32:64]), amount)


def with_delegate(account: Account, delegate: Pubkey, amount: int) -> Account:
    """The token account with `delegate` allowed to move `amount` more base units."""
    data = bytearray(account.data)
    already = _U64.unpack_from(data, _DELEGATED_AMOUNT)[0] if data[_DELEGATE + 4 : _STATE] == bytes(delegate) else 0
    data[_DELEGATE:_STATE] = b"\x01\0\0\0" + bytes(delegate)
    _U64.pack_into(data, _DELEGATED_AMOUNT, already + amount)
    return Account(account.owner, account.lamports, bytes(data))


def with_delegate_of(account: Account, original: Account) -> Account:
    """The token account with the delegation that `original` has."""
    data, source = bytearray(account.data), original.data
    data[_DELEGATE:_STATE] = source[_DELEGATE:_STATE]
    data[_DELEGATED_AMOUNT : _DELEGATED_AMOUNT + 8] = source[_DELEGATED_AMOUNT : _DELEGATED_AMOUNT + 8]
    return Account(account.owner, account.lamports, bytes(data))


class TokenDetails(NamedTuple):
    """A whole token account; `native_reserve` is set for wrapped SOL."""

    mint: Pubkey
    owner: Pubkey
    amount: int
    delegate: Pubkey | None
    state: str
    native_reserve: int | None
    delegated_amount: int
    close_authority: Pubkey | None


class MintDetails(NamedTuple):
    """A whole mint, extensions aside."""

    authority: Pubkey | None
    supply: int
    decimals: int
    initialized: bool
    freeze_authority: Pubkey | None


def read_details(account: Account) -> TokenDetails | None:
    """Everything in an initialised token account, None for any other account."""
    if read_token_account(account) is None:
        return None
    values = _ACCOUNT.unpack_from(account.data)
    mint, owner, amount, has_delegate, delegate, state, native, reserve, delegated, has_close, close = values
    return TokenDetails(
        Pubkey.from_bytes(mint),
        Pubkey.from_bytes(owner),
        amount,
        Pubkey.from_bytes(delegate) if has_delegate else None,
        "frozen" if state == 2 else "initialized",
        reserve if native else None,
        delegated,
        Pubkey.from_bytes(close) if has_close else None,
    )


def read_mint(account: Account) -> MintDetails | None:
    """Everything in a mint, None for any other account."""
    data = account.data
    if account.owner not in TOKEN_PROGRAMS or len(data) < MINT_SIZE:
        return None
    if len(data) != MINT_SIZE and (len(data) <= ACCOUNT_SIZE or data[_ACCOUNT_TYPE] != 1):
        return None
    has_authority, authority, supply, decimals, initialized, has_freeze, freeze = _MINT.unpack_from(data)
    return MintDetails(
        Pubkey.from_bytes(authority) if has_authority else None,
        supply,
        decimals,
        bool(initialized),
        Pubkey.from_bytes(freeze) if has_freeze else None,
    )
