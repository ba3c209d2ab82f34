"""Meteora DLMM against recorded runs, and its refusals and boundaries."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from activities.venues.errors import SwapRefused
from activities.venues.meteora.dlmm import KIND
from activities.venues.meteora.dlmm_layout import bin_array_address
from activities.venues.meteora.dlmm_swap import Walk
from activities.venues.pool import Mode, Swap
from deploy.vectors.check import check_case, check_instruction_case
from deploy.vectors.meteora_dlmm import MeteoraDlmm
from tests.venues.dlmm_pools import ONE, exact_in, exact_out, refusal
from tests.venues.dlmm_states import ADDRESS, CLOCK, NOW, RESERVE_X, RESERVE_Y, USER, BinSpec, PairSpec
from tests.venues.recorded import recorded

U64_MAX = 2**64 - 1
ADAPTER = MeteoraDlmm()


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
