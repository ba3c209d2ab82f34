"""Where a DLMM walk ends: compute units, accounts of a transaction, arrays at hand, the range of bins."""

import pytest

from activities.venues.errors import CannotLand, MissingAccounts, SwapRefused
from activities.venues.meteora.dlmm import KIND
from activities.venues.meteora.dlmm_layout import bin_array_address
from activities.venues.meteora.dlmm_walk import MAX_BIN_ARRAYS
from activities.venues.pool import MAX_COMPUTE_UNITS
from tests.venues.dlmm_pools import ONE, exact_in, exact_out, refusal
from tests.venues.dlmm_states import ADDRESS, CLOCK, BinSpec, PairSpec

U64_MAX = 2**64 - 1


def test_a_walk_beyond_the_compute_limit_cannot_land() -> None:
    spec = PairSpec({-n: ONE for n in range(400)}, bin_step=1)
    landing = spec.decoded().quote(exact_in(240 * 10**9), CLOCK)
    assert MAX_COMPUTE_UNITS * 9 // 10 < landing.compute_units <= MAX_COMPUTE_UNITS
    with pytest.raises(CannotLand, match="compute_units"):
        spec.decoded().quote(exact_in(300 * 10**9), CLOCK)
    with pytest.raises(CannotLand, match="compute_units"):
        spec.decoded().quote(exact_out(230 * 10**9), CLOCK)


def test_a_walk_over_more_arrays_than_a_transaction_carries_cannot_land() -> None:
    spec = PairSpec({-70 * n: ONE for n in range(10)}, bin_step=1)
    landing = spec.decoded().quote(exact_in(MAX_BIN_ARRAYS * 10**9 - 10**8), CLOCK)
    assert landing.crossings == MAX_BIN_ARRAYS
    with pytest.raises(CannotLand, match="bin_arrays"):
        spec.decoded().quote(exact_in((MAX_BIN_ARRAYS + 1) * 10**9), CLOCK)


def test_arrays_that_were_not_fetched_are_asked_for_at_once() -> None:
    spec = PairSpec({-70 * n: ONE for n in range(10)}, bin_step=1)
    wanted = [bin_array_address(ADDRESS, -index) for index in range(10)]
    accounts = {key: account for key, account in spec.accounts().items() if key not in wanted[2:]}
    pool = KIND.decode(ADDRESS, accounts)
    assert pool.quote(exact_in(10**9), CLOCK).crossings == 1
    with pytest.raises(MissingAccounts) as raised:
        pool.quote(exact_in(5 * 10**9), CLOCK)
    assert list(raised.value.keys) == wanted[2:MAX_BIN_ARRAYS]


def test_a_marked_array_that_does_not_exist_is_refused() -> None:
    spec = PairSpec({0: ONE}, marks=frozenset({-1}))
    accounts = spec.accounts() | {bin_array_address(ADDRESS, -1): None}
    with pytest.raises(SwapRefused, match="AccountNotInitialized"):
        KIND.decode(ADDRESS, accounts).quote(exact_in(10**10), CLOCK)


def test_no_pair_leaves_the_range_of_bins() -> None:
    spec = PairSpec({443_636: ONE}, active_id=443_636, bin_step=1, extension=True, marks=frozenset({6_338}))
    assert refusal(spec, exact_in(10**18, sells_x=False)).name in {"PairInsufficientLiquidity", "TypeCastFailed"}
    low = PairSpec({-443_600: BinSpec(y=1)}, active_id=-443_600, bin_step=1, extension=True)
    assert refusal(low, exact_in(U64_MAX)).code in {6012, 6019}
