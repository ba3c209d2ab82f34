"""Raydium CPMM against recorded runs, at its boundaries and over whole ranges."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, MissingAccounts, SwapRefused
from activities.venues.mint import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, Mint, TransferFee
from activities.venues.pool import Account, Clock, Mode, Swap, SwapCall, UserAccounts
from activities.venues.raydium.cpmm import AUTHORITY, KIND, PROGRAM, CpmmPool, _State
from activities.venues.raydium.cpmm_curve import Rates
from deploy.vectors.check import check_case, check_instruction_case
from deploy.vectors.raydium_cpmm import RaydiumCpmm
from tests.venues.recorded import patched, recorded, scenario_of, settle, u64

U64_MAX = 2**64 - 1
CLOCK = Clock(slot=400_000_000, epoch=925, unix_timestamp=1_790_000_000)
USER = UserAccounts(*(Pubkey.new_unique() for _ in range(3)))
ADAPTER = RaydiumCpmm()
KEYS = [Pubkey.from_bytes(bytes([index]) * 32) for index in range(1, 8)]
RATES = Rates(trade=2_500, protocol=120_000, fund=40_000, creator=0)


def mint(key: Pubkey, basis_points: int | None = None, maximum: int = U64_MAX) -> Mint:
    if basis_points is None:
        return Mint(key, 6, TOKEN_PROGRAM)
    fee = TransferFee(0, maximum, basis_points)
    return Mint(key, 6, TOKEN_2022_PROGRAM, fee, fee)


def make_pool(
    balance_a: int = 10**12,
    balance_b: int = 17 * 10**10,
    rates: Rates = RATES,
    fees_a: int | None = None,
    fees_b: int | None = None,
    **state: int,
) -> CpmmPool:
    numbers = dict.fromkeys(_State._fields, 0) | {"creator_enabled": int(rates.creator > 0)}
    return CpmmPool(
        KEYS[0],
        mint(KEYS[1], fees_a),
        mint(KEYS[2], fees_b),
        rates,
        _State(**(numbers | state)),
        balance_a,
        balance_b,
        *KEYS[3:],
    )


def sell(amount: int, limit: int | None = None, a_to_b: bool = True) -> Swap:
    return Swap(a_to_b, Mode.EXACT_IN, amount, limit)


def buy(amount: int, limit: int | None = None, a_to_b: bool = True) -> Swap:
    return Swap(a_to_b, Mode.EXACT_OUT, amount, limit)


def refusal(pool: CpmmPool, swap: Swap, clock: Clock = CLOCK) -> SwapRefused:
    with pytest.raises(SwapRefused) as raised:
        pool.quote(swap, clock)
    return raised.value


rates = st.builds(
    Rates, st.integers(1, 100_000), st.integers(0, 600_000), st.integers(0, 400_000), st.integers(0, 50_000)
)
pools = st.builds(
    make_pool,
    st.integers(1, 2**62),
    st.integers(1, 2**62),
    rates,
    fees_a=st.sampled_from([None, 0, 1, 100, 9_999, 10_000]),
    fees_b=st.sampled_from([None, 0, 1, 100]),
    creator_fee_on=st.integers(0, 2),
)
amounts = st.integers(1, 2**62)


def test_every_recorded_swap_is_exact() -> None:
    differences = {
        f"{scenario.id}: {case}": found
        for scenario in recorded("raydium_cpmm").scenarios
        for case in scenario.cases
        if (found := check_case(ADAPTER, scenario, case))
    }
    assert differences == {}


def test_every_instruction_of_the_sdk_is_equal() -> None:
    cases = [case for case in recorded("swap_instructions").instruction_cases if case.program == "raydium_cpmm"]
    differences = {
        f"{case.scenario}: {case.case}": found
        for case in cases
        if (found := check_instruction_case(ADAPTER, scenario_of("raydium_cpmm", case.scenario), case))
    }
    assert (len(cases), differences) == (51, {})


def test_recorded_codes_bear_the_programs_names() -> None:
    named = {
        (error["code"], error["name"])
        for scenario in recorded("raydium_cpmm").scenarios
        for case in scenario.cases
        if (error := case.result.get("error")) and error["name"]
    }
    assert {KIND.error_names[code] for code, _ in named} == {name for _, name in named}


def test_a_pool_that_takes_no_swaps_is_refused() -> None:
    assert refusal(make_pool(status=0b111), sell(1000)).code == 6000
    assert make_pool(status=0b011).quote(sell(1000), CLOCK).amount_out == 169
    assert make_pool(status=4).unavailable(CLOCK) == "paused"
    waiting = make_pool(open_time=CLOCK.unix_timestamp + 1)
    assert refusal(waiting, sell(1000)).code == 6000
    assert waiting.unavailable(CLOCK) == "not_open"
    assert waiting.quote(sell(1000), replace(CLOCK, unix_timestamp=waiting.state.open_time)).amount_out == 169


def test_fees_owed_are_no_reserves() -> None:
    pool = make_pool(1000, 500, protocol_a=100, fund_a=50, creator_a=50, protocol_b=60, fund_b=30, creator_b=10)
    assert pool.reserves() == (800, 400)
    assert pool.spot_price() == Fraction(1, 2)


@pytest.mark.parametrize(
    ("pool", "code"),
    [
        (make_pool(protocol_a=U64_MAX, fund_a=1), 6011),
        (make_pool(creator_b=17 * 10**10 + 1), 6012),
        (make_pool(creator_b=17 * 10**10), None),
        (make_pool(balance_a=0), None),
        (make_pool(creator_fee_on=3), 6013),
        (make_pool(rates=Rates(0, 0, 0, 0)), 6006),
        (make_pool(rates=Rates(1_000_001, 0, 0, 0)), 6006),
        (make_pool(rates=Rates(0, 0, 0, 1_000_001), creator_fee_on=2), 6006),
    ],
)
def test_states_that_stop_every_swap(pool: CpmmPool, code: int | None) -> None:
    for swap in (sell(10**6), buy(10**4)):
        found = refusal(pool, swap).code
        # The purchase divides by the rate that is left, and panics where the sale reports an error.
        assert found == code or (swap.mode is Mode.EXACT_OUT and pool.rates.trade > 10**6 and found is None)


def test_dust_is_refused_by_the_check_that_meets_it_first() -> None:
    assert refusal(make_pool(), sell(0)).code == 2505
    assert refusal(make_pool(), sell(1)).code == 2505
    assert refusal(make_pool(fees_a=10_000), sell(1000)).code == 2505
    assert refusal(make_pool(fees_b=10_000), sell(1000)).code == 2505
    assert refusal(make_pool(), buy(0)).code == 2505
    assert refusal(make_pool(fees_b=0), buy(0)).code == 6003


def test_a_whole_reserve_cannot_be_bought() -> None:
    assert refusal(make_pool(), buy(17 * 10**10)).code is None
    assert refusal(make_pool(2**63, 2**63), buy(2**63 - 1)).code is None
    assert make_pool(1000, 1000).quote(buy(999), CLOCK).amount_in == 1_001_504


@pytest.mark.parametrize("a_to_b", [True, False])
def test_limits_hold_to_the_unit(a_to_b: bool) -> None:
    pool = make_pool(fees_a=30, fees_b=100)
    out = pool.quote(sell(10**9, a_to_b=a_to_b), CLOCK).amount_out
    assert pool.quote(sell(10**9, out, a_to_b), CLOCK).amount_out == out
    assert refusal(pool, sell(10**9, out + 1, a_to_b)).code == 6005
    cost = pool.quote(buy(out, a_to_b=a_to_b), CLOCK).amount_in
    assert pool.quote(buy(out, cost, a_to_b), CLOCK).amount_in == cost
    assert refusal(pool, buy(out, cost - 1, a_to_b)).code == 6005


def test_the_creators_fee_shares_one_rounding_on_the_input_and_has_its_own_on_the_output() -> None:
    charged = RATES._replace(creator=1_000)
    both = make_pool(rates=charged).quote(sell(1001), CLOCK)
    assert (both.fee, both.other_fee, both.fee_on_input) == (4, 0, True)
    other_side = make_pool(rates=charged, creator_fee_on=2).quote(sell(1001), CLOCK)
    assert (other_side.fee, other_side.other_fee) == (3, 1)


def test_counters_that_would_overflow_are_refused() -> None:
    assert refusal(make_pool(2**63, 2**63), sell(2**63)).code == 14
    assert make_pool(2**63, 2**63).quote(sell(2**63 - 1), CLOCK).amount_in == 2**63 - 1
    with pytest.raises(SwapRefused, match="owed_fees_overflow"):
        make_pool(2**63, 10**12, Rates(500_000, 2**62, 0, 0)).quote(sell(10**12), CLOCK)


@pytest.mark.parametrize("swap", [sell(U64_MAX + 1), sell(-1), Swap(True, Mode.PARTIAL_FILL, 1)])
def test_what_no_instruction_can_ask_is_refused(swap: Swap) -> None:
    assert refusal(make_pool(), swap).code is None


@given(pools, amounts, st.booleans())
def test_the_product_never_falls(pool: CpmmPool, amount: int, a_to_b: bool) -> None:
    try:
        quote = pool.quote(sell(amount, a_to_b=a_to_b), CLOCK)
    except SwapRefused:
        return
    before, after = pool.reserves(), pool.after(quote, CLOCK).reserves()
    assert after[0] * after[1] >= before[0] * before[1]


@given(pools, st.lists(amounts, min_size=2, max_size=6), st.booleans())
def test_more_in_never_gives_less_out(pool: CpmmPool, sold: list[int], a_to_b: bool) -> None:
    outputs = []
    for amount in sorted(sold):
        try:
            outputs.append(pool.quote(sell(amount, a_to_b=a_to_b), CLOCK).amount_out)
        except SwapRefused as refused:
            assert not outputs or "verflow" in refused.name  # noqa: PT017
    assert all(less <= more for less, more in pairwise(outputs))


@given(pools, amounts, st.booleans())
def test_there_and_back_never_gains(pool: CpmmPool, amount: int, a_to_b: bool) -> None:
    try:
        there = pool.quote(sell(amount, a_to_b=a_to_b), CLOCK)
        back = pool.after(there, CLOCK).quote(sell(there.amount_out, a_to_b=not a_to_b), CLOCK)
    except SwapRefused:
        return
    assert back.amount_out <= amount


@given(pools, amounts, st.booleans())
def test_buying_what_a_sale_gives_costs_no_more_than_the_sale(pool: CpmmPool, amount: int, a_to_b: bool) -> None:
    try:
        sale = pool.quote(sell(amount, a_to_b=a_to_b), CLOCK)
    except SwapRefused:
        return
    cost = pool.quote(buy(sale.amount_out, a_to_b=a_to_b), CLOCK).amount_in
    assert cost <= amount
    assert pool.quote(sell(cost, a_to_b=a_to_b), CLOCK).amount_out >= sale.amount_out


@given(amounts, st.booleans(), st.sampled_from([Mode.EXACT_IN, Mode.EXACT_OUT]))
def test_the_next_state_decodes_from_its_own_bytes(amount: int, a_to_b: bool, mode: Mode) -> None:
    scenario = scenario_of("raydium_cpmm", "tfee_both_creator1")
    address = scenario.roles["pool_state"]
    pool = KIND.decode(address, scenario.accounts)
    try:
        quote = pool.quote(Swap(a_to_b, mode, amount), scenario.clock)
    except SwapRefused:
        return
    after = pool.after(quote, scenario.clock)
    paid, sent = pool.transfers(quote, USER)
    received = paid.amount - paid.mint.fee(paid.amount, scenario.clock.epoch)
    moves = {paid.destination: received, sent.source: -sent.amount}
    accounts = settle(scenario.accounts, after.writes(scenario.accounts), moves)
    assert KIND.decode(address, accounts) == after
    assert after.writes(accounts) == {}


def test_requirements_are_complete_after_two_rounds() -> None:
    scenario = scenario_of("raydium_cpmm", "plain_25bps_a")
    address = scenario.roles["pool_state"]
    assert KIND.requirements(address, {}) == (address,)
    keys = KIND.requirements(address, {address: scenario.accounts[address]})
    known = {key: scenario.accounts[key] for key in keys}
    assert KIND.requirements(address, known) == keys
    assert KIND.decode(address, known) == KIND.decode(address, scenario.accounts)
    with pytest.raises(MissingAccounts) as raised:
        KIND.decode(address, {address: scenario.accounts[address]})
    assert set(raised.value.keys) == set(keys) - {address}


def broken_states() -> list[tuple[str, dict[Pubkey, Account | None]]]:
    scenario = scenario_of("raydium_cpmm", "plain_25bps_a")
    roles, accounts = scenario.roles, scenario.accounts
    pool, config, vault, token = (roles[role] for role in ("pool_state", "amm_config", "token_0_vault", "token_1_mint"))

    def changed(key: Pubkey, **fields: object) -> dict[Pubkey, Account | None]:
        account = accounts[key]
        assert account is not None
        return {**accounts, key: replace(account, **fields)}

    return [
        ("no pool", {**accounts, pool: None}),
        ("pool of another program", changed(pool, owner=TOKEN_PROGRAM)),
        ("pool too short", changed(pool, data=bytes(636))),
        ("pool discriminator", dict(patched(accounts, pool, 0, b"\0"))),
        ("config of another program", changed(config, owner=TOKEN_PROGRAM)),
        ("config too long", changed(config, data=bytes(237))),
        ("config discriminator", dict(patched(accounts, config, 7, b"\0"))),
        ("vault of another program", changed(vault, owner=PROGRAM)),
        ("vault not initialised", dict(patched(accounts, vault, 108, b"\0"))),
        ("mint not initialised", dict(patched(accounts, token, 45, b"\0"))),
        ("no mint", {**accounts, token: None}),
    ]


@pytest.mark.parametrize(("case", "accounts"), broken_states(), ids=[name for name, _ in broken_states()])
def test_a_broken_account_is_named(case: str, accounts: dict[Pubkey, Account | None]) -> None:
    with pytest.raises(DecodeError):
        KIND.decode(scenario_of("raydium_cpmm", "plain_25bps_a").roles["pool_state"], accounts)


def test_a_disabled_creator_fee_is_not_charged() -> None:
    scenario = scenario_of("raydium_cpmm", "creator_both_in")
    address = scenario.roles["pool_state"]
    charged = KIND.decode(address, scenario.accounts)
    free = KIND.decode(address, patched(scenario.accounts, address, 390, b"\0"))
    assert (charged.rates.creator > 0, free.rates.creator) == (True, 0)
    owed = KIND.decode(address, patched(scenario.accounts, address, 397, u64(5)))
    assert owed.reserves()[0] == charged.reserves()[0] + charged.state.creator_a - 5


@pytest.mark.parametrize("swap", [sell(1000), sell(1000, a_to_b=False), buy(7), buy(7, a_to_b=False)])
def test_parsing_undoes_building(swap: Swap) -> None:
    pool = make_pool()
    built = pool.instruction(pool.quote(swap, CLOCK), 123, USER)
    assert KIND.parse(built) == SwapCall(pool.address, USER, swap.mode, swap.amount, 123)
    assert [meta.pubkey for meta in built.accounts if meta.is_signer] == [USER.owner]
    assert built.accounts[1].pubkey == AUTHORITY


@pytest.mark.parametrize("limit", [-1, U64_MAX + 1])
def test_a_limit_that_no_instruction_can_carry_is_refused(limit: int) -> None:
    pool = make_pool()
    with pytest.raises(SwapRefused):
        pool.instruction(pool.quote(sell(1000), CLOCK), limit, USER)


def test_parse_passes_over_what_is_no_swap_and_refuses_malformed_ones() -> None:
    metas = [AccountMeta(Pubkey.new_unique(), is_signer=False, is_writable=True) for _ in range(14)]
    data = bytes.fromhex("8fbe5adac41e33de") + bytes(16)
    assert KIND.parse(Instruction(PROGRAM, bytes(24), metas)) is None
    assert KIND.parse(Instruction(TOKEN_PROGRAM, data, metas)) is None
    assert KIND.parse(Instruction(PROGRAM, data + b"more", metas)) is not None
    for bad_data, bad_metas in ((data[:-1], metas), (data, metas[:12])):
        with pytest.raises(DecodeError):
            KIND.parse(Instruction(PROGRAM, bad_data, bad_metas))


def test_one_filter_finds_the_pair_in_either_order() -> None:
    scenario = scenario_of("raydium_cpmm", "plain_25bps_a")
    pool = scenario.accounts[scenario.roles["pool_state"]]
    assert pool is not None
    first, second = scenario.roles["token_0_mint"], scenario.roles["token_1_mint"]
    assert KIND.filters(first, second) == KIND.filters(second, first)
    (query,) = KIND.filters(first, second)
    assert query.data_size == len(pool.data)
    assert all(pool.data[at : at + len(value)] == value for at, value in query.memcmp)
