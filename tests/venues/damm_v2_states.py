"""Made-up DAMM v2 pools, and the swaps that are asked of them."""

from dataclasses import replace

import pytest
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from activities.venues.errors import SwapRefused
from activities.venues.meteora.damm_v2 import DammV2Pool
from activities.venues.meteora.damm_v2_curve import Range
from activities.venues.meteora.damm_v2_fees import BaseFee, DynamicFee
from activities.venues.meteora.damm_v2_state import State
from activities.venues.mint import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, Mint, TransferFee
from activities.venues.pool import Clock, Mode, Swap, UserAccounts
from deploy.vectors.meteora_damm_v2 import MeteoraDammV2

U64_MAX = 2**64 - 1
ONE = 1 << 64
LOWEST, HIGHEST = 4_295_048_016, 79_226_673_521_066_979_257_578_248_091
CLOCK = Clock(slot=400_000_000, epoch=925, unix_timestamp=1_790_000_000)
USER = UserAccounts(*(Pubkey.new_unique() for _ in range(3)))
ADAPTER = MeteoraDammV2()
KEYS = [Pubkey.from_bytes(bytes([index]) * 32) for index in range(1, 6)]
FLAT = BaseFee(2_500_000, 0, 0, 0, 0)
# Reference amount 1e9, 1 % more per slice, 50 % at most, for 100 slots.
LIMITER = BaseFee(10_000_000, 2, 100, 5_000 << 32 | 100, 10**9)
FALLING = BaseFee(500_000_000, 1, 100, 10, 200)
BY_PRICE = BaseFee(100_000_000, 3, 50, 1_000 << 32 | 20, 1_000_000)
DYNAMIC = DynamicFee(14_460_000, 956, 1, 10, 120, 5_000, 1_789_999_990, 1_844_674_407_370_955, ONE, 10_000, 5_000)


def mint(key: Pubkey, basis_points: int | None) -> Mint:
    if basis_points is None:
        return Mint(key, 6, TOKEN_PROGRAM)
    fee = TransferFee(0, U64_MAX, basis_points)
    return Mint(key, 6, TOKEN_2022_PROGRAM, fee, fee)


def make_pool(
    base_fee: BaseFee = FLAT,
    price: int = ONE,
    liquidity: int = 10**12 * ONE,
    lowest: int = LOWEST,
    highest: int = HIGHEST,
    fees_a: int | None = None,
    fees_b: int | None = None,
    **changes: object,
) -> DammV2Pool:
    state = State(
        base_fee,
        protocol_percent=20,
        referral_percent=20,
        compounding_bps=0,
        initial_sqrt_price=ONE,
        range=Range(lowest, highest, price, liquidity),
        activation_point=399_999_900,
        activation_type=0,
        status=0,
        collect_mode=0,
        fee_version=0,
        protocol_a=0,
        protocol_b=0,
        reserve_a=0,
        reserve_b=0,
        layout_version=0,
        dynamic=None,
    )
    state = replace(state, **changes)
    return DammV2Pool(KEYS[0], mint(KEYS[1], fees_a), mint(KEYS[2], fees_b), KEYS[3], KEYS[4], state)


def compounding(reserve_a: int = 10**12, reserve_b: int = 10**12, **changes: object) -> DammV2Pool:
    reserves = {"reserve_a": reserve_a, "reserve_b": reserve_b, "layout_version": 1}
    return make_pool(collect_mode=2, compounding_bps=5_000, **reserves, **changes)


def sell(amount: int, limit: int | None = None, a_to_b: bool = True, partly: bool = False) -> Swap:
    return Swap(a_to_b, Mode.PARTIAL_FILL if partly else Mode.EXACT_IN, amount, limit)


def buy(amount: int, limit: int | None = None, a_to_b: bool = True) -> Swap:
    return Swap(a_to_b, Mode.EXACT_OUT, amount, limit)


def refusal(pool: DammV2Pool, swap: Swap, clock: Clock = CLOCK) -> str:
    with pytest.raises(SwapRefused) as raised:
        pool.quote(swap, clock)
    return raised.value.name


transfer_fees = st.sampled_from([None, 0, 100, 9_999])
ranges = st.builds(
    make_pool,
    st.sampled_from(
        [FLAT, LIMITER, BaseFee(500_000_000, 1, 100, 10, 200), BaseFee(10**8, 3, 50, 10 << 32 | 20, 10**6)]
    ),
    price=st.integers(ONE // 1000, ONE * 1000),
    liquidity=st.integers(1, 2**120),
    lowest=st.integers(LOWEST, ONE // 1000),
    highest=st.integers(ONE * 1000, HIGHEST),
    fees_a=transfer_fees,
    fees_b=transfer_fees,
    collect_mode=st.sampled_from([0, 1]),
    dynamic=st.sampled_from([None, DYNAMIC]),
)
products = st.builds(compounding, st.integers(1, 2**62), st.integers(1, 2**62))
pools = ranges | products
amounts = st.integers(1, 2**62)
# Mostly, and just outside of, the program's limits.
prices = st.integers(LOWEST - 1, HIGHEST + 1) | st.sampled_from([LOWEST, HIGHEST]) | st.integers(0, 2**128 - 1)
