"""The precomputed walk of a DLMM pool equals its quotes, for every amount."""

import contextlib
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.venues.errors import CannotLand, MissingAccounts, SwapRefused, VenueError
from activities.venues.meteora.dlmm import KIND
from activities.venues.meteora.dlmm_curve import DlmmCurve
from activities.venues.meteora.dlmm_layout import bin_array_address
from activities.venues.meteora.dlmm_pool import DlmmPool
from activities.venues.meteora.dlmm_swap import Walk
from activities.venues.pool import Mode, Swap
from deploy.vectors.meteora_dlmm import MeteoraDlmm
from tests.venues.dlmm_pools import ONE, pairs
from tests.venues.dlmm_states import ADDRESS, CLOCK, BinSpec, PairSpec
from tests.venues.recorded import recorded, scenario_of

ADAPTER = MeteoraDlmm()
U64_MAX = 2**64 - 1


def quoted(pool: DlmmPool, sells_x: bool, amount: int) -> int | str:
    try:
        return pool.quote(Swap(sells_x, Mode.EXACT_IN, amount), CLOCK).amount_out
    except VenueError as error:
        return f"{type(error).__name__} {error}"


def curved(curve: DlmmCurve, amount: int) -> int | str:
    try:
        return curve.amount_out(amount)
    except VenueError as error:
        return f"{type(error).__name__} {error}"


@given(
    spec=pairs(),
    sells_x=st.booleans(),
    amounts=st.lists(st.one_of(st.integers(0, 10**14), st.integers(0, 2**64)), max_size=5),
    shares=st.lists(st.integers(0, 1_001), max_size=5),
)
def test_a_curve_answers_as_quotes_do(spec: PairSpec, sells_x: bool, amounts: list[int], shares: list[int]) -> None:
    pool = spec.decoded()
    curve = pool.curve(sells_x, CLOCK)
    most = curve.max_in
    near_the_end = [most + distance for distance in range(-2, 4) if most + distance >= 0]
    for amount in (*amounts, *(most * share // 1_000 for share in shares), *near_the_end):
        assert curved(curve, amount) == quoted(pool, sells_x, amount)


OPEN_SCENARIOS = [
    scenario.id
    for scenario in recorded("meteora_dlmm").scenarios
    if ADAPTER.decode(scenario, scenario.accounts).unavailable(CLOCK) is None
]


@pytest.mark.parametrize("scenario_id", OPEN_SCENARIOS)
@pytest.mark.parametrize("sells_x", [True, False])
def test_a_curve_is_exact_around_the_end_of_every_bin(scenario_id: str, sells_x: bool) -> None:
    scenario = scenario_of("meteora_dlmm", scenario_id)
    pool = ADAPTER.decode(scenario, scenario.accounts)
    assert isinstance(pool, DlmmPool)
    curve = pool.curve(sells_x, CLOCK)
    for end in ends_of_bins(pool, sells_x):
        for amount in range(max(0, end - 2), end + 3):
            assert curved(curve, amount) == quoted(pool, sells_x, amount)


def ends_of_bins(pool: DlmmPool, sells_x: bool) -> list[int]:
    """The inputs that sell out the first bin, the first two, and so on."""
    most = pool.curve(sells_x, CLOCK).max_in
    if most == 0:
        return []
    path = pool.quote(Swap(sells_x, Mode.EXACT_IN, most), CLOCK).path
    assert isinstance(path, Walk)
    totals = accumulate(sum(taken[2:]) for taken in path.taken)
    mint = pool.mint_b if sells_x else pool.mint_a
    purchases = (Swap(sells_x, Mode.EXACT_OUT, total - mint.fee(total, CLOCK.epoch)) for total in totals)
    ends = []
    for purchase in purchases:
        with contextlib.suppress(VenueError):
            ends.append(pool.quote(purchase, CLOCK).amount_in)
    assert ends
    return ends


@pytest.mark.parametrize("sells_x", [True, False])
def test_the_largest_input_is_answered_and_the_next_refused(sells_x: bool) -> None:
    spec = PairSpec({0: ONE, 1: ONE, -1: ONE}, transfer_fees=((33, 10**18), (77, 10**18)))
    curve = spec.decoded().curve(sells_x, CLOCK)
    assert curve.amount_out(curve.max_in) > 0
    with pytest.raises(SwapRefused, match="6036"):
        curve.amount_out(curve.max_in + 1)


def test_a_curve_ends_with_what_a_transaction_can_carry() -> None:
    curve = PairSpec({-n: ONE for n in range(400)}, bin_step=1).decoded().curve(True, CLOCK)
    assert curve.max_in > 200 * 10**9
    with pytest.raises(CannotLand):
        curve.amount_out(curve.max_in + 2)


def test_a_curve_ends_with_the_arrays_at_hand() -> None:
    spec = PairSpec({0: ONE, -70: ONE})
    accounts = spec.accounts()
    del accounts[bin_array_address(ADDRESS, -1)]
    curve = KIND.decode(ADDRESS, accounts).curve(True, CLOCK)
    assert curve.amount_out(10**9) > 0
    for _ in range(2):
        with pytest.raises(MissingAccounts):
            curve.amount_out(2 * 10**9)


def test_nothing_to_sell_is_an_empty_curve() -> None:
    curve = PairSpec({}).decoded().curve(True, CLOCK)
    assert curve.max_in == 0
    with pytest.raises(SwapRefused, match="6036"):
        curve.amount_out(1)


def test_a_bin_that_no_amount_sells_out_is_answered_as_a_quote() -> None:
    pool = PairSpec({0: BinSpec(x=U64_MAX - 10**6, y=10**9), -1: ONE}).decoded()
    curve = pool.curve(True, CLOCK)
    for amount in (1, 10**5, 10**6, 10**7, 10**10, U64_MAX):
        assert curved(curve, amount) == quoted(pool, True, amount)
    assert curve.max_in == U64_MAX


def test_a_closed_pair_has_no_curve() -> None:
    with pytest.raises(SwapRefused, match="6042"):
        PairSpec({0: ONE}, status=1).decoded().curve(True, CLOCK)
