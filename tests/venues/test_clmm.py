"""Raydium CLMM against recorded runs, and what it refuses."""

from dataclasses import replace

import pytest

from activities.venues.errors import CannotLand
from activities.venues.pool import Mode, Swap
from activities.venues.raydium.clmm import KIND
from activities.venues.raydium.clmm_math import MAX_SQRT_PRICE, MIN_SQRT_PRICE, sqrt_price_at
from deploy.vectors.check import check_case, check_instruction_case
from deploy.vectors.raydium_clmm import RaydiumClmm, RaydiumClmm2026
from tests.venues.clmm_asking import PLAIN, U64_MAX, after_of, array_at, buy, refusal, sell
from tests.venues.clmm_states import (
    ADDRESS,
    CLOCK,
    PoolSpec,
    many_ticks,
)
from tests.venues.recorded import patched, recorded, scenario_of


class TestRecordedRuns:
    @pytest.mark.parametrize("adapter", [RaydiumClmm(), RaydiumClmm2026()], ids=["executed", "2026 features"])
    def test_every_recorded_swap_is_exact(self, adapter: RaydiumClmm) -> None:
        differences = {
            f"{scenario.id}: {case}": found
            for scenario in recorded(adapter.set_name).scenarios
            for case in scenario.cases
            if (found := check_case(adapter, scenario, case))
        }
        assert differences == {}

    def test_every_instruction_of_the_sdk_is_equal(self) -> None:
        cases = [case for case in recorded("swap_instructions").instruction_cases if case.program == "raydium_clmm"]
        differences = {
            f"{case.scenario}: {case.case}": found
            for case in cases
            if (found := check_instruction_case(RaydiumClmm(), scenario_of("raydium_clmm", case.scenario), case))
        }
        assert len(cases) == 56
        assert differences == {}

    def test_estimated_compute_covers_every_run_with_dearer_token_transfers(self) -> None:
        adapter = RaydiumClmm()
        for scenario in recorded("raydium_clmm").scenarios:
            pool = adapter.decode(scenario, scenario.accounts)
            for case in scenario.cases:
                if case.result["ok"]:
                    quote = adapter.quote(pool, case, scenario)
                    assert quote.compute_units >= case.result["cu"] + 10_000


class TestRefusals:
    def test_a_pool_whose_status_forbids_swaps_is_paused(self) -> None:
        pool = replace(PLAIN, status=1 << 4).decoded()
        assert refusal(pool, sell(1000)) == ("NotApproved", 6001)
        assert pool.unavailable(CLOCK) == "paused"

    def test_other_status_bits_do_not_forbid_swaps(self) -> None:
        pool = replace(PLAIN, status=0xFF ^ 1 << 4).decoded()
        assert pool.unavailable(CLOCK) is None
        assert pool.quote(sell(1000), CLOCK).amount_out > 0

    def test_a_pool_opens_the_second_after_its_opening_time(self) -> None:
        pool = replace(PLAIN, open_time=CLOCK.unix_timestamp).decoded()
        assert refusal(pool, sell(1000)) == ("RequireGtViolated", 2505)
        assert pool.unavailable(CLOCK) == "not_open"
        later = replace(CLOCK, unix_timestamp=CLOCK.unix_timestamp + 1)
        assert pool.unavailable(later) is None
        assert pool.quote(sell(1000), later).amount_out > 0

    @pytest.mark.parametrize("swap", [sell(0), buy(0)])
    def test_nothing_is_not_swapped(self, swap: Swap) -> None:
        assert refusal(PLAIN.decoded(), swap) == ("ZeroAmountSpecified", 6024)

    def test_an_input_that_buys_nothing_is_too_small(self) -> None:
        assert refusal(PLAIN.decoded(), sell(1)) == ("TooSmallInputOrOutputAmount", 6026)

    @pytest.mark.parametrize("amount", [-1, U64_MAX + 1])
    def test_an_amount_that_no_instruction_carries_is_refused(self, amount: int) -> None:
        assert refusal(PLAIN.decoded(), sell(amount)) == ("amount_out_of_range", None)

    def test_partial_fill_is_no_mode_of_this_program(self) -> None:
        assert refusal(PLAIN.decoded(), Swap(True, Mode.PARTIAL_FILL, 1000)) == ("mode_not_offered", None)

    @pytest.mark.parametrize(
        ("down", "stop"),
        [
            (True, sqrt_price_at(0)),
            (True, sqrt_price_at(0) + 1),
            (True, MIN_SQRT_PRICE),
            (True, 1),
            (False, sqrt_price_at(0)),
            (False, sqrt_price_at(0) - 1),
            (False, MAX_SQRT_PRICE),
            (False, 2**128 - 1),
        ],
    )
    def test_a_price_limit_behind_the_price_or_out_of_range_is_refused(self, down: bool, stop: int) -> None:
        assert refusal(PLAIN.decoded(), sell(1000, None, down, stop)) == ("SqrtPriceLimitOverflow", 6013)

    @pytest.mark.parametrize("down", [True, False])
    def test_past_the_last_tick_the_extension_decides_how_it_is_refused(self, down: bool) -> None:
        with_it, without_it = PLAIN.decoded(), replace(PLAIN, extension=False).decoded()
        swap = sell(10**15, None, down)
        assert refusal(with_it, swap) == ("LiquidityInsufficient", 6019)
        assert refusal(without_it, swap) == ("MissingTickArrayBitmapExtensionAccount", 6040)

    def test_a_direction_without_any_tick_is_refused(self) -> None:
        pool = PoolSpec([(-900, -600, 10**13)], tick=700).decoded()
        assert refusal(pool, sell(1000, None, False)) == ("InsufficientLiquidityForDirection", 6041)

    def test_a_tick_array_that_does_not_exist_is_refused_as_one_that_was_not_passed(self) -> None:
        accounts = many_ticks(2, 5).accounts()
        first, second = array_at(0), array_at(-1)
        pool = KIND.decode(ADDRESS, {**accounts, second: None})
        assert refusal(pool, sell(10**12)) == ("NotEnoughTickArrayAccount", 6027)
        assert pool.quote(sell(10**6), CLOCK).amount_out > 0
        pool = KIND.decode(ADDRESS, {**accounts, first: None})
        assert refusal(pool, sell(10**6)) == ("InvalidFirstTickArrayAccount", 6028)

    def test_the_last_price_ends_a_swap_without_a_limit(self) -> None:
        pool = PoolSpec([(-443_636, 443_636, 10**6)], spacing=4).decoded()
        for down in (True, False):
            most = pool.curve(down, CLOCK).max_in
            assert pool.quote(sell(most, None, down), CLOCK).amount_in == most
            assert refusal(pool, sell(most + 1, None, down)) == ("RequireEqViolated", 2501)

    def test_limits_hold_to_the_unit(self) -> None:
        pool = PLAIN.decoded()
        bought = pool.quote(sell(10**6), CLOCK).amount_out
        assert pool.quote(sell(10**6, bought), CLOCK).amount_out == bought
        assert refusal(pool, sell(10**6, bought + 1)) == ("TooLittleOutputReceived", 6022)
        paid = pool.quote(buy(10**6), CLOCK).amount_in
        assert pool.quote(buy(10**6, paid), CLOCK).amount_in == paid
        assert refusal(pool, buy(10**6, paid - 1)) == ("TooMuchInputPaid", 6023)

    def test_a_vault_pays_no_more_than_it_holds_and_counts_no_further_than_64_bits(self) -> None:
        bought = PLAIN.decoded().quote(sell(10**6), CLOCK).amount_out
        poor = replace(PLAIN, balances=(0, bought - 1)).decoded()
        assert refusal(poor, sell(10**6)) == ("InsufficientFunds", 1)
        full = replace(PLAIN, balances=(U64_MAX - 10**6 + 1, 1 << 62)).decoded()
        assert refusal(full, sell(10**6)) == ("Overflow", 14)

    def test_protocol_fees_owed_beyond_64_bits_are_refused(self) -> None:
        fee_share = 300
        nearly_full = replace(PLAIN, fees_owed=(U64_MAX - fee_share + 1, 0, 0, 0)).decoded()
        assert refusal(nearly_full, sell(10**6)) == ("CalculateOverflow", 6043)
        just_fits = replace(PLAIN, fees_owed=(U64_MAX - fee_share, 0, 0, 0)).decoded()
        assert after_of(just_fits, sell(10**6)).state.protocol_fees[0] == U64_MAX

    def test_liquidity_below_zero_is_refused_when_the_price_gets_there(self) -> None:
        spec = PoolSpec([(-900, 900, 10**13)])
        at = 44 + 168 * ((-900 + 1200) // 10) + 4
        accounts = patched(spec.accounts(), array_at(-900), at, (10**14).to_bytes(16, "little"))
        pool = KIND.decode(ADDRESS, accounts)
        assert pool.quote(sell(10**6), CLOCK).amount_out > 0
        assert refusal(pool, sell(10**12)) == ("LiquiditySubValueErr", 6015)


class TestWhatOneTransactionCarries:
    def test_more_arrays_than_a_transaction_lists_cannot_land(self) -> None:
        pool = many_ticks(13, 1).decoded()
        with pytest.raises(CannotLand):
            pool.quote(sell(10**13), CLOCK)

    def test_more_ticks_than_a_transaction_can_pay_for_cannot_land(self) -> None:
        pool = many_ticks(4, 60).decoded()
        quote = pool.quote(sell(pool.curve(True, CLOCK).max_in), CLOCK)
        assert 1_380_000 < quote.compute_units <= 1_400_000
        with pytest.raises(CannotLand):
            pool.quote(sell(quote.amount_in + 1), CLOCK)

    def test_an_endless_ladder_of_spacings_cannot_land(self) -> None:
        fee = (10, 100, 5_000, 100, 2**32 - 1, 0, 0, 0, 0)
        pool = PoolSpec([(-30_000, 30_000, 10**9)], spacing=1, dynamic=fee).decoded()
        with pytest.raises(CannotLand):
            pool.quote(sell(10**9), CLOCK)
