"""Meteora DLMM pairs: the same value in every bin of the range, with a variable fee."""

from solders.pubkey import Pubkey

from activities.venues.meteora.dlmm_bins import bin_price
from activities.venues.meteora.dlmm_layout import (
    ARRAY_HEADER,
    ARRAY_SIZE,
    BIN_SIZE,
    BINS_PER_ARRAY,
    MAX_BIN_ID,
    PAIR_DISCRIMINATOR,
    PAIR_SIZE,
    PROGRAM,
    bin_array_address,
)
from activities.venues.pool import Account
from deploy.localnet.pools.spec import Built, PoolSpec, int32, pda, record, uint, vault
from deploy.localnet.tokens import rent_exempt

_ARRAY_TAG = bytes.fromhex("5c8e5cdc059446b5")
_ORACLE_TAG = bytes.fromhex("8bc283b38cb3e5f4")
_ORACLE_SIZE = 3_232
_ORACLE_LENGTH = 100
# The pair's own bitmap covers this many arrays to each side of bin 0.
_BITMAP_HALF = 512
# Seconds, then parts of 10,000, as Meteora's presets for a step of 10 have them.
_FILTER_PERIOD, _DECAY_PERIOD, _REDUCTION = 30, 600, 5_000
_VARIABLE_FEE_CONTROL, _MAX_VOLATILITY = 40_000, 150_000
_PROTOCOL_SHARE = 500


def build(spec: PoolSpec) -> Built:
    """A pair whose X is the base token; `spec.step` is its bin step in basis points.

    The fee must be a multiple of the step's hundredth that fits the pair's base factor, else ValueError.
    """
    base, quote = spec.base, spec.quote
    factor, rest = divmod(spec.fee_ppm * 100, spec.step)
    if rest or not 0 < factor < 1 << 16:
        raise ValueError(f"a DLMM pair with step {spec.step} cannot have a fee of {spec.fee_ppm} ppm")
    first, second = sorted((bytes(base.mint), bytes(quote.mint)))
    pair = pda(PROGRAM, first, second, uint(spec.step, 2), uint(factor, 2))
    active = _active_bin(spec)
    bins = _bins(spec, active)
    arrays = sorted({bin_id // BINS_PER_ARRAY for bin_id in bins})
    reserve_x, reserve_y = pda(PROGRAM, pair, base.mint), pda(PROGRAM, pair, quote.mint)
    oracle = pda(PROGRAM, b"oracle", pair)
    seeds = [first, second, uint(spec.step, 2), uint(factor, 2)]
    pair_data = record(
        PAIR_SIZE,
        {
            0: PAIR_DISCRIMINATOR,
            8: uint(factor, 2),
            10: uint(_FILTER_PERIOD, 2),
            12: uint(_DECAY_PERIOD, 2),
            14: uint(_REDUCTION, 2),
            16: uint(_VARIABLE_FEE_CONTROL, 4),
            20: uint(_MAX_VOLATILITY, 4),
            24: int32(-MAX_BIN_ID),
            28: int32(MAX_BIN_ID),
            32: uint(_PROTOCOL_SHARE, 2),
            48: int32(active),
            72: uint(Pubkey.find_program_address(seeds, PROGRAM)[1], 1),
            73: uint(spec.step, 2),
            76: int32(active),
            80: uint(spec.step, 2),
            88: base.mint,
            120: quote.mint,
            152: reserve_x,
            184: reserve_y,
            552: oracle,
            584: uint(sum(1 << (_BITMAP_HALF + index) for index in arrays), 128),
            880: uint(len(base.account.data) > 82, 1),
            881: uint(len(quote.account.data) > 82, 1),
            882: uint(1, 1),
        },
    )
    oracle_data = record(_ORACLE_SIZE, {0: _ORACLE_TAG, 24: uint(_ORACLE_LENGTH, 8)})
    built: Built = {
        pair: Account(PROGRAM, rent_exempt(PAIR_SIZE), pair_data),
        oracle: Account(PROGRAM, rent_exempt(_ORACLE_SIZE), oracle_data),
        reserve_x: vault(base, pair, sum(x for x, _ in bins.values())),
        reserve_y: vault(quote, pair, sum(y for _, y in bins.values())),
    }
    for index in arrays:
        data = _bin_array(spec.step, pair, index, bins)
        built[bin_array_address(pair, index)] = Account(PROGRAM, rent_exempt(ARRAY_SIZE), data)
    return built


def _active_bin(spec: PoolSpec) -> int:
    """The bin with the greatest price that is at most the pool's."""
    wanted = (spec.price.numerator << 64) // spec.price.denominator
    low, high = -MAX_BIN_ID // spec.step, MAX_BIN_ID // spec.step
    while low < high:
        middle = (low + high + 1) // 2
        if bin_price(middle, spec.step) <= wanted:
            low = middle
        else:
            high = middle - 1
    return low


def _bins(spec: PoolSpec, active: int) -> dict[int, tuple[int, int]]:
    """X and Y by bin: Y below the active bin, as much worth of X above it, half of each in it."""
    reach = max(1, spec.range_bps // spec.step)
    value = spec.quote_depth * 2 // (2 * reach + 1)
    bins = {}
    for bin_id in range(active - reach, active + reach + 1):
        x = (value << 64) // bin_price(bin_id, spec.step)
        if bin_id == active:
            bins[bin_id] = (x // 2, value // 2)
        else:
            bins[bin_id] = (x, 0) if bin_id > active else (0, value)
    return bins


def _bin_array(step: int, pair: Pubkey, index: int, bins: dict[int, tuple[int, int]]) -> bytes:
    fields: dict[int, bytes | Pubkey] = {
        0: _ARRAY_TAG,
        8: index.to_bytes(8, "little", signed=True),
        16: uint(2, 1),
        24: pair,
    }
    for slot in range(BINS_PER_ARRAY):
        bin_id = index * BINS_PER_ARRAY + slot
        if bin_id in bins:
            x, y = bins[bin_id]
            price = bin_price(bin_id, step)
            offset = ARRAY_HEADER + slot * BIN_SIZE
            fields[offset] = uint(x, 8) + uint(y, 8) + uint(price, 16) + uint(price * x + (y << 64), 16)
    return record(ARRAY_SIZE, fields)
