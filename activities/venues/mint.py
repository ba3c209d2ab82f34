"""Token mints and token accounts as far as a swap reads them (SPL Token and Token-2022).

Layouts: SPL Token `Mint` (82 bytes) and `Account` (165 bytes). Token-2022 pads a mint to 165 bytes, then
come an account-type byte and the extensions, each a type u16, a length u16 and that many bytes.
"""

from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, Unsupported

if TYPE_CHECKING:
    from activities.venues.pool import Account

TOKEN_PROGRAM = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
NATIVE_MINT = Pubkey.from_string("So11111111111111111111111111111111111111112")


_BASIS_POINTS = 10_000
_MINT_SIZE = 82
_ACCOUNT_SIZE = 165
# Where the account-type byte and the first extension stand, in mints and in token accounts alike.
_ACCOUNT_TYPE = 165
_EXTENSIONS = 166
_TYPE_MINT = 1
_TYPE_TOKEN_ACCOUNT = 2
_STATE_FROZEN = 2

_U64 = Struct("<Q")
_ENTRY = Struct("<HH")
_FEE_CONFIG = Struct("<72xQQHQQH")

_TRANSFER_FEE_CONFIG = 1
_DEFAULT_ACCOUNT_STATE = 6
_NON_TRANSFERABLE = 9
_TRANSFER_HOOK = 14
_PAUSABLE = 26
# Mint extensions that leave a transfer between ordinary accounts alone: close authority 3, confidential
# transfer 4, interest 10, permanent delegate 12, confidential fee 16, metadata and group pointers and
# contents 18 to 23, confidential mint and burn 24, scaled amount 25, permissioned burn 28.
_HARMLESS = frozenset({3, 4, 10, 12, 16, 18, 19, 20, 21, 22, 23, 24, 25, 28})
# The shortest value of the extensions that are read (spl-token-2022 type sizes).
_VALUE_SIZES = {
    _TRANSFER_FEE_CONFIG: 108,
    _DEFAULT_ACCOUNT_STATE: 1,
    _NON_TRANSFERABLE: 0,
    _TRANSFER_HOOK: 64,
    _PAUSABLE: 33,
}


class TransferFee(NamedTuple):
    """A Token-2022 transfer fee from `epoch` on: `basis_points` of the amount, at most `maximum` units."""

    epoch: int
    maximum: int
    basis_points: int

    def of(self, amount: int) -> int:
        """The fee that a transfer of the gross `amount` pays, rounded up."""
        return min(self.maximum, -(-amount * self.basis_points // _BASIS_POINTS))

    def gross_up(self, net: int) -> int:
        """The amount to send so that `net` arrives (spl-token-2022 `calculate_pre_fee_amount`)."""
        if net == 0 or self.basis_points == 0:
            return net
        if self.basis_points >= _BASIS_POINTS:
            return net + self.maximum
        gross = -(-net * _BASIS_POINTS // (_BASIS_POINTS - self.basis_points))
        return min(gross, net + self.maximum)


class Mint(NamedTuple):
    """A mint; `older` and `newer` are its transfer fees, None without the extension."""

    address: Pubkey
    decimals: int
    program: Pubkey
    older: TransferFee | None = None
    newer: TransferFee | None = None

    def fee(self, amount: int, epoch: int) -> int:
        """The transfer fee of a gross `amount` in base units at `epoch`, 0 without the extension."""
        newer = self.newer
        if newer is None or self.older is None:
            return 0
        return (newer if epoch >= newer.epoch else self.older).of(amount)

    def gross_up(self, net: int, epoch: int) -> int:
        """The base units to send at `epoch` so that `net` arrives; the difference is the fee.

        Does not round-trip (grossing up the net of x need not give x) and may exceed 64 bits: each
        program answers that with its own error.
        """
        newer = self.newer
        if newer is None or self.older is None:
            return net
        return (newer if epoch >= newer.epoch else self.older).gross_up(net)


def decode_mint(address: Pubkey, account: "Account") -> Mint:
    """Decode a mint of either token program.

    Raises DecodeError on other bytes, and Unsupported where an extension changes what a transfer moves
    (`mint_transfer_hook` with a program set, `mint_non_transferable`, `mint_paused`,
    `mint_default_frozen`) or is not known (`mint_unknown_extension`).
    """
    return _decode_mint(address, account.owner, account.data)


# Pools share mints and mints hardly change: most calls find the very bytes decoded before.
@lru_cache(maxsize=1024)
def _decode_mint(address: Pubkey, program: Pubkey, data: bytes) -> Mint:
    size = len(data)
    if program == TOKEN_PROGRAM:
        name = "spl_token"
        if size != _MINT_SIZE:
            raise DecodeError(name, "mint", size, f"a mint has {_MINT_SIZE} bytes")
    elif program == TOKEN_2022_PROGRAM:
        name = "token_2022"
        if size != _MINT_SIZE and (size < _EXTENSIONS or data[_ACCOUNT_TYPE] != _TYPE_MINT):
            raise DecodeError(name, "account_type", min(size, _ACCOUNT_TYPE), "not a mint")
    else:
        raise DecodeError("spl_token", "owner", 0, f"mint {address} belongs to program {program}")
    if data[45] != 1:
        raise DecodeError(name, "is_initialized", 45, "not an initialised mint")
    older, newer = (None, None) if size == _MINT_SIZE else _read_extensions(data)
    return Mint(address, data[44], program, older, newer)


def _read_extensions(data: bytes) -> tuple[TransferFee | None, TransferFee | None]:
    """Return the transfer fees among the extensions of a Token-2022 mint, refusing what it must."""
    older = newer = None
    at = _EXTENSIONS
    # The token program stops likewise: at a type of 0, or where no further type and length fit.
    while at + _ENTRY.size <= len(data):
        kind, length = _ENTRY.unpack_from(data, at)
        if kind == 0:
            break
        at += _ENTRY.size
        if at + length > len(data) or length < _VALUE_SIZES.get(kind, 0):
            raise DecodeError("token_2022", f"extension {kind}", at, f"length {length} does not fit")
        if kind == _TRANSFER_FEE_CONFIG:
            values = _FEE_CONFIG.unpack_from(data, at)
            older, newer = TransferFee(*values[:3]), TransferFee(*values[3:])
            if older.basis_points > _BASIS_POINTS or newer.basis_points > _BASIS_POINTS:
                raise DecodeError("token_2022", "transfer_fee_basis_points", at, "over 10000")
        else:
            _refuse_altering(kind, data, at)
        at += length
    return older, newer


def _refuse_altering(kind: int, data: bytes, at: int) -> None:
    """Raise Unsupported when the extension `kind`, its value at `at`, makes a transfer do something else."""
    if kind == _NON_TRANSFERABLE:
        raise Unsupported("mint_non_transferable")
    if kind == _TRANSFER_HOOK:
        # Authority, then the hook's program: all zero means that no hook runs.
        if any(data[at + 32 : at + 64]):
            raise Unsupported("mint_transfer_hook", str(Pubkey.from_bytes(data[at + 32 : at + 64])))
    elif kind == _PAUSABLE:
        if data[at + 32]:
            raise Unsupported("mint_paused")
    elif kind == _DEFAULT_ACCOUNT_STATE:
        if data[at] == _STATE_FROZEN:
            raise Unsupported("mint_default_frozen")
    elif kind not in _HARMLESS:
        raise Unsupported("mint_unknown_extension", str(kind))


def token_balance(address: Pubkey, account: "Account") -> int:
    """The base units that a token account of either token program holds.

    Raises DecodeError on other bytes and Unsupported (`token_account_frozen`) when nothing can leave it.
    """
    data = account.data
    size = len(data)
    if size != _ACCOUNT_SIZE or account.owner != TOKEN_PROGRAM:
        if account.owner == TOKEN_2022_PROGRAM:
            if size != _ACCOUNT_SIZE and (size < _EXTENSIONS or data[_ACCOUNT_TYPE] != _TYPE_TOKEN_ACCOUNT):
                raise DecodeError("token_2022", "account_type", min(size, _ACCOUNT_TYPE), "not a token account")
        elif account.owner == TOKEN_PROGRAM:
            raise DecodeError("spl_token", "account", size, f"a token account has {_ACCOUNT_SIZE} bytes")
        else:
            raise DecodeError("spl_token", "owner", 0, f"{address} belongs to program {account.owner}")
    if data[108] != 1:
        if data[108] == _STATE_FROZEN:
            raise Unsupported("token_account_frozen", str(address))
        raise DecodeError("spl_token", "state", 108, f"token account {address} is not initialised")
    balance: int = _U64.unpack_from(data, 64)[0]
    return balance
