"""Limit orders in DLMM bins: who is served, what a purchase may not end in, and what they leave behind."""

from dataclasses import replace

import pytest

from activities.venues.errors import SwapRefused
from activities.venues.meteora.dlmm_layout import PAIR_BITMAP, extension_address
from deploy.vectors.meteora_dlmm import MeteoraDlmm
from tests.venues.dlmm_pools import exact_in, exact_out, refusal
from tests.venues.dlmm_states import ADDRESS, CLOCK, BinSpec, PairSpec
from tests.venues.recorded import recorded

ADAPTER = MeteoraDlmm()


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
