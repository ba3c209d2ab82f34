"""Meteora DAMM v2 against recorded runs, at its boundaries and over whole ranges."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, MissingAccounts, SwapRefused
from activities.venues.meteora.damm_v2 import KIND, PROGRAM, DammV2Pool
from activities.venues.meteora.damm_v2_fees import BaseFee, DynamicFee
from activities.venues.meteora.damm_v2_instruction import Form
from activities.venues.mint import TOKEN_PROGRAM
from activities.venues.pool import Account, Mode, Swap, SwapCall
from deploy.vectors.check import check_case, check_instruction_case
from tests.venues.damm_v2_states import (
    ADAPTER,
    CLOCK,
    DYNAMIC,
    KEYS,
    LIMITER,
    ONE,
    U64_MAX,
    USER,
    amounts,
    buy,
    compounding,
    make_pool,
    pools,
    prices,
    refusal,
    sell,
)
from tests.venues.recorded import patched, recorded, scenario_of, settle, u64


def test_every_recorded_swap_is_exact() -> None:
    differences = {
        f"{scenario.id}: {case}": found
        for scenario in recorded("meteora_damm_v2").scenarios
        for case in scenario.cases
        if (found := check_case(ADAPTER, scenario, case))
    }
    assert differences == {}


def test_every_instruction_of_the_sdk_is_equal() -> None:
    cases = [case for case in recorded("swap_instructions").instruction_cases if case.program == "meteora_damm_v2"]
    differences = {
        f"{case.scenario}: {case.case}": found
        for case in cases
        if (found := check_instruction_case(ADAPTER, scenario_of("meteora_damm_v2", case.scenario), case))
    }
    assert (len(cases), differences) == (149, {})


def test_recorded_codes_bear_the_programs_names() -> None:
    named = {
        (error["code"], error["name"])
        for scenario in recorded("meteora_damm_v2").scenarios
        for case in scenario.cases
        if (error := case.result.get("error"))
    }
    assert len(named) == 5
    assert all(KIND.error_names[code] == name for code, name in named)


def test_a_pool_opens_at_its_point_by_slot_or_by_time() -> None:
    by_slot = make_pool(activation_point=CLOCK.slot + 1)
    by_time = make_pool(activation_point=CLOCK.unix_timestamp + 1, activation_type=1)
    for pool, opening in (
        (by_slot, replace(CLOCK, slot=CLOCK.slot + 1)),
        (by_time, replace(CLOCK, unix_timestamp=CLOCK.unix_timestamp + 1)),
    ):
        assert (refusal(pool, sell(1000)), pool.unavailable(CLOCK)) == ("PoolDisabled", "not_open")
        assert pool.quote(sell(1000), opening).amount_out > 0
        assert pool.unavailable(opening) is None
    assert refusal(make_pool(activation_type=2), sell(1000)) == "InvalidActivationType"
    paused = make_pool(status=1)
    assert (refusal(paused, sell(1000)), paused.unavailable(CLOCK)) == ("PoolDisabled", "paused")


@pytest.mark.parametrize(
    ("pool", "name"),
    [
        (make_pool(layout_version=2), "TypeCastFailed"),
        (make_pool(collect_mode=3), "TypeCastFailed"),
        (make_pool(fee_version=2), "InvalidPoolVersion"),
        (make_pool(BaseFee(1, 5, 0, 0, 0)), "InvalidBaseFeeMode"),
        (make_pool(BaseFee(100, 0, 10, 1, 11)), "MathOverflow"),
        (make_pool(BaseFee(100, 1, 10, 1, 10_001)), "MathOverflow"),
        (make_pool(BaseFee(100, 1, 10, 1, 10_000)), "MathOverflow"),
        (make_pool(BaseFee(100, 3, 10, 1_000 << 32 | 5, 1), initial_sqrt_price=0), "MathOverflow"),
        (make_pool(liquidity=0, layout_version=1), "no_liquidity"),
        (make_pool(price=0, layout_version=1), "no_liquidity"),
        (make_pool(dynamic=DYNAMIC._replace(accumulator=2**127, bin_step=2)), "MathOverflow"),
        (make_pool(dynamic=DYNAMIC._replace(accumulator=2**70)), "TypeCastFailed"),
        (make_pool(dynamic=DYNAMIC._replace(bin_step_q64=0)), "MathOverflow"),
        (make_pool(protocol_percent=101), "MathOverflow"),
        (make_pool(protocol_b=U64_MAX), "MathOverflow"),
        (make_pool(layout_version=1), "MathOverflow"),
        (make_pool(liquidity=2**128 - 1, highest=2**128 - 1, price=ONE // 2), "MathOverflow"),
        (compounding(10**12, 0, liquidity=0), "MathOverflow"),
    ],
)
def test_states_that_stop_a_sale(pool: DammV2Pool, name: str) -> None:
    assert refusal(pool, sell(10**9)) == name


def test_an_amount_of_nothing_is_refused_on_the_input_only() -> None:
    assert refusal(make_pool(), sell(0)) == refusal(make_pool(), buy(0)) == "AmountIsZero"
    assert refusal(make_pool(fees_a=10_000), sell(1000)) == "AmountIsZero"
    assert refusal(compounding(777, 0), buy(2, a_to_b=False)) == "AmountIsZero"
    # The program takes the tokens and pays nothing.
    dust = make_pool(price=ONE // 10).quote(sell(1), CLOCK)
    assert (dust.amount_in, dust.amount_out) == (1, 0)
    assert refusal(make_pool(price=ONE // 10), sell(1, limit=1)) == "ExceededSlippage"


@pytest.mark.parametrize("a_to_b", [True, False])
@pytest.mark.parametrize("pool", [make_pool(fees_a=30, fees_b=100), compounding()], ids=["range", "product"])
def test_limits_hold_to_the_unit(pool: DammV2Pool, a_to_b: bool) -> None:
    out = pool.quote(sell(10**9, a_to_b=a_to_b), CLOCK).amount_out
    assert pool.quote(sell(10**9, out, a_to_b), CLOCK).amount_out == out
    assert refusal(pool, sell(10**9, out + 1, a_to_b)) == "ExceededSlippage"
    assert refusal(pool, sell(10**9, out + 1, a_to_b, partly=True)) == "ExceededSlippage"
    cost = pool.quote(buy(out, a_to_b=a_to_b), CLOCK).amount_in
    assert pool.quote(buy(out, cost, a_to_b), CLOCK).amount_in == cost
    assert refusal(pool, buy(out, cost - 1, a_to_b)) == "ExceededSlippage"


@pytest.mark.parametrize("a_to_b", [True, False])
@pytest.mark.parametrize("collect_mode", [0, 1])
def test_a_partial_fill_stops_at_the_edge_where_a_whole_one_is_refused(a_to_b: bool, collect_mode: int) -> None:
    pool = make_pool(lowest=ONE * 99 // 100, highest=ONE * 101 // 100, collect_mode=collect_mode)
    assert refusal(pool, sell(10**12, a_to_b=a_to_b)) == "PriceRangeViolation"
    filled = pool.quote(sell(10**12, a_to_b=a_to_b, partly=True), CLOCK)
    assert 0 < filled.amount_in < 10**12
    after = pool.after(filled, CLOCK)
    assert after.state.range.sqrt_price == (pool.state.range.lowest if a_to_b else pool.state.range.highest)
    again = pool.quote(sell(filled.amount_in, a_to_b=a_to_b, partly=True), CLOCK)
    assert (again.amount_in, again.amount_out, again.fee) == (filled.amount_in, filled.amount_out, filled.fee)
    assert refusal(after, sell(1000, a_to_b=a_to_b, partly=True)) == "AmountIsZero"


def test_the_whole_fee_is_capped_by_the_pools_version() -> None:
    greedy = BaseFee(995_000_000, 0, 0, 0, 0)
    assert make_pool(greedy).quote(sell(10**9), CLOCK).fee == pytest.approx(499_500_000, rel=1e-3)
    assert make_pool(greedy, fee_version=1).quote(sell(10**9), CLOCK).fee == pytest.approx(989_010_000, rel=1e-3)


def test_schedules_step_down_to_their_last_period() -> None:
    linear = BaseFee(100_000_000, 0, 9, 10, 10_000_000)
    starts = make_pool(linear).state.activation_point
    rates = [linear.scheduled(starts + passed, starts, ONE, ONE) for passed in (0, 9, 10, 89, 90, 10**6)]
    assert rates == [100_000_000, 100_000_000, 90_000_000, 20_000_000, 10_000_000, 10_000_000]
    exponential = BaseFee(100_000_000, 1, 2, 10, 1_000)
    assert [exponential.scheduled(at, 0, ONE, ONE) for at in (0, 10, 20)] == [100_000_000, 90_000_000, 81_000_000]
    market_cap = BaseFee(100_000_000, 3, 5, 1_000 << 32 | 100, 10_000_000)
    risen = [ONE, ONE * 101 // 100 + 1, ONE * 2]
    assert [market_cap.scheduled(0, 0, price, ONE) for price in risen] == [100_000_000, 90_000_000, 50_000_000]
    assert market_cap.scheduled(1_001, 0, ONE, ONE) == 50_000_000


def test_the_limiter_charges_purchases_of_a_for_its_duration() -> None:
    pool = make_pool(LIMITER, collect_mode=1)
    last = replace(CLOCK, slot=pool.state.activation_point + 100)
    past = replace(CLOCK, slot=last.slot + 1)
    big = 10**10
    limited, free = (pool.quote(sell(big, a_to_b=False), clock).fee for clock in (last, past))
    # One reference amount at each of 1 %, 2 %, … 10 %.
    assert (limited, free) == (55 * 10**7, 10**8)
    assert pool.quote(sell(big), last).fee < 10**8


def test_the_limiter_wants_to_see_that_the_swap_is_the_only_one() -> None:
    pool = make_pool(LIMITER, collect_mode=1)
    purchase = sell(10**9, a_to_b=False)
    with pytest.raises(SwapRefused, match="FailToValidateSingleSwapInstruction"):
        pool.quote(purchase, CLOCK, single=False)
    assert pool.quote(sell(10**9), CLOCK, single=False).amount_out > 0
    listed, unlisted = (pool.instruction(pool.quote(swap, CLOCK), 0, USER) for swap in (purchase, sell(10**9)))
    assert (len(listed.accounts), len(unlisted.accounts)) == (15, 14)


@given(st.integers(1, 10**12))
def test_the_limiters_two_directions_agree(amount: int) -> None:
    rate = LIMITER.limited_of_gross(amount)
    net = amount - -(-amount * rate // 10**9)
    if net:
        # Each rounds rate, fee and root to whole units: they differ by two in the rate, or a few units of fee.
        assert abs(LIMITER.limited_of_net(net) - rate) <= max(2, 5 * 10**9 // amount)


def test_volatility_decays_between_filter_and_decay_period() -> None:
    moved = {passed: DYNAMIC.moved(ONE * 2, ONE * 2, DYNAMIC.last_update + passed) for passed in (-5, 9, 10, 119, 120)}
    assert [moved[passed].reference for passed in (-5, 9, 10, 119, 120)] == [5_000, 5_000, 5_000, 5_000, 0]
    assert [moved[passed].sqrt_price_reference for passed in (9, 10)] == [ONE, ONE * 2]
    # Nothing crossed, nothing updated; then a crossing sets the time.
    assert moved[120].last_update == DYNAMIC.last_update
    crossed = DYNAMIC.moved(ONE, ONE * 2, DYNAMIC.last_update + 120)
    assert crossed.last_update == DYNAMIC.last_update + 120
    assert crossed.accumulator == DYNAMIC.max_accumulator


@given(
    st.builds(
        DYNAMIC._replace,
        bin_step_q64=st.integers(0, 2**64) | st.integers(0, 2**128 - 1),
        accumulator=st.integers(0, 2**65) | st.integers(0, 2**128 - 1),
        reference=st.integers(0, 2**65) | st.integers(0, 2**128 - 1),
        sqrt_price_reference=prices,
    ),
    prices,
    prices,
)
def test_what_surely_moves_moves(dynamic: DynamicFee, before: int, after: int) -> None:
    if dynamic.surely_moves(before, after):
        dynamic.moved(before, after, CLOCK.unix_timestamp)


@given(pools, amounts, st.booleans(), st.booleans())
def test_an_output_is_covered_by_the_reserves(pool: DammV2Pool, amount: int, a_to_b: bool, partly: bool) -> None:
    try:
        quote = pool.quote(sell(amount, a_to_b=a_to_b, partly=partly), CLOCK)
    except SwapRefused:
        return
    assert quote.amount_in <= amount
    assert quote.amount_out <= pool.reserves()[1 if a_to_b else 0]
    assert partly or quote.amount_in == amount


@given(pools, st.lists(amounts, min_size=2, max_size=6), st.booleans())
def test_more_in_never_gives_less_out(pool: DammV2Pool, sold: list[int], a_to_b: bool) -> None:
    if pool.state.base_fee is LIMITER and not a_to_b:
        return
    outputs = []
    for amount in sorted(sold):
        try:
            outputs.append(pool.quote(sell(amount, a_to_b=a_to_b, partly=True), CLOCK).amount_out)
        except SwapRefused:
            continue
    assert all(less <= more for less, more in pairwise(outputs))


@given(pools, amounts, st.booleans())
def test_there_and_back_never_gains(pool: DammV2Pool, amount: int, a_to_b: bool) -> None:
    try:
        there = pool.quote(sell(amount, a_to_b=a_to_b), CLOCK)
        back = pool.after(there, CLOCK).quote(sell(there.amount_out, a_to_b=not a_to_b), CLOCK)
    except SwapRefused:
        return
    assert back.amount_out <= amount


@given(pools, amounts, st.booleans())
def test_buying_what_a_sale_gives_costs_no_more_than_the_sale(pool: DammV2Pool, amount: int, a_to_b: bool) -> None:
    if pool.state.base_fee is LIMITER and not a_to_b:
        return
    try:
        sale = pool.quote(sell(amount, a_to_b=a_to_b), CLOCK)
        bought = pool.quote(buy(sale.amount_out, a_to_b=a_to_b), CLOCK)
    except SwapRefused:
        return
    assert bought.amount_in <= amount


@given(
    st.sampled_from(
        ["plain_both", "only_b", "dyn_expired", "compounding", "layout_v0", "tfee_b_onlyb", "rate_limiter"]
    ),
    amounts,
    st.booleans(),
    st.sampled_from(Mode),
)
def test_the_next_state_decodes_from_its_own_bytes(scenario_id: str, amount: int, a_to_b: bool, mode: Mode) -> None:
    scenario = scenario_of("meteora_damm_v2", scenario_id)
    address = scenario.roles["pool"]
    pool = KIND.decode(address, scenario.accounts)
    try:
        quote = pool.quote(Swap(a_to_b, mode, amount), scenario.clock)
    except SwapRefused:
        return
    after = pool.after(quote, scenario.clock)
    accounts = settle(scenario.accounts, after.writes(scenario.accounts), {})
    assert KIND.decode(address, accounts) == after
    assert after.writes(accounts) == {}


def test_a_referral_is_paid_from_the_protocols_part() -> None:
    pool, referral = make_pool(), Pubkey.new_unique()
    for a_to_b, owed in ((True, "protocol_b"), (False, "protocol_a")):
        quote = pool.quote(sell(10**9, a_to_b=a_to_b), CLOCK)
        kept, shared = (getattr(pool.after(quote, CLOCK, referral=paid).state, owed) for paid in (False, True))
        *_, paid = pool.transfers(quote, USER, referral)
        assert (kept, kept - shared) == (quote.fee // 5, quote.fee // 5 // 5)
        assert (paid.amount, paid.destination) == (kept - shared, referral)
        assert paid.source == (pool.vault_b if a_to_b else pool.vault_a)


def test_spot_price_and_reserves() -> None:
    pool = make_pool(price=ONE * 3 // 2, lowest=ONE, highest=2 * ONE, liquidity=6 * ONE)
    assert pool.spot_price() == Fraction(9, 4)
    assert pool.reserves() == (1, 3)
    product = compounding(400, 100)
    assert (product.spot_price(), product.reserves()) == (Fraction(1, 4), (400, 100))
    assert compounding(0, 0).spot_price() == 0
    assert compounding(0, 0).unavailable(CLOCK) == "empty"
    assert make_pool(liquidity=0).unavailable(CLOCK) == "empty"


def test_requirements_are_complete_after_two_rounds() -> None:
    scenario = scenario_of("meteora_damm_v2", "plain_both")
    address = scenario.roles["pool"]
    assert KIND.requirements(address, {}) == (address,)
    keys = KIND.requirements(address, {address: scenario.accounts[address]})
    known = {key: scenario.accounts[key] for key in keys}
    assert KIND.decode(address, known) == KIND.decode(address, scenario.accounts)
    with pytest.raises(MissingAccounts) as raised:
        KIND.decode(address, {address: scenario.accounts[address]})
    assert set(raised.value.keys) == set(keys) - {address}


def broken_states() -> list[tuple[str, dict[Pubkey, Account | None]]]:
    scenario = scenario_of("meteora_damm_v2", "plain_both")
    accounts, pool, token = scenario.accounts, scenario.roles["pool"], scenario.roles["token_a_mint"]
    account = accounts[pool]
    assert account is not None
    return [
        ("no pool", {**accounts, pool: None}),
        ("pool of another program", {**accounts, pool: replace(account, owner=TOKEN_PROGRAM)}),
        ("pool too long", {**accounts, pool: replace(account, data=account.data + b"\0")}),
        ("pool discriminator", dict(patched(accounts, pool, 0, b"\0"))),
        ("mint not initialised", dict(patched(accounts, token, 45, b"\0"))),
        ("no mint", {**accounts, token: None}),
    ]


@pytest.mark.parametrize(("case", "accounts"), broken_states(), ids=[name for name, _ in broken_states()])
def test_a_broken_account_is_named(case: str, accounts: dict[Pubkey, Account | None]) -> None:
    with pytest.raises(DecodeError):
        KIND.decode(scenario_of("meteora_damm_v2", "plain_both").roles["pool"], accounts)


@pytest.mark.parametrize("swap", [sell(1000), sell(1000, a_to_b=False), buy(7), sell(1000, partly=True)])
@pytest.mark.parametrize("referral", [None, KEYS[2]])
def test_parsing_undoes_building_in_every_form(swap: Swap, referral: Pubkey | None) -> None:
    pool = make_pool()
    quote = pool.quote(swap, CLOCK)
    for legacy in (False, True) if swap.mode is Mode.EXACT_IN else (False,):
        built = pool.instruction(quote, 123, USER, Form(legacy, referral, introspected=legacy))
        assert KIND.parse(built) == SwapCall(pool.address, USER, swap.mode, swap.amount, 123)
        assert [meta.pubkey for meta in built.accounts if meta.is_signer] == [USER.owner]


@pytest.mark.parametrize("limit", [-1, U64_MAX + 1])
def test_a_limit_that_no_instruction_can_carry_is_refused(limit: int) -> None:
    pool = make_pool()
    with pytest.raises(SwapRefused):
        pool.instruction(pool.quote(sell(1000), CLOCK), limit, USER)


def test_parse_passes_over_what_is_no_swap_and_refuses_malformed_ones() -> None:
    metas = [AccountMeta(Pubkey.new_unique(), is_signer=False, is_writable=True) for _ in range(14)]
    data = bytes.fromhex("414b3f4ceb5b5b88") + u64(5) + u64(6)
    assert KIND.parse(Instruction(PROGRAM, bytes(25), metas)) is None
    assert KIND.parse(Instruction(TOKEN_PROGRAM, data + b"\0", metas)) is None
    modes = [KIND.parse(Instruction(PROGRAM, data + bytes([mode]), metas)) for mode in range(4)]
    assert [call and call.mode for call in modes] == [Mode.EXACT_IN, Mode.PARTIAL_FILL, Mode.EXACT_OUT, Mode.EXACT_IN]
    for bad_data, bad_metas in ((data, metas), (data + b"\0", metas[:13])):
        with pytest.raises(DecodeError):
            KIND.parse(Instruction(PROGRAM, bad_data, bad_metas))


def test_filters_find_the_pair_in_both_orders() -> None:
    scenario = scenario_of("meteora_damm_v2", "plain_both")
    pool = scenario.accounts[scenario.roles["pool"]]
    assert pool is not None
    pair = scenario.roles["token_a_mint"], scenario.roles["token_b_mint"]
    for mints in (pair, pair[::-1]):
        matches = [
            all(pool.data[at : at + len(value)] == value for at, value in query.memcmp)
            for query in KIND.filters(*mints)
        ]
        assert sorted(matches) == [False, True]
