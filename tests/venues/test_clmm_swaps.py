"""How Raydium CLMM swaps: price limits, fees of all sorts, limit orders, and the state that they leave."""

from dataclasses import replace
from fractions import Fraction
from itertools import islice

import pytest

from activities.venues.errors import MissingAccounts
from activities.venues.pool import Mode, Swap
from activities.venues.raydium.clmm import KIND
from activities.venues.raydium.clmm_math import sqrt_price_at
from activities.venues.raydium.clmm_pool import ClmmPool
from tests.venues.clmm_asking import PLAIN, U64_MAX, USER, after_of, applied, array_at, buy, refusal, sell, tick_of
from tests.venues.clmm_states import (
    ADDRESS,
    CLOCK,
    VAULT_0,
    VAULT_1,
    Order,
    PoolSpec,
    without,
)
from tests.venues.recorded import patched, u64


class TestPriceLimits:
    @pytest.mark.parametrize("down", [True, False])
    @pytest.mark.parametrize("mode", [Mode.EXACT_IN, Mode.EXACT_OUT])
    def test_a_swap_stops_at_its_limit_with_what_it_got(self, down: bool, mode: Mode) -> None:
        pool = PLAIN.decoded()
        stop = sqrt_price_at(-55 if down else 55)
        quote = pool.quote(Swap(down, mode, 10**13, None, stop), CLOCK)
        after = pool.after(quote, CLOCK).state
        assert quote.amount_in < 10**13
        assert quote.amount_out < 10**13
        assert (after.sqrt_price, after.tick) == (stop, -55 if down else 55)

    def test_a_limit_on_a_tick_in_use_crosses_it(self) -> None:
        pool = PLAIN.decoded()
        after = after_of(pool, sell(10**15, None, True, sqrt_price_at(-900))).state
        assert (after.tick, after.liquidity) == (-901, 0)

    def test_beyond_the_limit_nothing_has_to_be_fetched(self) -> None:
        pool = KIND.decode(ADDRESS, without(PLAIN.accounts(), array_at(-900)))
        stop = sqrt_price_at(-10)
        # The next tick has to be known even when the limit comes before it.
        with pytest.raises(MissingAccounts):
            pool.quote(sell(10**15, None, True, stop), CLOCK)


class TestTransferFees:
    FEE = (250, U64_MAX)

    def test_an_input_that_does_not_round_trip_is_refused(self) -> None:
        pool = replace(PLAIN, transfer_fees=(self.FEE, None)).decoded()
        fits = {amount for amount in range(10_000, 10_100) if amount == self._there_and_back(pool, amount)}
        for amount in range(10_000, 10_100):
            if amount in fits:
                quote = pool.quote(sell(amount), CLOCK)
                assert (quote.amount_in, quote.transfer_fee_in) == (amount, pool.mint_a.fee(amount, CLOCK.epoch))
            else:
                assert refusal(pool, sell(amount)) == ("RequireEqViolated", 2501)
        assert 0 < len(fits) < 100

    def _there_and_back(self, pool: ClmmPool, amount: int) -> int:
        return pool.mint_a.gross_up(amount - pool.mint_a.fee(amount, CLOCK.epoch), CLOCK.epoch)

    def test_an_exact_output_of_a_token_with_a_fee_is_refused(self) -> None:
        pool = replace(PLAIN, transfer_fees=(None, self.FEE)).decoded()
        assert refusal(pool, buy(10**6)) == ("RequireEqViolated", 2501)
        assert pool.quote(buy(10**6, None, False), CLOCK).amount_out == 10**6

    def test_a_price_limit_lifts_both_refusals(self) -> None:
        pool = replace(PLAIN, transfer_fees=(self.FEE, self.FEE)).decoded()
        stop = sqrt_price_at(-800)
        quote = pool.quote(buy(10**6, None, True, stop), CLOCK)
        assert quote.amount_out == 10**6
        assert quote.amount_in == pool.mint_a.gross_up(quote.amount_in - quote.transfer_fee_in, CLOCK.epoch)

    def test_the_limit_counts_what_reaches_the_user(self) -> None:
        pool = replace(PLAIN, transfer_fees=(None, self.FEE)).decoded()
        quote = pool.quote(sell(10**6), CLOCK)
        assert quote.transfer_fee_out == pool.mint_b.fee(quote.amount_out + quote.transfer_fee_out, CLOCK.epoch)
        assert refusal(pool, sell(10**6, quote.amount_out + 1)) == ("TooLittleOutputReceived", 6022)

    def test_a_wholly_taken_input_is_nothing(self) -> None:
        pool = replace(PLAIN, transfer_fees=((10_000, U64_MAX), None)).decoded()
        assert refusal(pool, sell(10**6)) == ("ZeroAmountSpecified", 6024)

    def test_an_output_that_grosses_up_beyond_64_bits_is_refused(self) -> None:
        pool = replace(PLAIN, transfer_fees=(None, (10_000, U64_MAX))).decoded()
        assert refusal(pool, buy(10**6)) == ("CalculateOverflow", 6043)


class TestFees:
    @pytest.mark.parametrize(
        ("fee_on", "down", "on_input"),
        [
            (0, True, True),
            (0, False, True),
            (1, True, True),
            (1, False, False),
            (2, True, False),
            (2, False, True),
            (3, True, True),
        ],
    )
    def test_the_fee_side_decides_who_is_owed_what(self, fee_on: int, down: bool, on_input: bool) -> None:
        pool = replace(PLAIN, fee_on=fee_on, trade_rate=10_000).decoded()
        quote = pool.quote(sell(10**6, None, down), CLOCK)
        assert quote.fee_on_input is on_input
        assert quote.fee == pytest.approx(10_000, abs=2)
        after = pool.after(quote, CLOCK).state
        side = 0 if down is on_input else 1
        assert after.protocol_fees[side] == quote.fee * 12 // 100
        assert after.fund_fees[side] == quote.fee * 4 // 100
        assert after.protocol_fees[1 - side] == after.fund_fees[1 - side] == 0

    def test_reserves_leave_out_the_fees_owed(self) -> None:
        pool = replace(PLAIN, balances=(1000, 50), fees_owed=(10, 20, 5, 40)).decoded()
        assert pool.reserves() == (985, 0)

    def test_volatility_raises_the_fee_spacing_by_spacing_up_to_the_ceiling(self) -> None:
        fee = (10, 100, 5_000, 90_000, 400_000, 0, 0, 0, 0)
        spec = replace(PLAIN, dynamic=fee)
        rates = [segment.rate for segment in islice(spec.decoded().walk(True, CLOCK, 1).segments(), 41)]
        expected = [2_500 + -(-90_000 * (min(10_000 * step, 400_000) * 10) ** 2 // 10**13) for step in range(41)]
        assert rates == [min(rate, 100_000) for rate in expected]

    @pytest.mark.parametrize(
        ("elapsed", "reference", "updated"),
        [(9, 30_000, -9), (10, 40_000, 0), (99, 40_000, 0), (100, 0, 0)],
    )
    def test_volatility_is_kept_then_halved_then_forgotten(self, elapsed: int, reference: int, updated: int) -> None:
        now = CLOCK.unix_timestamp
        spec = replace(PLAIN, dynamic=(10, 100, 5_000, 1, 10**6, 7, 30_000, 80_000, now - elapsed))
        after = after_of(spec.decoded(), sell(10**6)).state.dynamic
        assert after is not None
        assert (after.volatility_reference, after.updated - now) == (reference, updated)
        assert after.index_reference == (7 if updated else 0)

    def test_a_volatility_beyond_its_type_is_refused(self) -> None:
        now = CLOCK.unix_timestamp
        spec = replace(PLAIN, dynamic=(10, 100, 5_000, 1, 2**32 - 1, 0, 2**31, 2**31, now))
        assert refusal(spec.decoded(), sell(10**6)) == ("CalculateOverflow", 6043)


class TestLimitOrders:
    def test_orders_in_work_are_filled_before_untouched_ones(self) -> None:
        spec = replace(PLAIN, orders={-50: Order(1000, 400, ratio=1 << 63)})
        pool = spec.decoded()
        stop = sqrt_price_at(-50)
        to_the_tick = pool.quote(buy(10**15, None, True, stop), CLOCK).amount_out - 1400
        after = after_of(pool, buy(to_the_tick + 100))
        tick = tick_of(after, -50)
        assert (tick.orders, tick.part_filled, tick.phase) == (1000, 300, 7)
        assert tick.unfilled_ratio == (1 << 63) * 300 // 400
        assert after.state.tick == -50

        tick = tick_of(after_of(pool, buy(to_the_tick + 400 + 250)), -50)
        assert (tick.orders, tick.part_filled, tick.phase) == (0, 750, 8)
        assert tick.unfilled_ratio == (750 << 64) // 1000

        after = after_of(pool, buy(to_the_tick + 1400))
        assert tick_of(after, -50).unfilled == 0
        assert after.state.tick == -51

    @pytest.mark.parametrize(("down", "tick"), [(True, -50), (False, 50)])
    def test_orders_trade_at_the_price_of_their_tick(self, down: bool, tick: int) -> None:
        pool = PoolSpec([], tick=0, orders={tick: Order(10**12)}, trade_rate=0).decoded()
        quote = pool.quote(sell(10**9, None, down), CLOCK)
        price = Fraction(sqrt_price_at(tick) ** 2, 1 << 128)
        fair = 10**9 * price if down else 10**9 / price
        assert fair - 2 < quote.amount_out <= fair
        assert pool.after(quote, CLOCK).state.sqrt_price == sqrt_price_at(tick)

    def test_fees_that_no_liquidity_earns_go_to_the_protocol(self) -> None:
        pool = PoolSpec([], orders={-50: Order(10**12)}).decoded()
        quote = pool.quote(sell(10**9), CLOCK)
        after = pool.after(quote, CLOCK).state
        assert after.fund_fees[0] == quote.fee * 4 // 100
        assert after.protocol_fees[0] == quote.fee - after.fund_fees[0]

    @pytest.mark.parametrize(
        ("spacing", "tick"),
        [
            *((1, tick) for tick in (-50, 50, -30_780, 30_720, -30_721, -61_440, -61_500, 61_440, 92_160)),
            *((10, tick) for tick in (-500, 500, -307_210, 307_200, -307_200)),
            *((60, tick) for tick in (-300_000, 300_000)),
        ],
    )
    def test_an_array_whose_last_order_is_filled_leaves_the_bitmap(self, spacing: int, tick: int) -> None:
        down = tick < 0
        far = tick + (-1 if down else 1) * 60 * spacing
        spec = PoolSpec([], spacing, orders={tick: Order(10), far: Order(10)})
        pool, accounts = spec.decoded(), spec.accounts()
        index = tick // (60 * spacing)
        assert pool.bitmap.is_set(index)
        quote = pool.quote(buy(10, None, down), CLOCK)
        after = pool.after(quote, CLOCK)
        assert not after.bitmap.is_set(index)
        decoded = KIND.decode(ADDRESS, applied(accounts, after.writes(accounts)))
        assert decoded.bitmap == after.bitmap
        assert list(decoded.bitmap.indexes()) == [far // (60 * spacing)]
        array = accounts[array_at(tick, spacing)]
        assert array is not None
        assert after.writes(accounts)[array_at(tick, spacing)][10_124] == array.data[10_124] - 1

    def test_orders_on_a_position_tick_are_filled_before_it_is_crossed(self) -> None:
        spec = replace(PLAIN, orders={-900: Order(10**9)})
        pool = spec.decoded()
        stop = sqrt_price_at(-900)
        whole = pool.quote(sell(10**15, None, True, stop), CLOCK)
        held = after_of(pool, buy(whole.amount_out - 1)).state
        assert (held.tick, held.liquidity) == (-900, 10**13)
        crossed = after_of(pool, buy(whole.amount_out)).state
        assert (crossed.tick, crossed.liquidity) == (-901, 0)

    def test_orders_beyond_64_bits_are_refused(self) -> None:
        pool = PoolSpec([], orders={-50: Order(U64_MAX, 1)}).decoded()
        assert refusal(pool, sell(10**9)) == ("CalculateOverflow", 6043)


class TestNextState:
    def test_a_vault_emptied_to_the_unit_closes_the_pool(self) -> None:
        bought = PLAIN.decoded().quote(sell(10**6), CLOCK).amount_out
        pool = replace(PLAIN, balances=(0, bought)).decoded()
        after = after_of(pool, sell(10**6))
        assert after.balances == (10**6, 0)
        assert after.unavailable(CLOCK) == "paused"

    def test_unchanged_bytes_are_not_written(self) -> None:
        accounts = PLAIN.accounts()
        assert KIND.decode(ADDRESS, accounts).writes(accounts) == {}

    def test_writing_leaves_other_bytes_alone(self) -> None:
        marked = patched(PLAIN.accounts(), ADDRESS, 277, b"\xaa" * 32)
        pool = KIND.decode(ADDRESS, marked)
        written = after_of(pool, sell(10**6)).writes(marked)
        assert set(written) == {ADDRESS}
        assert written[ADDRESS][277:309] == b"\xaa" * 32

    def test_writing_needs_the_accounts_that_it_changes(self) -> None:
        with pytest.raises(MissingAccounts):
            after_of(PLAIN.decoded(), sell(10**6)).writes({})

    def test_pools_are_equal_when_what_a_quote_reads_is_equal(self) -> None:
        accounts = PLAIN.accounts()
        pool = KIND.decode(ADDRESS, accounts)
        assert pool == KIND.decode(ADDRESS, patched(accounts, ADDRESS, 277, u64(5)))
        assert pool != KIND.decode(ADDRESS, patched(accounts, ADDRESS, 237, u64(5)))
        assert pool != KIND.decode(ADDRESS, patched(accounts, VAULT_0, 64, u64(5)))
        at = 44 + 168 * ((-900 + 1200) // 10)
        assert pool == KIND.decode(ADDRESS, patched(accounts, array_at(-900), at + 36, u64(5)))
        assert pool != KIND.decode(ADDRESS, patched(accounts, array_at(-900), at + 124, u64(5)))
        assert pool != "a pool"

    def test_transfers_move_the_input_in_and_the_gross_output_out(self) -> None:
        pool = replace(PLAIN, transfer_fees=(None, (250, U64_MAX))).decoded()
        quote = pool.quote(sell(10**6), CLOCK)
        into, out_of = pool.transfers(quote, USER)
        assert (into.source, into.destination, into.amount) == (USER.source, VAULT_0, 10**6)
        assert (out_of.source, out_of.destination) == (VAULT_1, USER.destination)
        assert out_of.amount == quote.amount_out + quote.transfer_fee_out

    def test_spot_price_is_the_square_of_the_pools(self) -> None:
        pool = replace(PLAIN, sqrt_price=3 << 63, tick=8109).decoded()
        assert pool.spot_price() == Fraction(9, 4)

    def test_a_pool_without_any_tick_is_empty(self) -> None:
        assert PoolSpec([]).decoded().unavailable(CLOCK) == "empty"
        assert PoolSpec([], orders={50: Order(1)}).decoded().unavailable(CLOCK) is None
