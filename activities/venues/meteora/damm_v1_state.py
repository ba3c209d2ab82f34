"""The DAMM v1 pool account: its layout and the fields that a swap reads."""

from struct import Struct
from typing import NamedTuple

from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, Unsupported
from activities.venues.pool import Account

PROGRAM = Pubkey.from_string("Eo7WjKq67rjJQSZxS6z3YkapzY3eMj6Xy8X5EQVn5UaB")
NAME = "meteora_damm_v1"
DISCRIMINATOR = bytes.fromhex("f19a6d0411b16dbc")
MINT_A, MINT_B = 40, 72

# Discriminator; mints; vaults; the pool's vault LP accounts; enabled; protocol fee accounts; the four fee
# numbers; activation point and type; fee schedule type, points and whether it is done; curve type.
_POOL = Struct("<8s32x32s32s32s32s32s32sxB32s32s32xQQQQ41xQ64xB56xB70sB270xB")
# Where the enumerations stand, and how many values each has: the program cannot read a pool with others.
_ENUMERATIONS = (
    ("enabled", 233, 2),
    ("pool_type", 362, 2),
    ("fee_curve_type", 532, 3),
    ("is_update_fee_completed", 603, 2),
    ("curve_type", 874, 2),
)
_STABLE = 1


class Header(NamedTuple):
    """The pool account's own fields; keys as bytes."""

    discriminator: bytes
    mint_a: bytes
    mint_b: bytes
    vault_a: bytes
    vault_b: bytes
    lp_account_a: bytes
    lp_account_b: bytes
    enabled: int
    protocol_fee_a: bytes
    protocol_fee_b: bytes
    fee_numerator: int
    fee_denominator: int
    protocol_numerator: int
    protocol_denominator: int
    activation_point: int
    activation_type: int
    schedule_type: int
    schedule_points: bytes
    schedule_done: int
    curve_type: int


def read_header(account: Account) -> Header:
    """Decode the account of a constant-product pool.

    Raises DecodeError, and Unsupported (`stable_curve`).
    """
    data = account.data
    if account.owner != PROGRAM:
        raise DecodeError(NAME, "pool", 0, f"belongs to program {account.owner}")
    if len(data) < _POOL.size:
        raise DecodeError(NAME, "pool", len(data), f"at least {_POOL.size} bytes expected")
    header = Header._make(_POOL.unpack_from(data))
    if header.discriminator != DISCRIMINATOR:
        raise DecodeError(NAME, "discriminator", 0, "not a pool")
    for field, offset, values in _ENUMERATIONS:
        if data[offset] >= values:
            raise DecodeError(NAME, field, offset, f"{data[offset]} is none of its {values} values")
    if header.curve_type == _STABLE:
        raise Unsupported("stable_curve")
    return header
