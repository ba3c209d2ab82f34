"""The pool and config accounts of Raydium CLMM, and the dynamic fee that a pool may carry.

Layouts: raydium-clmm `states/pool.rs`, `states/pool_fee.rs` and `states/config.rs` (packed, little-endian).
"""

from struct import Struct
from typing import NamedTuple

from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError
from activities.venues.raydium.clmm_errors import refused
from activities.venues.raydium.clmm_math import MAX_SQRT_PRICE, MAX_TICK, MIN_SQRT_PRICE, MIN_TICK

PROGRAM = "raydium_clmm"
PROGRAM_ID = Pubkey.from_string("CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK")

# Rates are parts of this.
RATE_ONE = 1_000_000
POOL_SIZE = 1544
CONFIG_SIZE = 117
POOL_DISCRIMINATOR = bytes.fromhex("f7ede3f5d7c3de46")
CONFIG_DISCRIMINATOR = bytes.fromhex("daf42168cbcb2b6f")

MINT_OFFSETS = (73, 105)
BITMAP = slice(904, 1032)

_POOL = Struct("<8sx32s32x32s32s32s32s32s2xH16s16si36xQQ64xBB641x32xQQQ8x80s368x")
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

# Raydium pool_fee: the ceiling of base plus dynamic rate, and the scales of volatility and of its control.
_MAX_DYNAMIC_TOTAL = 100_000
_VOLATILITY_SCALE = 10_000
_REDUCTION_ONE = 10_000
_CONTROL_SCALE = 100_000 * _VOLATILITY_SCALE**2
_U32_MAX = (1 << 32) - 1


class Rates(NamedTuple):
    """A config's rates in millionths: of the amount (trade), and of the trading fee (protocol, fund)."""

    protocol: int
    trade: int
    fund: int


class DynamicFee(NamedTuple):
    """A fee that rises with the tick spacings crossed: settings, then what swaps leave behind.

    Periods in seconds, volatilities in ten-thousandths of a spacing, `updated` in Unix seconds.
    """

    filter_period: int
    decay_period: int
    reduction: int
    control: int
    max_volatility: int
    index_reference: int
    volatility_reference: int
    volatility: int
    updated: int

    def referred(self, index: int, now: int) -> "DynamicFee":
        """The fee with its references as a swap that starts at spacing `index` at `now` finds them."""
        elapsed = max(now - self.updated, 0)
        if elapsed < self.filter_period:
            return self
        decays = elapsed < self.decay_period
        # The program narrows the product to 32 bits without a check.
        reference = self.volatility * self.reduction // _REDUCTION_ONE & _U32_MAX if decays else 0
        return self._replace(index_reference=index, volatility_reference=reference, updated=now)

    def volatility_at(self, index: int) -> int:
        """The volatility of trading at spacing `index`."""
        moved = abs(self.index_reference - index) * _VOLATILITY_SCALE
        return min(self.volatility_reference + moved, self.max_volatility)

    def total_rate(self, base: int, volatility: int, spacing: int) -> int:
        """The whole trade fee rate in millionths at `volatility`."""
        crossed = volatility * spacing
        if crossed > _U32_MAX:
            raise refused("CalculateOverflow")
        dynamic = -(-self.control * crossed * crossed // _CONTROL_SCALE)
        return min(base + dynamic, _MAX_DYNAMIC_TOTAL)


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
        *keys,
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
    return PoolKeys._make(map(Pubkey.from_bytes, keys)), state


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
