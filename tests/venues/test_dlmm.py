"""Meteora DLMM against recorded runs, against a plain model, and at its boundaries."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from activities.venues.errors import CannotLand, MissingAccounts, SwapRefused
from activities.venues.meteora.dlmm import KIND
from activities.venues.meteora.dlmm_layout import PAIR_BITMAP, PROGRAM, bin_array_address, extension_address
from activities.venues.meteora.dlmm_pool import DlmmPool
from activities.venues.meteora.dlmm_swap import Walk
from activities.venues.meteora.dlmm_walk import MAX_BIN_ARRAYS
from activities.venues.pool import MAX_COMPUTE_UNITS, Account, Accounts, Clock, Mode, Quote, Swap
from deploy.vectors.check import check_case, check_instruction_case
from deploy.vectors.meteora_dlmm import MeteoraDlmm
from tests.venues import dlmm_model
from tests.venues.dlmm_states import ADDRESS, CLOCK, NOW, RESERVE_X, RESERVE_Y, USER, BinSpec, PairSpec
from tests.venues.recorded import recorded, settle

U64_MAX = 2**64 - 1
ADAPTER = MeteoraDlmm()
ONE = BinSpec(x=10**9, y=10**9)


def exact_in(amount: int, limit: int | None = None, sells_x: bool = True) -> Swap:
    return Swap(sells_x, Mode.EXACT_IN, amount, limit)


def exact_out(amount: int, limit: int | None = None, sells_x: bool = True) -> Swap:
    return Swap(sells_x, Mode.EXACT_OUT, amount, limit)


def refusal(spec: PairSpec, swap: Swap, clock: Clock = CLOCK) -> SwapRefused:
    with pytest.raises(SwapRefused) as raised:
        spec.decoded().quote(swap, clock)
    return raised.value


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


def states_of(pool: DlmmPool, spec: PairSpec) -> dict[int, tuple[int, ...]]:
    """The bins that a pool holds, as far as a quote reads them."""
    found = {}
    for index, data in pool.state.arrays.items():
        for slot in range(70):
            assert data is not None
            at = 56 + 144 * slot
            fields = ((0, 8), (8, 16), (112, 120), (128, 136))
            found[70 * index + slot] = tuple(
                int.from_bytes(data[at + start : at + end], "little") for start, end in fields
            )
    return {bin_id: values for bin_id, values in found.items() if bin_id in spec.bins}


def test_every_recorded_swap_is_exact() -> None:
    differences = {
        f"{scenario.id}: {case}": found
        for scenario in recorded("meteora_dlmm").scenarios
        for case in scenario.cases
        if (found := check_case(ADAPTER, scenario, case))
    }
    assert differences == {}


def test_every_instruction_equals_the_sdks() -> None:
    scenarios = {scenario.id: scenario for scenario in recorded("meteora_dlmm").scenarios}
    cases = [case for case in recorded("swap_instructions").instruction_cases if case.program == "meteora_dlmm"]
    assert len(cases) == 90
    assert {case.scenario: check_instruction_case(ADAPTER, scenarios[case.scenario], case) for case in cases} == {
        case.scenario: [] for case in cases
    }


@given(spec=pairs(), sells_x=st.booleans(), out=st.booleans(), amount=st.integers(1, 10**14))
def test_a_quote_and_its_next_state_are_those_of_the_plain_model(
    spec: PairSpec, sells_x: bool, out: bool, amount: int
) -> None:
    swap = Swap(sells_x, Mode.EXACT_OUT if out else Mode.EXACT_IN, amount)
    pool = spec.decoded()
    try:
        expected = dlmm_model.run(spec, sells_x, amount, out)
    except dlmm_model.OutOfLiquidityError:
        assert refusal(spec, swap).name == "CannotFindNonZeroLiquidityBinArrayId"
        return
    if expected is None:
        assert refusal(spec, swap).code == 6085
        return
    if expected.amount_out == 0:
        assert refusal(spec, swap).code == 6039
        return
    quote = pool.quote(swap, CLOCK)
    assert (quote.amount_in, quote.amount_out, quote.fee) == (expected.amount_in, expected.amount_out, expected.fee)
    after = pool.after(quote, CLOCK)
    assert (after.state.pair.active_id, after.state.pair.volatility) == (expected.active_id, expected.volatility)
    moved = expected.active_id != spec.active_id
    assert after.state.pair.last_update == (NOW if moved else pool.state.pair.last_update)
    left = {bin_id: (b.x, b.y, b.orders, b.processed) for bin_id, b in expected.bins.items()}
    found = states_of(after, spec)
    assert found == {bin_id: values for bin_id, values in left.items() if bin_id in found}


def answer(pool: DlmmPool, swap: Swap) -> Quote | str:
    try:
        return pool.quote(swap, CLOCK)
    except SwapRefused as refused:
        return str(refused)


@given(sales())
def test_more_in_never_pays_less(sale: tuple[DlmmPool, bool, int]) -> None:
    pool, sells_x, amount = sale
    less, more = (answer(pool, exact_in(sold, sells_x=sells_x)) for sold in (amount, amount + 1))
    assert isinstance(less, str) or isinstance(more, str) or more.amount_out >= less.amount_out


@given(sales())
def test_no_output_beats_the_price_of_the_first_bin(sale: tuple[DlmmPool, bool, int]) -> None:
    pool, sells_x, amount = sale
    found = answer(pool, exact_in(amount, sells_x=sells_x))
    price = pool.spot_price()
    assert isinstance(found, str) or found.amount_out <= (amount * price if sells_x else amount / price)


@given(sales())
def test_there_and_back_never_gains(sale: tuple[DlmmPool, bool, int]) -> None:
    pool, sells_x, amount = sale
    there = answer(pool, exact_in(amount, sells_x=sells_x))
    if isinstance(there, Quote):
        back = answer(pool.after(there, CLOCK), exact_in(there.amount_out, sells_x=not sells_x))
        assert isinstance(back, str) or back.amount_out <= amount


@given(sales())
def test_buying_what_a_sale_pays_never_costs_more(sale: tuple[DlmmPool, bool, int]) -> None:
    pool, sells_x, amount = sale
    sold = answer(pool, exact_in(amount, sells_x=sells_x))
    if isinstance(sold, Quote):
        bought = answer(pool, exact_out(sold.amount_out, sells_x=sells_x))
        assert isinstance(bought, str) or bought.amount_in <= amount


@given(sales(), st.integers(1, 10**12))
def test_the_next_state_is_what_its_bytes_decode_to(sale: tuple[DlmmPool, bool, int], again: int) -> None:
    pool, sells_x, amount = sale
    accounts = accounts_of(pool)
    quote = answer(pool, exact_in(amount, sells_x=sells_x))
    assert pool.writes(accounts) == {}
    if isinstance(quote, Quote):
        after = pool.after(quote, CLOCK)
        decoded = KIND.decode(ADDRESS, settle(accounts, after.writes(accounts), {}))
        assert after == decoded
        assert after != pool
        assert answer(after, exact_in(again)) == answer(decoded, exact_in(again))


def test_transfers_name_the_gross_amounts() -> None:
    pool = PairSpec({0: ONE}, transfer_fees=((100, U64_MAX), (300, U64_MAX))).decoded()
    quote = pool.quote(exact_in(1_000_000), CLOCK)
    there, back = pool.transfers(quote, USER)
    assert (there.source, there.destination, there.amount) == (USER.source, RESERVE_X, 1_000_000)
    assert (back.source, back.destination) == (RESERVE_Y, USER.destination)
    assert back.amount - back.mint.fee(back.amount, CLOCK.epoch) == quote.amount_out
    assert (quote.transfer_fee_in, quote.transfer_fee_out) == (10_000, back.amount - quote.amount_out)


def test_a_purchase_grosses_up_both_transfer_fees() -> None:
    pool = PairSpec({0: ONE}, transfer_fees=((100, U64_MAX), (300, U64_MAX))).decoded()
    quote = pool.quote(exact_out(1_000_000), CLOCK)
    assert quote.amount_out == 1_000_000
    assert quote.transfer_fee_out == -(-1_000_000 * 10_000 // 9_700) - 1_000_000
    assert quote.transfer_fee_in == -(-quote.amount_in // 100)
    assert isinstance(quote.path, Walk)
    assert quote.amount_in - quote.transfer_fee_in == quote.path.amount_in


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"status": 1}, 6042, "paused"),
        ({"status": 2}, 6019, "paused"),
        ({"pair_type": 4}, 6043, None),
        ({"activation": (2, 0)}, 6058, None),
        ({"function_type": 3}, 6019, None),
        ({"collect_fee_mode": 2}, 6110, None),
        ({"pair_type": 1, "activation": (0, CLOCK.slot + 1)}, 6042, "not_open"),
        ({"pair_type": 2, "activation": (1, NOW + 1)}, 6042, "not_open"),
        # 2 ** 32 is passed by the decay of the accumulator, 2 ** 128 by the base fee.
        ({"volatility": (500_000, 0, 0, 100), "periods": (30, 600, 10_000)}, 6018, None),
        ({"base_fee_power": 39}, 6018, None),
    ],
)
def test_what_the_program_refuses_before_it_swaps(changes: dict[str, Any], code: int, reason: str | None) -> None:
    spec = replace(PairSpec({0: ONE}), **changes)
    assert refusal(spec, exact_in(1_000)).code == code
    assert spec.decoded().unavailable(CLOCK) == reason


@pytest.mark.parametrize(("pair_type", "kind", "point"), [(1, 0, CLOCK.slot), (2, 1, NOW), (3, 0, U64_MAX)])
def test_a_pair_opens_at_its_activation_point(pair_type: int, kind: int, point: int) -> None:
    spec = PairSpec({0: ONE}, pair_type=pair_type, activation=(kind, point))
    assert spec.decoded().unavailable(CLOCK) is None
    assert spec.decoded().quote(exact_in(1_000), CLOCK).amount_out > 0


@pytest.mark.parametrize("swap", [exact_in(0), exact_out(0)])
def test_nothing_is_no_swap(swap: Swap) -> None:
    assert refusal(PairSpec({0: ONE}), swap).code == 6002


def test_an_amount_too_small_for_any_output_is_refused() -> None:
    assert refusal(PairSpec({0: ONE}), exact_in(1)).code == 6039
    all_fee = PairSpec({0: ONE}, transfer_fees=((10_000, U64_MAX), None))
    assert refusal(all_fee, exact_in(1_000_000)).code == 6039


def test_a_mode_of_another_kind_is_refused() -> None:
    assert refusal(PairSpec({0: ONE}), Swap(True, Mode.PARTIAL_FILL, 1)).code is None


def test_the_least_output_is_measured_at_the_user() -> None:
    spec = PairSpec({0: ONE}, transfer_fees=(None, (1_000, U64_MAX)))
    amount_out = spec.decoded().quote(exact_in(1_000_000), CLOCK).amount_out
    assert spec.decoded().quote(exact_in(1_000_000, amount_out), CLOCK).amount_out == amount_out
    assert refusal(spec, exact_in(1_000_000, amount_out + 1)).code == 6003


def test_the_most_input_is_measured_where_it_arrives() -> None:
    spec = PairSpec({0: ONE}, transfer_fees=((1_000, U64_MAX), None))
    amount_in = spec.decoded().quote(exact_out(1_000_000), CLOCK).amount_in
    assert spec.decoded().quote(exact_out(1_000_000, amount_in), CLOCK).amount_in == amount_in
    assert refusal(spec, exact_out(1_000_000, amount_in - 2)).code == 6104


def test_the_budget_of_a_purchase_ends_before_the_liquidity_does() -> None:
    spec = PairSpec({0: ONE, -1: ONE})
    assert refusal(spec, exact_out(10**10)).code == 6036
    assert refusal(spec, exact_out(10**10, 10**6)).code == 6104


@pytest.mark.parametrize("wanted", [500, 1_200, 1_299])
def test_a_purchase_that_ends_in_open_orders_is_refused(wanted: int) -> None:
    spec = PairSpec({0: BinSpec(y=200, processed=100, orders=1_000)}, base_factor=0, variable_fee_control=0)
    assert refusal(spec, exact_out(wanted)).code == 6085
    assert spec.decoded().quote(exact_out(300), CLOCK).amount_in == 300
    assert spec.decoded().quote(exact_out(1_300), CLOCK).amount_in == 1_300


def test_a_purchase_with_a_surplus_out_of_processed_orders_is_refused() -> None:
    # At bin 300 a unit of X buys 1.35 units of Y: 3 of them cost 3, which buy 4.
    spec = PairSpec({300: BinSpec(processed=2_000)}, active_id=300, base_factor=0, variable_fee_control=0)
    assert refusal(spec, exact_out(3)).code == 6085
    assert spec.decoded().quote(exact_out(4), CLOCK).amount_in == 3


def test_the_recorded_undetermined_errors_are_foreseen() -> None:
    cases = [
        (scenario, case)
        for scenario in recorded("meteora_dlmm").scenarios
        for case in scenario.cases
        if ADAPTER.not_counted(scenario, case)
    ]
    assert len(cases) == 2
    for scenario, case in cases:
        pool = ADAPTER.decode(scenario, scenario.accounts)
        with pytest.raises(SwapRefused, match="6085"):
            pool.quote(ADAPTER.swap(case), scenario.clock)


@pytest.mark.parametrize(
    ("function_type", "reward", "served"), [(0, 0, True), (0, 9, False), (1, 0, False), (2, 9, True)]
)
def test_only_some_pairs_serve_limit_orders(function_type: int, reward: int, served: bool) -> None:
    spec = PairSpec(
        {0: BinSpec(orders=10**6)}, function_type=function_type, reward_mints=(bytes(32), bytes([reward]) * 32)
    )
    if served:
        assert spec.decoded().quote(exact_in(1_000), CLOCK).amount_out > 0
        assert spec.decoded().reserves() == (0, 10**6)
    else:
        assert refusal(spec, exact_in(1_000)).code == 6036
        assert spec.decoded().reserves() == (0, 0)


def test_orders_of_the_other_side_are_not_sold() -> None:
    spec = PairSpec({0: BinSpec(orders=10**6, ask=True)})
    assert refusal(spec, exact_in(1_000)).code == 6036
    assert spec.decoded().quote(exact_in(1_000, sells_x=False), CLOCK).amount_out > 0


def test_open_orders_once_touched_are_processed_together() -> None:
    spec = PairSpec({0: BinSpec(processed=100, orders=1_000, supply=0)}, base_factor=0, variable_fee_control=0)
    pool = spec.decoded()
    after = pool.after(pool.quote(exact_in(400), CLOCK), CLOCK)
    data = after.state.arrays[0]
    assert data is not None
    opened, processing, remaining, age = (
        int.from_bytes(data[56 + start : 56 + end], "little")
        for start, end in ((112, 120), (120, 128), (128, 136), (136, 140))
    )
    assert (opened, processing, remaining, age) == (0, 1_000, 700, 1)


@pytest.mark.parametrize("bin_id", [0, 40_000, -40_000])
def test_an_array_loses_its_mark_when_its_last_order_is_filled(bin_id: int) -> None:
    only_orders = BinSpec(orders=1_000, supply=0)
    spec = PairSpec({bin_id: only_orders}, active_id=bin_id, bin_step=1, extension=True)
    pool, key = spec.decoded(), ADDRESS if bin_id == 0 else extension_address(ADDRESS)
    emptied = pool.after(pool.quote(exact_out(1_000), CLOCK), CLOCK)
    written = emptied.writes(spec.accounts())
    assert not any(written[ADDRESS][PAIR_BITMAP])
    assert not any(written.get(extension_address(ADDRESS), bytes(40))[40:])
    assert key in written
    assert emptied.unavailable(CLOCK) == "empty"
    kept = replace(spec, bins={bin_id: replace(only_orders, supply=1)}).decoded()
    still = kept.after(kept.quote(exact_out(1_000), CLOCK), CLOCK)
    assert (still.state.pair.bitmap, still.state.extension) == (kept.state.pair.bitmap, kept.state.extension)


@pytest.mark.parametrize(
    ("bin_spec", "swap"),
    [
        # One unit of X at the price 2 ** -64 would sell more X than 64 bits hold.
        (BinSpec(y=10**6, price=1), exact_in(1_000)),
        (BinSpec(x=10**6, price=2**128 - 1), exact_in(1_000, sells_x=False)),
    ],
)
def test_a_layer_that_costs_more_than_64_bits_is_refused(bin_spec: BinSpec, swap: Swap) -> None:
    assert refusal(PairSpec({0: bin_spec}), swap).code == 6019


def test_a_bin_that_would_hold_more_than_64_bits_is_refused() -> None:
    spec = PairSpec({0: BinSpec(x=U64_MAX - 10, y=10**6)})
    assert refusal(spec, exact_in(1_000)).code == 6018
    assert refusal(spec, exact_in(10**9)).code == 6018


def test_totals_beyond_64_bits_are_refused() -> None:
    huge = BinSpec(y=2**63)
    spec = PairSpec({0: huge, -1: huge, -2: huge}, bin_step=1, base_factor=0, variable_fee_control=0)
    assert refusal(spec, exact_out(U64_MAX)).code == 6018
    fee = PairSpec({0: ONE}, transfer_fees=(None, (5_000, U64_MAX)))
    assert refusal(fee, exact_out(U64_MAX)).code == 6018
    assert refusal(fee, exact_in(U64_MAX + 1)).code is None


def test_a_bin_of_more_than_64_bits_of_orders_cannot_be_subtracted() -> None:
    # At bin 300 a unit of X buys 1.35 units of Y.
    vast = BinSpec(y=U64_MAX, orders=U64_MAX)
    spec = PairSpec({300: vast}, active_id=300, base_factor=0, variable_fee_control=0)
    assert refusal(spec, exact_out(U64_MAX)).code == 6018


def test_a_price_not_stored_yet_is_computed_and_stored() -> None:
    stored, unstored = PairSpec({7: ONE}, active_id=7), PairSpec({7: replace(ONE, price=0)}, active_id=7)
    assert stored.decoded() == unstored.decoded()
    assert stored.decoded().spot_price() == unstored.decoded().spot_price()
    quote = unstored.decoded().quote(exact_in(1_000), CLOCK)
    assert quote == stored.decoded().quote(exact_in(1_000), CLOCK)
    written = unstored.decoded().after(quote, CLOCK).writes(unstored.accounts())
    assert written == stored.decoded().after(quote, CLOCK).writes(stored.accounts())


def test_empty_bins_leave_the_fee_alone() -> None:
    near, far = PairSpec({0: ONE}), PairSpec({-5: ONE}, volatility=(0, 0, -5, 5))
    rates = [spec.decoded().quote(exact_in(10**6), CLOCK).fee for spec in (near, far)]
    assert rates[0] == rates[1]


def test_the_fee_rises_from_bin_to_bin() -> None:
    spec = PairSpec({-n: ONE for n in range(30)}, base_factor=0, variable_fee_control=500_000)
    pool = spec.decoded()
    fees = [pool.quote(exact_out(n * 10**9), CLOCK).fee for n in range(1, 31)]
    steps = [later - earlier for earlier, later in pairwise(fees)]
    assert steps == sorted(steps)
    assert steps[0] < steps[-1]


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


def test_a_pool_is_empty_when_all_it_could_sell_is_at_hand_and_nothing() -> None:
    assert PairSpec({}).decoded().unavailable(CLOCK) == "empty"
    assert PairSpec({0: BinSpec()}).decoded().unavailable(CLOCK) == "empty"
    accounts = PairSpec({0: BinSpec()}).accounts()
    del accounts[bin_array_address(ADDRESS, 0)]
    assert KIND.decode(ADDRESS, accounts).unavailable(CLOCK) is None


def test_the_spot_price_is_that_of_the_active_bin() -> None:
    assert PairSpec({0: ONE}).decoded().spot_price() == 1
    assert abs(PairSpec({1: ONE}, active_id=1).decoded().spot_price() - Fraction(1001, 1000)) < Fraction(1, 10**15)


def test_a_quote_of_another_kind_has_no_next_state() -> None:
    pool = PairSpec({0: ONE}).decoded()
    foreign = pool.quote(exact_in(1_000), CLOCK)._replace(path=None)
    with pytest.raises(SwapRefused, match="foreign_quote"):
        pool.after(foreign, CLOCK)
