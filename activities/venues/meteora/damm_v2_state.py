"""The pool account of Meteora DAMM v2: what a swap reads of it, and what it changes.

Layout: `state/pool.rs` and `state/fee.rs` of MeteoraAg/damm-v2; 1,112 bytes with the discriminator.
"""

from dataclasses import dataclass
from struct import Struct

from activities.venues.meteora.damm_v2_curve import Range
from activities.venues.meteora.damm_v2_fees import BaseFee, DynamicFee

POOL_SIZE = 1112
POOL_TAG = bytes.fromhex("f19a6d0411b16dbc")
# Mint A and B, vault A and B lie together.
MINT_A, MINT_B, KEYS_END = 168, 200, 296

# Base fee; protocol, referral and compounding shares; dynamic fee flag; initial price; liquidity; protocol
# fees owed; lowest, highest and current price; activation point and type, status, collect fee mode, fee
# version; tracked reserves, layout version. A u128 is two u64.
_POOL = Struct("<8xQB5xHQQ8xBxB3xHB95xQQ192xQQ16xQQ16xQQQQQQQBB2xBxB193xQQB415x")
_DYNAMIC, _DYNAMIC_OFFSET = Struct("<IIHHHHQQQQQQQQQ"), 64

_LAST_UPDATE, _LAST_UPDATE_OFFSET = Struct("<Q"), 80
_VOLATILITY, _VOLATILITY_OFFSET = Struct("<QQQQQQ"), 104
_PROTOCOL_FEES, _PROTOCOL_FEES_OFFSET = Struct("<QQ"), 392
_SQRT_PRICE, _SQRT_PRICE_OFFSET = Struct("<QQ"), 456
_RESERVES, _RESERVES_OFFSET = Struct("<QQB"), 680
_LOW = 2**64 - 1

# A named tuple's own constructor is a function around this.
_make = tuple.__new__


@dataclass(slots=True)
class State:
    """A pool as a swap reads it; percentages and basis points are shares of the fee.

    A swap changes the range's price, the protocol fees owed, the tracked reserves with their layout version,
    and the dynamic fee.
    """

    base_fee: BaseFee
    protocol_percent: int
    referral_percent: int
    compounding_bps: int
    initial_sqrt_price: int
    range: Range
    activation_point: int
    activation_type: int
    status: int
    collect_mode: int
    fee_version: int
    protocol_a: int
    protocol_b: int
    reserve_a: int
    reserve_b: int
    layout_version: int
    dynamic: DynamicFee | None


def read_state(data: bytes) -> State:
    """Read the pool from exactly `POOL_SIZE` bytes."""
    (
        cliff,
        mode,
        steps,
        timing,
        factor,
        protocol_percent,
        referral_percent,
        compounding_bps,
        has_dynamic,
        initial,
        initial_high,
        liquidity,
        liquidity_high,
        protocol_a,
        protocol_b,
        lowest,
        lowest_high,
        highest,
        highest_high,
        price,
        price_high,
        activation_point,
        activation_type,
        status,
        collect_mode,
        fee_version,
        reserve_a,
        reserve_b,
        layout_version,
    ) = _POOL.unpack(data)
    return State(
        _make(BaseFee, (cliff, mode, steps, timing, factor)),
        protocol_percent,
        referral_percent,
        compounding_bps,
        initial_high << 64 | initial,
        _make(
            Range,
            (
                lowest_high << 64 | lowest,
                highest_high << 64 | highest,
                price_high << 64 | price,
                liquidity_high << 64 | liquidity,
            ),
        ),
        activation_point,
        activation_type,
        status,
        collect_mode,
        fee_version,
        protocol_a,
        protocol_b,
        reserve_a,
        reserve_b,
        layout_version,
        _read_dynamic(data) if has_dynamic else None,
    )


def _read_dynamic(data: bytes) -> DynamicFee:
    (
        max_accumulator,
        control,
        bin_step,
        filter_period,
        decay_period,
        reduction,
        last_update,
        step,
        step_high,
        price,
        price_high,
        accumulator,
        accumulator_high,
        reference,
        reference_high,
    ) = _DYNAMIC.unpack_from(data, _DYNAMIC_OFFSET)
    return DynamicFee(
        max_accumulator,
        control,
        bin_step,
        filter_period,
        decay_period,
        reduction,
        last_update,
        step_high << 64 | step,
        price_high << 64 | price,
        accumulator_high << 64 | accumulator,
        reference_high << 64 | reference,
    )


def write_state(data: bytearray, state: State) -> None:
    """Write what a swap changes into a pool account's bytes."""
    _PROTOCOL_FEES.pack_into(data, _PROTOCOL_FEES_OFFSET, state.protocol_a, state.protocol_b)
    _SQRT_PRICE.pack_into(data, _SQRT_PRICE_OFFSET, *_halves(state.range.sqrt_price))
    _RESERVES.pack_into(data, _RESERVES_OFFSET, state.reserve_a, state.reserve_b, state.layout_version)
    dynamic = state.dynamic
    if dynamic is not None:
        _LAST_UPDATE.pack_into(data, _LAST_UPDATE_OFFSET, dynamic.last_update)
        volatility = (dynamic.sqrt_price_reference, dynamic.accumulator, dynamic.reference)
        _VOLATILITY.pack_into(data, _VOLATILITY_OFFSET, *(half for value in volatility for half in _halves(value)))


def _halves(value: int) -> tuple[int, int]:
    return value & _LOW, value >> 64
