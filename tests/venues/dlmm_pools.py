"""Made-up DLMM pools for hypothesis, and short ways to ask them."""

from dataclasses import replace

import pytest
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from activities.venues.errors import SwapRefused
from activities.venues.meteora.dlmm_layout import PROGRAM, bin_array_address, extension_address
from activities.venues.meteora.dlmm_pool import DlmmPool
from activities.venues.pool import Account, Accounts, Clock, Mode, Quote, Swap
from tests.venues.dlmm_states import ADDRESS, CLOCK, BinSpec, PairSpec

# A bin with plenty of both tokens.
ONE = BinSpec(x=10**9, y=10**9)


def exact_in(amount: int, limit: int | None = None, sells_x: bool = True) -> Swap:
    return Swap(sells_x, Mode.EXACT_IN, amount, limit)


def exact_out(amount: int, limit: int | None = None, sells_x: bool = True) -> Swap:
    return Swap(sells_x, Mode.EXACT_OUT, amount, limit)


def refusal(spec: PairSpec, swap: Swap, clock: Clock = CLOCK) -> SwapRefused:
    with pytest.raises(SwapRefused) as raised:
        spec.decoded().quote(swap, clock)
    return raised.value


def answer(pool: DlmmPool, swap: Swap) -> Quote | str:
    try:
        return pool.quote(swap, CLOCK)
    except SwapRefused as refused:
        return str(refused)


amounts = st.one_of(st.just(0), st.integers(1, 1_000), st.integers(1, 10**13))
bins = st.builds(
    BinSpec,
    x=amounts,
    y=amounts,
    orders=amounts,
    processed=amounts,
    ask=st.booleans(),
    supply=st.sampled_from([0, 1 << 70]),
)


@st.composite
def pairs(draw: st.DrawFn) -> PairSpec:
    """Pairs of up to 6 bins in up to three arrays, of every fee mode and function type."""
    bin_step = draw(st.sampled_from([1, 2, 10, 25, 100]))
    # Prices within a million either way: amounts of 10 ** 13 stay within 64 bits.
    furthest = 130_000 // bin_step
    active_id = draw(st.one_of(st.integers(-200, 200), st.integers(-furthest, furthest)))
    ids = draw(st.lists(st.integers(active_id - 80, active_id + 80), min_size=1, max_size=6, unique=True))
    return PairSpec(
        bins={bin_id: draw(bins) for bin_id in sorted(ids)},
        active_id=active_id,
        bin_step=bin_step,
        base_factor=draw(st.integers(0, 20_000)),
        base_fee_power=draw(st.integers(0, 2)),
        variable_fee_control=draw(st.one_of(st.just(0), st.integers(1, 2_000_000))),
        max_volatility=draw(st.integers(0, 500_000)),
        periods=(draw(st.integers(0, 60)), draw(st.integers(60, 600)), draw(st.integers(0, 5_000))),
        volatility=(
            draw(st.integers(0, 500_000)),
            draw(st.integers(0, 100_000)),
            active_id + draw(st.integers(-40, 40)),
            draw(st.integers(0, 1_000)),
        ),
        function_type=draw(st.integers(0, 2)),
        collect_fee_mode=draw(st.integers(0, 1)),
        extension=True,
    )


def accounts_of(pool: DlmmPool) -> Accounts:
    """The accounts that `pool`, one of this module, was decoded from."""
    accounts: dict[Pubkey, Account | None] = dict(PairSpec({}, extension=True).accounts())
    accounts[ADDRESS] = Account(PROGRAM, 1_000_000, pool.data)
    extension = accounts[extension_address(ADDRESS)]
    assert extension is not None
    assert pool.state.extension is not None
    accounts[extension_address(ADDRESS)] = replace(extension, data=extension.data[:40] + pool.state.extension)
    for index, data in pool.state.arrays.items():
        assert data is not None
        accounts[bin_array_address(ADDRESS, index)] = Account(PROGRAM, 1_000_000, data)
    return accounts


@st.composite
def sales(draw: st.DrawFn) -> tuple[DlmmPool, bool, int]:
    """A pool with X at the active bin and above, Y there and below; a direction and an input that it can take."""
    spec = draw(pairs())
    bins = {spec.active_id: BinSpec(x=draw(st.integers(10**6, 10**13)), y=draw(st.integers(10**6, 10**13)))}
    for bin_id, found in spec.bins.items():
        if bin_id > spec.active_id:
            bins[bin_id] = replace(found, y=0) if found.ask else BinSpec(x=found.x)
        elif bin_id < spec.active_id:
            bins[bin_id] = BinSpec(y=found.y) if found.ask else replace(found, x=0)
    pool, sells_x = replace(spec, bins=bins).decoded(), draw(st.booleans())
    most = pool.curve(sells_x, CLOCK).max_in
    assert most
    return pool, sells_x, max(1, most * draw(st.integers(1, 10**6)) // 10**6)
