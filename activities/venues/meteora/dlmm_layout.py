"""Meteora DLMM accounts: what of their bytes a swap reads, and where they live.

Layouts: the program's public IDL (lb_clmm 0.12.0); offsets count the 8-byte discriminator.
"""

from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, Unsupported

PROGRAM = Pubkey.from_string("LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo")
NAME = "meteora_dlmm"

U32_MAX = 2**32 - 1

# Bin ids of the smallest step (1 bp) whose price still fits Q64.64; no pair leaves this range.
MAX_BIN_ID = 443_636
BINS_PER_ARRAY = 70

PAIR_DISCRIMINATOR = bytes.fromhex("210b3162b565b10d")
PAIR_SIZE = 904
PAIR_MINT_X, PAIR_MINT_Y = 88, 120
_ARRAY_DISCRIMINATOR = bytes.fromhex("5c8e5cdc059446b5")
_EXTENSION_DISCRIMINATOR = bytes.fromhex("506f7c7137ed1205")
EXTENSION_SIZE, EXTENSION_BITS = 1576, 40

# LbPair from its discriminator to the mints' program flags.
_PAIR = Struct(
    "<8sHHHHII10xBBB3x"  # static parameters
    "IIi4xq8x"  # variable parameters
    "3xBiHB3xB1x"  # type, active bin, step, status, activation type
    "32s32s32s32s48x"  # mints and reserves
    "32s112x32s112x"  # reward mints
    "32s128s104xQ"  # oracle, bitmap, activation point
)
# What a swap changes in it: volatility accumulator and reference with the index reference, the time of
# update, the active bin.
PAIR_VOLATILITY, PAIR_VOLATILITY_OFFSET = Struct("<IIi"), 40
PAIR_UPDATE, PAIR_UPDATE_OFFSET = Struct("<q"), 56
PAIR_ACTIVE, PAIR_ACTIVE_OFFSET = Struct("<i"), 76
PAIR_BITMAP = slice(584, 712)
# Version 1 came with the on-chain limit orders of 2026-05; pairs that were not migrated since have version 0.
_PAIR_VERSION, _LAST_PAIR_VERSION = 882, 1

ARRAY_SIZE, ARRAY_HEADER, BIN_SIZE = 10_136, 56, 144
_ARRAY_HEAD = Struct("<8sq")
# Bin: amounts of X and Y, price (low, high), open orders, processed orders remaining, order side.
BIN = Struct("<QQQQ80xQ8xQ4xB3x")
BIN_AMOUNTS = Struct("<QQ")
BIN_PRICE, BIN_PRICE_OFFSET = Struct("<QQ"), 16
BIN_SUPPLY = slice(32, 48)
# Open orders, total being processed, remaining of those, age.
BIN_ORDERS, BIN_ORDERS_OFFSET = Struct("<QQQI"), 112

STATUS_ENABLED, STATUS_DISABLED = 0, 1
# Undetermined, liquidity mining, limit orders.
LAST_FUNCTION_TYPE = 2
# Pair types that wait for their activation point, and the last type there is.
GATED_PAIR_TYPES = frozenset({1, 2})
LAST_PAIR_TYPE = 3
ACTIVATION_BY_TIME = 1


class Pair(NamedTuple):
    """The fields of an LbPair account that a swap reads; rates and periods as stored, keys as bytes."""

    discriminator: bytes
    base_factor: int
    filter_period: int
    decay_period: int
    reduction_factor: int
    variable_fee_control: int
    max_volatility: int
    base_fee_power: int
    function_type: int
    collect_fee_mode: int
    volatility: int
    volatility_reference: int
    index_reference: int
    last_update: int
    pair_type: int
    active_id: int
    bin_step: int
    status: int
    activation_type: int
    mint_x: bytes
    mint_y: bytes
    reserve_x: bytes
    reserve_y: bytes
    reward_mint_0: bytes
    reward_mint_1: bytes
    oracle: bytes
    bitmap: bytes
    activation_point: int

    @property
    def has_orders(self) -> bool:
        """Whether limit orders are part of the pool: declared so, or undeclared and without rewards."""
        if self.function_type == 0:
            return not (any(self.reward_mint_0) or any(self.reward_mint_1))
        return self.function_type == 2


def read_pair(data: bytes) -> Pair:
    """Decode the data of an LbPair account; raises DecodeError, or Unsupported for a version of a later program."""
    if len(data) != PAIR_SIZE:
        raise DecodeError(NAME, "lb_pair", len(data), f"{PAIR_SIZE} bytes expected")
    pair = Pair._make(_PAIR.unpack_from(data))
    if pair.discriminator != PAIR_DISCRIMINATOR:
        raise DecodeError(NAME, "discriminator", 0, "not an LbPair")
    if not -MAX_BIN_ID <= pair.active_id <= MAX_BIN_ID:
        raise DecodeError(NAME, "active_id", PAIR_ACTIVE_OFFSET, f"{pair.active_id} out of range")
    if data[_PAIR_VERSION] > _LAST_PAIR_VERSION:
        raise Unsupported("unknown_layout_version", f"version {data[_PAIR_VERSION]} of an LbPair")
    return pair


def read_extension(data: bytes, pair: Pubkey) -> bytes:
    """The two bitmaps of a BinArrayBitmapExtension of `pair`, positive first; raises DecodeError."""
    if len(data) != EXTENSION_SIZE:
        raise DecodeError(NAME, "bitmap_extension", len(data), f"{EXTENSION_SIZE} bytes expected")
    if data[:8] != _EXTENSION_DISCRIMINATOR:
        raise DecodeError(NAME, "bitmap_extension", 0, "not a BinArrayBitmapExtension")
    if data[8:EXTENSION_BITS] != bytes(pair):
        raise DecodeError(NAME, "bitmap_extension.lb_pair", 8, "of another pair")
    return data[EXTENSION_BITS:]


def check_array(data: bytes, pair: bytes, index: int) -> None:
    """Raise DecodeError unless `data` is the bin array `index` of `pair`."""
    if len(data) != ARRAY_SIZE:
        raise DecodeError(NAME, "bin_array", len(data), f"{ARRAY_SIZE} bytes expected")
    discriminator, found = _ARRAY_HEAD.unpack_from(data)
    if discriminator != _ARRAY_DISCRIMINATOR:
        raise DecodeError(NAME, "bin_array", 0, "not a BinArray")
    if found != index:
        raise DecodeError(NAME, "bin_array.index", 8, f"{index} expected")
    if data[24:ARRAY_HEADER] != pair:
        raise DecodeError(NAME, "bin_array.lb_pair", 24, "of another pair")


# Deriving an address costs tens of microseconds and pools are read again and again.
@lru_cache(maxsize=16_384)
def bin_array_address(pair: Pubkey, index: int) -> Pubkey:
    """The address of bin array `index` (bins 70 * index to 70 * index + 69)."""
    seeds = [b"bin_array", bytes(pair), index.to_bytes(8, "little", signed=True)]
    return Pubkey.find_program_address(seeds, PROGRAM)[0]


@lru_cache(maxsize=4_096)
def extension_address(pair: Pubkey) -> Pubkey:
    """The address of the pair's bitmap extension; only pairs with far liquidity have one."""
    return Pubkey.find_program_address([b"bitmap", bytes(pair)], PROGRAM)[0]
