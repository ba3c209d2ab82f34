"""Raydium CLMM pools with positions nested around the price."""

from collections import defaultdict
from fractions import Fraction

from solders.pubkey import Pubkey

from activities.venues.pool import Account
from activities.venues.raydium.clmm_math import MAX_TICK, MIN_TICK, sqrt_price_at, tick_at
from activities.venues.raydium.clmm_state import (
    CONFIG_DISCRIMINATOR,
    CONFIG_SIZE,
    POOL_DISCRIMINATOR,
    POOL_SIZE,
    PROGRAM_ID,
    TICKS_PER_ARRAY,
)
from activities.venues.raydium.clmm_ticks import (
    ARRAY_DISCRIMINATOR,
    ARRAY_SIZE,
    TICK_SIZE,
    TICKS_OFFSET,
    array_address,
)
from deploy.localnet.pools.spec import Built, PoolSpec, int32, pda, record, sqrt_x64, uint, vault
from deploy.localnet.tokens import rent_exempt

_OBSERVATION_TAG = bytes.fromhex("7aaec5358109a584")
_OBSERVATION_SIZE = 4_483
# Shares of the trade fee in millionths, as Raydium's own configurations have them.
_PROTOCOL_SHARE, _FUND_SHARE = 120_000, 40_000
# The pool's own bitmap covers this many arrays to each side of tick 0.
_BITMAP_HALF = 512


def build(spec: PoolSpec) -> Built:
    """A pool of fee configuration `spec.index` whose tick spacing is `spec.step`."""
    (first, _), (second, _) = spec.sorted_pair()
    config = pda(PROGRAM_ID, b"amm_config", spec.index.to_bytes(2))
    pool = pda(PROGRAM_ID, b"pool", config, first.mint, second.mint)
    vault_0, vault_1 = (pda(PROGRAM_ID, b"pool_vault", pool, token.mint) for token in (first, second))
    observation = pda(PROGRAM_ID, b"observation", pool)
    root = sqrt_x64(spec.price_of_sorted())
    positions = _positions(spec, root)
    arrays = _tick_arrays(spec.step, pool, positions)
    amounts = [_amounts(root, *position) for position in positions]
    config_data = record(
        CONFIG_SIZE,
        {
            0: CONFIG_DISCRIMINATOR,
            9: uint(spec.index, 2),
            43: uint(_PROTOCOL_SHARE, 4),
            47: uint(spec.fee_ppm, 4),
            51: uint(spec.step, 2),
            53: uint(_FUND_SHARE, 4),
        },
    )
    pool_data = record(
        POOL_SIZE,
        {
            0: POOL_DISCRIMINATOR,
            9: config,
            73: first.mint,
            105: second.mint,
            137: vault_0,
            169: vault_1,
            201: observation,
            233: uint(first.decimals, 1),
            234: uint(second.decimals, 1),
            235: uint(spec.step, 2),
            237: uint(sum(liquidity for _, _, liquidity in positions), 16),
            253: uint(root, 16),
            269: int32(tick_at(root)),
            904: uint(sum(1 << (_BITMAP_HALF + index) for index in arrays), 128),
        },
    )
    built: Built = {
        config: Account(PROGRAM_ID, rent_exempt(CONFIG_SIZE), config_data),
        pool: Account(PROGRAM_ID, rent_exempt(POOL_SIZE), pool_data),
        observation: Account(
            PROGRAM_ID,
            rent_exempt(_OBSERVATION_SIZE),
            record(_OBSERVATION_SIZE, {0: _OBSERVATION_TAG, 19: pool}),
        ),
        vault_0: vault(first, pool, sum(amount for amount, _ in amounts)),
        vault_1: vault(second, pool, sum(amount for _, amount in amounts)),
    }
    for index, data in arrays.items():
        address = array_address(pool, index * TICKS_PER_ARRAY * spec.step)
        built[address] = Account(PROGRAM_ID, rent_exempt(ARRAY_SIZE), data)
    return built


def _positions(spec: PoolSpec, root: int) -> list[tuple[int, int, int]]:
    """Lower tick, upper tick and liquidity; the positions hold equal parts of the quote depth.

    The widest reaches over the whole range, the others are ever denser around the price: of two the inner one
    reaches over a quarter.
    """
    quote_is_second = spec.sorted_pair()[1][0] is spec.quote
    positions = []
    for rank in range(spec.positions, 0, -1):
        ratio = 1 + Fraction(spec.range_bps * rank**2, 10_000 * spec.positions**2)
        price = spec.price_of_sorted()
        lower = _aligned(tick_at(sqrt_x64(price / ratio)), spec.step)
        upper = _aligned(tick_at(sqrt_x64(price * ratio)), spec.step) + spec.step
        low, high = sqrt_price_at(lower), sqrt_price_at(upper)
        depth = spec.quote_depth // spec.positions
        of_second, of_first = (depth << 64) // (root - low), depth * root * high // ((high - root) << 64)
        liquidity = of_second if quote_is_second else of_first
        positions.append((lower, upper, liquidity))
    return positions


def _amounts(root: int, lower: int, upper: int, liquidity: int) -> tuple[int, int]:
    """What a position holds of both tokens at the root price, rounded up."""
    low, high = sqrt_price_at(lower), sqrt_price_at(upper)
    amount_0 = -(-(liquidity << 64) * (high - root) // (high * root))
    amount_1 = -(-liquidity * (root - low) >> 64)
    return amount_0, amount_1


def _tick_arrays(step: int, pool: Pubkey, positions: list[tuple[int, int, int]]) -> dict[int, bytes]:
    """The arrays in which positions begin or end, by index."""
    net: defaultdict[int, int] = defaultdict(int)
    gross: defaultdict[int, int] = defaultdict(int)
    for lower, upper, liquidity in positions:
        for tick, change in ((lower, liquidity), (upper, -liquidity)):
            net[tick] += change
            gross[tick] += liquidity
    span = TICKS_PER_ARRAY * step
    arrays: dict[int, bytes] = {}
    for index in sorted({tick // span for tick in gross}):
        start = index * span
        fields: dict[int, bytes | Pubkey] = {0: ARRAY_DISCRIMINATOR, 8: pool, 40: int32(start)}
        ticks = [tick for tick in gross if tick // span == index]
        for tick in ticks:
            offset = TICKS_OFFSET + (tick - start) // step * TICK_SIZE
            fields[offset] = int32(tick)
            fields[offset + 4] = net[tick].to_bytes(16, "little", signed=True)
            fields[offset + 20] = uint(gross[tick], 16)
        fields[TICKS_OFFSET + TICKS_PER_ARRAY * TICK_SIZE] = uint(len(ticks), 1)
        arrays[index] = record(ARRAY_SIZE, fields)
    return arrays


def _aligned(tick: int, step: int) -> int:
    """The tick at or below `tick` that is a multiple of the spacing, within the program's range."""
    return max(-(-MIN_TICK // step) * step, min(tick // step * step, MAX_TICK // step * step - step))
