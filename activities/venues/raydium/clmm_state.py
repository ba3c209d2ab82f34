"""The pool and config accounts of Raydium CLMM.

Layouts: raydium-clmm `states/pool.rs`, `states/pool_fee.rs` and `states/config.rs` (packed, little-endian).
"""

from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError
from activities.venues.raydium.clmm_dynamic_fee import DynamicFee
from activities.venues.raydium.clmm_math import MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, MIN_TICK

PROGRAM = "raydium_clmm"
PROGRAM_ID = Pubkey.from_string("CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK")

# Rates are parts of this.
RATE_ONE = 1_000_000
# Tick arrays hold this many ticks, one every tick spacing.
TICKS_PER_ARRAY = 60
POOL_SIZE = 1544
CONFIG_SIZE = 117
POOL_DISCRIMINATOR = bytes.fromhex("f7ede3f5d7c3de46")
CONFIG_DISCRIMINATOR = bytes.fromhex("daf42168cbcb2b6f")

MINT_OFFSETS = (73, 105)
BITMAP = slice(904, 1032)

_POOL = Struct("<8s227xH16s16si36xQQ64xBB673xQQQ8x80s368x")
# Config, mints, vaults and observation account.
_KEYS = Struct("<32s32x32s32s32s32s32s")
_KEYS_SLICE = slice(9, 233)
_CONFIG = Struct("<8s35xII2xI60x")
_DYNAMIC = Struct("<HHHIIiIIQ")

# What a swap changes: offset and size in the pool account. The last four are of the dynamic fee.
_LIQUIDITY, _SQRT_PRICE, _TICK = (237, 16), (253, 16), (269, 4)
_PROTOCOL_FEES = ((309, 8), (317, 8))
_STATUS = (389, 1)
_FUND_FEES = ((1064, 8), (1072, 8))
_DYNAMIC_OFFSET = 1096
_DYNAMIC_REFERENCES = Struct("<iIIQ")

_NO_DYNAMIC_FEE = bytes(80)


class Rates(NamedTuple):
    """A config's rates in millionths: of the amount (trade), and of the trading fee (protocol, fund)."""

    protocol: int
    trade: int
    fund: int


class PoolState(NamedTuple):
    """What a swap reads and changes in the pool account.

    `protocol_fees` and `fund_fees` are what the pool owes of token 0 and token 1 in base units; `status`
    forbids swaps with bit 4; `fee_on` says which token pays the fee (0 the input, 1 token 0, 2 token 1).
    """

    spacing: int
    liquidity: int
    sqrt_price: int
    tick: int
    protocol_fees: tuple[int, int]
    status: int
    fee_on: int
    fund_fees: tuple[int, int]
    open_time: int
    dynamic: DynamicFee | None

    def fee_on_input(self, a_to_b: bool) -> bool:
        """Whether a swap in this direction pays its trading fee in the token it sells."""
        if self.fee_on == 1:
            return a_to_b
        return self.fee_on != 2 or not a_to_b


class PoolKeys(NamedTuple):
    """The accounts that a pool account names."""

    config: Pubkey
    mint_0: Pubkey
    mint_1: Pubkey
    vault_0: Pubkey
    vault_1: Pubkey
    observation: Pubkey


def decode_pool(data: bytes) -> tuple[PoolKeys, PoolState]:
    """Decode a pool account of POOL_SIZE bytes; raises DecodeError on values that no pool can have."""
    (
        discriminator,
        spacing,
        liquidity,
        sqrt_price,
        tick,
        protocol_fee_0,
        protocol_fee_1,
        status,
        fee_on,
        fund_fee_0,
        fund_fee_1,
        open_time,
        dynamic,
    ) = _POOL.unpack(data)
    if discriminator != POOL_DISCRIMINATOR:
        raise DecodeError(PROGRAM, "discriminator", 0, "not a pool")
    if spacing == 0:
        raise DecodeError(PROGRAM, "tick_spacing", 235, "zero")
    price = int.from_bytes(sqrt_price, "little")
    if not MIN_SQRT_PRICE <= price <= MAX_SQRT_PRICE:
        raise DecodeError(PROGRAM, "sqrt_price_x64", 253, "out of range")
    if not MIN_TICK <= tick <= MAX_TICK:
        raise DecodeError(PROGRAM, "tick_current", 269, "out of range")
    state = PoolState(
        spacing,
        int.from_bytes(liquidity, "little"),
        price,
        tick,
        (protocol_fee_0, protocol_fee_1),
        status,
        fee_on,
        (fund_fee_0, fund_fee_1),
        open_time,
        None if dynamic == _NO_DYNAMIC_FEE else DynamicFee._make(_DYNAMIC.unpack_from(dynamic)),
    )
    return _decode_keys(data[_KEYS_SLICE]), state


# They never change, and six addresses take longer to make than to find.
@lru_cache(maxsize=1 << 12)
def _decode_keys(data: bytes) -> PoolKeys:
    return PoolKeys._make(map(Pubkey.from_bytes, _KEYS.unpack(data)))


def write_pool(data: bytearray, state: PoolState) -> None:
    """Write what a swap changes of `state` into the bytes of its pool account."""
    numbers = (
        (_LIQUIDITY, state.liquidity),
        (_SQRT_PRICE, state.sqrt_price),
        (_TICK, state.tick),
        *zip(_PROTOCOL_FEES, state.protocol_fees, strict=True),
        (_STATUS, state.status),
        *zip(_FUND_FEES, state.fund_fees, strict=True),
    )
    for (offset, size), value in numbers:
        data[offset : offset + size] = value.to_bytes(size, "little", signed=value < 0)
    if state.dynamic is not None:
        _DYNAMIC_REFERENCES.pack_into(data, _DYNAMIC_OFFSET + 14, *state.dynamic[5:])


# Many pools share a config, which hardly ever changes.
@lru_cache(maxsize=256)
def decode_config(data: bytes) -> Rates:
    """Decode a config account of CONFIG_SIZE bytes; raises DecodeError when it is none."""
    discriminator, protocol, trade, fund = _CONFIG.unpack(data)
    if discriminator != CONFIG_DISCRIMINATOR:
        raise DecodeError(PROGRAM, "discriminator", 0, "not a config")
    if trade >= RATE_ONE:
        raise DecodeError(PROGRAM, "trade_fee_rate", 47, "the whole amount or more")
    if protocol + fund > RATE_ONE:
        raise DecodeError(PROGRAM, "protocol_fee_rate", 43, "more than the fee with the fund's share")
    return Rates(protocol, trade, fund)
