"""Meteora DAMM v1 against recorded runs, at its boundaries and over whole ranges."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError, MissingAccounts, SwapRefused, Unsupported
from activities.venues.meteora.damm_v1 import KIND, DammV1Pool, flow_of
from activities.venues.meteora.damm_v1_fees import FeeSchedule, PoolFees
from activities.venues.meteora.damm_v1_state import PROGRAM
from activities.venues.meteora.damm_v1_vault import VAULT_PROGRAM, Side
from activities.venues.mint import TOKEN_PROGRAM, Mint
from activities.venues.pool import Account, Clock, Mode, Swap, SwapCall, UserAccounts
from deploy.vectors.check import check_case
from deploy.vectors.meteora_damm_v1 import MeteoraDammV1
from tests.venues.recorded import patched, recorded, scenario_of, settle, u64

U64_MAX = 2**64 - 1
NOW = 1_790_000_000
CLOCK = Clock(slot=400_000_000, epoch=925, unix_timestamp=NOW)
USER = UserAccounts(*(Pubkey.new_unique() for _ in range(3)))
ADAPTER = MeteoraDammV1()
RATES = PoolFees(250, 100_000, 20_000, 100_000, None)


def make_side(total: int = 10**12, **changes: int) -> Side:
    """A vault whose only owner is the pool, unless `changes` say otherwise."""
    keys = [Pubkey.from_bytes(bytes([total % 251, index]) * 16) for index in range(5)]
    numbers = {"total": total, "locked_profit": 0, "last_report": NOW - 100, "degradation": 0}
    numbers |= {"token_balance": total, "lp_supply": total, "lp_amount": total, "enabled": 1} | changes
    names = dict(zip(("vault", "token_vault", "lp_mint", "lp_account", "protocol_fee"), keys, strict=True))
    fields = names | numbers | {"enabled": bool(numbers["enabled"])}
    return Side(**fields)  # type: ignore[arg-type]


def make_pool(
    side_a: Side | None = None,
    side_b: Side | None = None,
    fees: PoolFees = RATES,
    enabled: bool = True,
    activation_point: int = 0,
    activation_type: int = 1,
) -> DammV1Pool:
    keys = [Pubkey.from_bytes(bytes([index]) * 32) for index in range(1, 4)]
    mint_a, mint_b = Mint(keys[1], 9, TOKEN_PROGRAM), Mint(keys[2], 6, TOKEN_PROGRAM)
    sides = (side_a or make_side(), side_b or make_side(17 * 10**10))
    return DammV1Pool(keys[0], mint_a, mint_b, enabled, activation_point, activation_type, fees, *sides)


def sell(amount: int, limit: int | None = None, a_to_b: bool = True) -> Swap:
    return Swap(a_to_b, Mode.EXACT_IN, amount, limit)


def refusal(pool: DammV1Pool, swap: Swap, clock: Clock = CLOCK) -> SwapRefused:
    with pytest.raises(SwapRefused) as raised:
        pool.quote(swap, clock)
    return raised.value


@st.composite
def vaults(draw: st.DrawFn) -> Side:
    """Vaults with other owners, profit still locked, and shares worth 1 to 4 tokens."""
    supply = draw(st.integers(1, 2**60))
    total = supply * draw(st.integers(100, 400)) // 100
    locked = draw(st.integers(0, total - supply))
    return make_side(
        total,
        lp_supply=supply,
        lp_amount=draw(st.integers(1, supply)),
        locked_profit=locked,
        degradation=draw(st.integers(0, 2 * 10**10)),
    )


fees = st.builds(
    PoolFees,
    st.integers(1, 15_000),
    st.just(100_000),
    st.integers(0, 50_000),
    st.just(100_000),
    st.none(),
)
pools = st.builds(make_pool, vaults(), vaults(), fees)


def test_every_recorded_swap_is_exact() -> None:
    differences = {
        f"{scenario.id}: {case}": found
        for scenario in recorded("meteora_damm_v1").scenarios
        for case in scenario.cases
        if (found := check_case(ADAPTER, scenario, case))
    }
    assert differences == {}


def test_a_disabled_pool_is_refused() -> None:
    pool = make_pool(enabled=False)
    assert refusal(pool, sell(1000)).code == 6015
    assert pool.unavailable(CLOCK) == "paused"


@pytest.mark.parametrize(("kind", "now"), [(0, CLOCK.slot), (1, NOW)])
def test_a_pool_opens_at_its_activation_by_slot_or_second(kind: int, now: int) -> None:
    waiting = make_pool(activation_point=now + 1, activation_type=kind)
    assert refusal(waiting, sell(1000)).code == 6015
    assert waiting.unavailable(CLOCK) == "not_open"
    open_now = make_pool(activation_point=now, activation_type=kind)
    assert open_now.unavailable(CLOCK) is None
    assert open_now.quote(sell(1000), CLOCK).amount_out > 0


def test_an_unknown_activation_type_is_refused() -> None:
    assert refusal(make_pool(activation_type=2), sell(1000)).code == 6048


def test_only_exact_in_is_offered() -> None:
    assert refusal(make_pool(), Swap(True, Mode.EXACT_OUT, 1000)).name == "mode_not_offered"
    assert refusal(make_pool(), sell(U64_MAX + 1)).code is None


def test_the_fee_is_at_least_one_and_so_is_the_protocols_part() -> None:
    quote = make_pool().quote(sell(7), CLOCK)
    assert (quote.fee, quote.amount_out, flow_of(quote).protocol_fee) == (1, 1, 1)
    # All of the smallest input is fee: the vault gets nothing.
    assert refusal(make_pool(), sell(1)).code == 6013
    assert refusal(make_pool(), sell(0)).code == 6013
    assert refusal(make_pool(), sell(3)).code == 6006


def test_a_closed_vault_takes_no_deposits_but_pays_out() -> None:
    closed = make_side(enabled=0)
    assert refusal(make_pool(side_a=closed), sell(1000)).name == "VaultIsDisabled"
    assert make_pool(side_a=closed).quote(sell(1000, a_to_b=False), CLOCK).amount_out > 0


def test_profit_unlocks_with_time() -> None:
    side = make_side(1000, locked_profit=100, last_report=NOW - 50, degradation=10**10)
    assert [side.unlocked(NOW + late) for late in (-50, 0, 25, 50, 51, 10**9)] == [900, 950, 975, 1000, 1000, 1000]


def test_a_clock_before_the_last_report_is_refused() -> None:
    assert refusal(make_pool(side_b=make_side(10**9, last_report=NOW + 1)), sell(1000)).code == 6000


def test_a_vault_with_more_profit_locked_than_it_holds_is_refused() -> None:
    assert refusal(make_pool(side_a=make_side(1000, locked_profit=1001)), sell(10)).code == 6000


def test_a_vault_without_shares_is_refused_and_empty() -> None:
    pool = make_pool(side_a=make_side(1000, lp_supply=0, lp_amount=0))
    assert refusal(pool, sell(10)).code == 6000
    assert pool.reserves()[0] == 0
    assert pool.unavailable(CLOCK) == "empty"
    with pytest.raises(SwapRefused):
        pool.spot_price()


def test_tokens_that_the_vault_has_lent_out_cannot_be_bought() -> None:
    pool = make_pool(side_b=make_side(10**12, token_balance=1000))
    assert pool.reserves()[1] == 1000
    assert pool.quote(sell(900), CLOCK).amount_out == 897
    assert refusal(pool, sell(10**9)).code == 1


def test_amounts_that_the_vault_cannot_count_are_refused() -> None:
    assert refusal(make_pool(side_a=make_side(2**63)), sell(2**63 + 2**55)).code == 6000
    scarce = make_side(1000, lp_supply=U64_MAX, lp_amount=U64_MAX)
    assert refusal(make_pool(side_a=scarce), sell(1000)).code == 6000


def test_a_protocol_part_over_the_fee_is_refused() -> None:
    assert refusal(make_pool(fees=PoolFees(250, 100_000, 2, 1, None)), sell(10**6)).code == 6000
    assert refusal(make_pool(fees=PoolFees(250, 0, 1, 5, None)), sell(10**6)).code == 6003


def test_the_limit_is_held_against_the_fall_of_the_reserve() -> None:
    """Recorded: of the shared vault the program pays 1730401284 under a limit of 1730401285."""
    scenario = scenario_of("meteora_damm_v1", "shared_vault")
    pool = KIND.decode(scenario.roles["pool"], scenario.accounts)
    quote = pool.quote(sell(10_309_278_350, 1_730_401_285), scenario.clock)
    assert (quote.amount_out, flow_of(quote).released) == (1_730_401_284, 1_730_401_285)
    assert refusal(pool, sell(10_309_278_350, 1_730_401_286), scenario.clock).code == 6004


def test_a_share_too_dear_for_the_output_pays_nothing() -> None:
    dear = make_side(4 * 10**9, lp_supply=10**9, lp_amount=10**9 // 2)
    pool = make_pool(side_a=make_side(2 * 10**9), side_b=dear)
    quote = pool.quote(sell(5), CLOCK)
    assert (quote.amount_in, quote.amount_out, flow_of(quote).burned) == (5, 0, 0)
    assert len(pool.transfers(quote, USER)) == 2
    assert refusal(pool, sell(5, limit=1)).code == 6004


def test_a_fee_schedule_steps_from_point_to_point() -> None:
    points = ((500, 100), (300, 200), (100, 300), (25, 400), (25, 400), (25, 400), (20, 500))
    steps = FeeSchedule(False, points)
    expected = {0: 500, 100: 500, 101: 500, 200: 500, 201: 300, 300: 300, 301: 100, 450: 25, 500: 25, 501: 20}
    assert {at: steps.numerator(at) // 10 for at in expected} == expected
    line = FeeSchedule(True, points)
    expected = {100: 500, 150: 400, 175: 350, 200: 300, 201: 298, 450: 22, 501: 20}
    assert {at: line.numerator(at) // 10 for at in expected} == expected
    with pytest.raises(SwapRefused):
        FeeSchedule(True, ((500, 0), (300, U64_MAX), *points[2:])).numerator(1)


def test_a_fee_schedule_sets_the_rate_until_it_is_done() -> None:
    scenario = scenario_of("meteora_damm_v1", "plain")
    address = scenario.roles["pool"]
    points = [(1000, 60), *[(20, 90)] * 6]
    schedule = b"\1" + b"".join(bps.to_bytes(2, "little") + u64(NOW + after) for bps, after in points)
    scheduled = patched(scenario.accounts, address, 532, schedule)
    fee = KIND.decode(address, scheduled).quote(sell(10**6), scenario.clock).fee
    done = KIND.decode(address, patched(scheduled, address, 603, b"\1")).quote(sell(10**6), scenario.clock).fee
    assert (fee, done) == (100_000, 2500)


@given(pools, st.integers(1, 2**60), st.booleans())
def test_the_pool_never_pays_more_than_its_curve(pool: DammV1Pool, amount: int, a_to_b: bool) -> None:
    try:
        quote = pool.quote(sell(amount, a_to_b=a_to_b), CLOCK)
    except SwapRefused:
        return
    sides = (pool.side_a, pool.side_b) if a_to_b else (pool.side_b, pool.side_a)
    reserve_in, reserve_out = (side.reserve(side.unlocked(NOW)) for side in sides)
    assert quote.amount_out <= reserve_out * (amount - quote.fee) // (reserve_in + amount - quote.fee)
    assert 0 <= flow_of(quote).released - quote.amount_out <= 1
    assert sum(move.amount for move in pool.transfers(quote, USER) if move.source == USER.source) == amount


@given(st.integers(1, 2**60), st.integers(1, 2**60), fees, st.integers(1, 2**60), st.integers(0, 2**60))
def test_more_in_never_gives_less_out_of_vaults_of_ones_own(
    total_a: int, total_b: int, rates: PoolFees, amount: int, more: int
) -> None:
    pool = make_pool(make_side(total_a), make_side(total_b), rates)
    try:
        less_out = pool.quote(sell(amount), CLOCK).amount_out
        more_out = pool.quote(sell(amount + more), CLOCK).amount_out
    except SwapRefused:
        return
    assert more_out >= less_out


@given(pools, st.integers(1, 2**60), st.booleans())
def test_there_and_back_never_gains(pool: DammV1Pool, amount: int, a_to_b: bool) -> None:
    try:
        there = pool.quote(sell(amount, a_to_b=a_to_b), CLOCK)
        back = pool.after(there, CLOCK).quote(sell(there.amount_out, a_to_b=not a_to_b), CLOCK)
    except SwapRefused:
        return
    assert back.amount_out <= amount


@given(st.sampled_from(["shared_vault", "locked_profit", "small"]), st.integers(1, 2**61), st.booleans())
def test_the_next_state_decodes_from_its_own_bytes(name: str, amount: int, a_to_b: bool) -> None:
    scenario = scenario_of("meteora_damm_v1", name)
    address = scenario.roles["pool"]
    pool = KIND.decode(address, scenario.accounts)
    try:
        quote = pool.quote(sell(amount, a_to_b=a_to_b), scenario.clock)
    except SwapRefused:
        return
    after = pool.after(quote, scenario.clock)
    written = after.writes(scenario.accounts)
    token_vaults = {scenario.roles["a_token_vault"], scenario.roles["b_token_vault"]}
    moves: dict[Pubkey, int] = dict.fromkeys(token_vaults, 0)
    for move in pool.transfers(quote, USER):
        for key, change in ((move.source, -move.amount), (move.destination, move.amount)):
            if key in token_vaults:
                moves[key] += change
    assert not token_vaults & set(written)
    assert KIND.decode(address, settle(scenario.accounts, written, moves)) == after


def test_spot_price_is_that_of_the_shares() -> None:
    side_a = make_side(3000, lp_supply=1000, lp_amount=500)
    side_b = make_side(800, lp_supply=400, lp_amount=100)
    assert make_pool(side_a, side_b).spot_price() == Fraction(200, 1500)


def test_requirements_are_complete_after_three_rounds() -> None:
    scenario = scenario_of("meteora_damm_v1", "plain")
    address = scenario.roles["pool"]
    known: dict[Pubkey, Account | None] = {}
    sizes = []
    while len(keys := KIND.requirements(address, known)) > len(known):
        sizes.append(len(keys))
        known = {key: scenario.accounts[key] for key in keys}
    assert sizes == [1, 7, 11]
    assert KIND.decode(address, known) == KIND.decode(address, scenario.accounts)
    for key in known:
        with pytest.raises(MissingAccounts) as raised:
            KIND.decode(address, {other: account for other, account in known.items() if other != key})
        assert raised.value.keys == (key,)


def broken_states() -> list[tuple[str, dict[Pubkey, Account | None]]]:
    scenario = scenario_of("meteora_damm_v1", "plain")
    accounts, roles = dict(scenario.accounts), scenario.roles
    pool, vault, lp_mint, share, reserve = (
        roles[name] for name in ("pool", "a_vault", "b_vault_lp_mint", "a_vault_lp", "b_token_vault")
    )

    def owned_by(key: Pubkey, owner: Pubkey, cut: int = 0) -> dict[Pubkey, Account | None]:
        account = accounts[key]
        assert account is not None
        return {**accounts, key: Account(owner, 1, account.data[: len(account.data) - cut])}

    return [
        ("closed", {**accounts, pool: None}),
        ("pool owner", owned_by(pool, VAULT_PROGRAM)),
        ("pool short", owned_by(pool, PROGRAM, 70)),
        ("pool discriminator", dict(patched(accounts, pool, 0, b"\0"))),
        ("enabled", dict(patched(accounts, pool, 233, b"\2"))),
        ("curve", dict(patched(accounts, pool, 874, b"\2"))),
        ("schedule", dict(patched(accounts, pool, 532, b"\3"))),
        ("vault owner", owned_by(vault, PROGRAM)),
        ("vault short", owned_by(vault, VAULT_PROGRAM, 9100)),
        ("vault discriminator", dict(patched(accounts, vault, 0, b"\0"))),
        ("vault of another mint", dict(patched(accounts, vault, 83, b"\0\0"))),
        ("LP mint", owned_by(lp_mint, PROGRAM)),
        ("LP account of another mint", dict(patched(accounts, share, 0, bytes(32)))),
        ("token account of another mint", dict(patched(accounts, reserve, 0, bytes(32)))),
    ]


@pytest.mark.parametrize(("case", "accounts"), broken_states(), ids=[name for name, _ in broken_states()])
def test_a_broken_account_is_named(case: str, accounts: dict[Pubkey, Account | None]) -> None:
    with pytest.raises(DecodeError):
        KIND.decode(scenario_of("meteora_damm_v1", "plain").roles["pool"], accounts)


def test_a_stable_pool_is_recognised_and_not_traded() -> None:
    scenario = scenario_of("meteora_damm_v1", "plain")
    address = scenario.roles["pool"]
    stable = patched(scenario.accounts, address, 874, b"\1")
    for refuse in (KIND.decode, KIND.requirements):
        with pytest.raises(Unsupported) as raised:
            refuse(address, stable)
        assert raised.value.reason == "stable_curve"


def test_parsing_undoes_building() -> None:
    pool = make_pool()
    for a_to_b in (True, False):
        built = pool.instruction(pool.quote(sell(1000, a_to_b=a_to_b), CLOCK), 7, USER)
        assert KIND.parse(built) == SwapCall(pool.address, USER, Mode.EXACT_IN, 1000, 7)
        assert [meta.pubkey for meta in built.accounts if meta.is_signer] == [USER.owner]
        assert built.accounts[11].pubkey == (pool.side_a if a_to_b else pool.side_b).protocol_fee


@pytest.mark.parametrize("limit", [-1, U64_MAX + 1])
def test_a_limit_that_no_instruction_can_carry_is_refused(limit: int) -> None:
    pool = make_pool()
    with pytest.raises(SwapRefused):
        pool.instruction(pool.quote(sell(1000), CLOCK), limit, USER)


def test_parse_passes_over_what_is_no_swap_and_refuses_malformed_ones() -> None:
    metas = [AccountMeta(Pubkey.new_unique(), is_signer=False, is_writable=True) for _ in range(16)]
    data = bytes.fromhex("f8c69e91e17587c8") + bytes(16)
    assert KIND.parse(Instruction(PROGRAM, b"", metas)) is None
    assert KIND.parse(Instruction(VAULT_PROGRAM, data, metas)) is None
    assert KIND.parse(Instruction(PROGRAM, data, metas)) is not None
    for bad_data, bad_metas in ((data[:-1], metas), (data, metas[:14])):
        with pytest.raises(DecodeError):
            KIND.parse(Instruction(PROGRAM, bad_data, bad_metas))


def test_filters_find_the_pair_in_both_orders() -> None:
    scenario = scenario_of("meteora_damm_v1", "plain")
    roles, pool = scenario.roles, scenario.accounts[scenario.roles["pool"]]
    assert pool is not None
    for pair in ((roles["token_a_mint"], roles["token_b_mint"]), (roles["token_b_mint"], roles["token_a_mint"])):
        matches = [
            all(pool.data[at : at + len(value)] == value for at, value in query.memcmp) for query in KIND.filters(*pair)
        ]
        assert sorted(matches) == [False, True]
