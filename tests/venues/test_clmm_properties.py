"""Raydium CLMM over whole ranges: against the program's own way of computing, and the laws of trading."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from activities.venues.errors import CannotLand, MissingAccounts, SwapRefused
from activities.venues.pool import Mode, Quote, Swap
from activities.venues.raydium.clmm import KIND
from activities.venues.raydium.clmm_curve import ClmmCurve
from activities.venues.raydium.clmm_math import MAX_TICK, MIN_TICK, sqrt_price_at
from activities.venues.raydium.clmm_pool import ClmmPool
from tests.venues.clmm_reference import ReferenceSwap, Refused
from tests.venues.clmm_states import ADDRESS, CLOCK, Order, PoolSpec, many_ticks
from tests.venues.recorded import settle

U64_MAX = 2**64 - 1
NOW = CLOCK.unix_timestamp


def digits(most_bits: int) -> st.SearchStrategy[int]:
    """Positive integers of every size up to `most_bits` bits, none of them rare."""
    return st.integers(1, most_bits).flatmap(lambda bits: st.integers(1 << bits - 1, (1 << bits) - 1))


@st.composite
def specs(draw: st.DrawFn) -> PoolSpec:
    """Pools of up to six positions around the price, about half of them with limit orders or a dynamic fee."""
    spacing = draw(st.sampled_from([1, 4, 10, 60, 120]))
    tick = draw(st.integers(-300, 300)) * draw(st.sampled_from([1, spacing]))
    here = tick // spacing
    positions = []
    for _ in range(draw(st.integers(1, 6))):
        lower = here + draw(st.integers(-80, 40))
        upper = lower + draw(st.integers(1, 120))
        positions.append((lower * spacing, upper * spacing, draw(digits(70))))
    orders = {}
    for distance in draw(st.lists(st.integers(-60, 60).filter(bool), max_size=4)):
        at = (here + distance) * spacing
        if at != tick:
            orders[at] = Order(draw(digits(45)), draw(st.just(0) | digits(45)), draw(st.integers(0, 1 << 64)))
    dynamic = None
    if draw(st.booleans()):
        dynamic = (
            draw(st.integers(1, 59)),
            draw(st.integers(60, 600)),
            draw(st.integers(1, 9_999)),
            draw(st.integers(1, 99_999)),
            draw(st.integers(0, 600_000)),
            here + draw(st.integers(-8, 8)),
            draw(st.integers(0, 200_000)),
            draw(st.integers(0, 200_000)),
            NOW - draw(st.sampled_from([0, 5, 30, 100, 1000])),
        )
    return PoolSpec(
        positions,
        spacing,
        tick,
        draw(st.none() | st.integers(sqrt_price_at(tick), sqrt_price_at(tick + 1) - 1)),
        orders,
        trade_rate=draw(st.sampled_from([0, 1, 100, 2_500, 10_000, 99_999, 500_000])),
        fee_on=draw(st.integers(0, 2)),
        dynamic=dynamic,
    )


amounts = digits(60)
modes = st.sampled_from([Mode.EXACT_IN, Mode.EXACT_OUT])


def answer(pool: ClmmPool, swap: Swap) -> Quote | tuple[type, str]:
    """The quote, or what is raised instead."""
    try:
        return pool.quote(swap, CLOCK)
    except (SwapRefused, MissingAccounts) as refusal:
        return type(refusal), str(refusal)


def quoted(pool: ClmmPool, swap: Swap) -> Quote | None:
    found = answer(pool, swap)
    return found if isinstance(found, Quote) else None


def price_limit(spec: PoolSpec, distance: int, offset: int) -> int:
    """A limit about `distance` ticks from the pool's, 0 where that is none."""
    tick = min(max(spec.tick + distance, MIN_TICK + 1), MAX_TICK - 1)
    limit = sqrt_price_at(tick) + offset
    here = spec.decoded().state.sqrt_price
    return limit if (limit < here if distance < 0 else limit > here) else 0


@given(specs(), st.booleans(), modes, amounts, st.none() | st.tuples(st.integers(1, 9_000), st.integers(-1, 1)))
def test_quotes_equal_the_programs_own_way(
    spec: PoolSpec, down: bool, mode: Mode, amount: int, stop: tuple[int, int] | None
) -> None:
    limit = 0 if stop is None else price_limit(spec, -stop[0] if down else stop[0], stop[1])
    pool = spec.decoded()
    try:
        reference = ReferenceSwap(spec, down, mode is Mode.EXACT_IN, amount, limit, NOW)
        carried_out = reference.amount_in > 0 < reference.amount_out and (limit or not reference.left)
    except Refused:
        carried_out = False
    quote = answer(pool, Swap(down, mode, amount, None, limit))
    if not isinstance(quote, Quote):
        assert not carried_out or quote[0] is CannotLand
        return
    assert carried_out
    after = pool.after(quote, CLOCK).state
    assert (quote.amount_in, quote.amount_out, quote.fee) == (
        reference.amount_in,
        reference.amount_out,
        reference.fee,
    )
    assert (after.sqrt_price, after.tick, after.liquidity) == (reference.price, reference.tick, reference.liquidity)
    if reference.volatility is not None:
        assert after.dynamic is not None
        assert tuple(after.dynamic) == tuple(vars(reference.volatility).values())


@given(specs(), st.booleans(), modes, amounts)
def test_the_next_state_decodes_from_its_own_bytes(spec: PoolSpec, down: bool, mode: Mode, amount: int) -> None:
    pool, accounts = spec.decoded(), spec.accounts()
    quote = quoted(pool, Swap(down, mode, amount))
    assume(quote is not None)
    assert quote is not None
    after = pool.after(quote, CLOCK)
    keys = pool.keys
    vaults = (keys.vault_0, keys.vault_1) if down else (keys.vault_1, keys.vault_0)
    moves = {vaults[0]: quote.amount_in, vaults[1]: -quote.amount_out}
    decoded = KIND.decode(ADDRESS, settle(accounts, after.writes(accounts), moves))
    assert decoded == after
    assert decoded != pool
    again = Swap(down, mode, amount)
    first, second = quoted(decoded, again), quoted(after, again)
    assert (first and first._replace(path=None)) == (second and second._replace(path=None))


@given(specs(), st.booleans(), st.lists(amounts, min_size=2, max_size=6))
def test_more_in_never_gives_less_out(spec: PoolSpec, down: bool, sold: list[int]) -> None:
    pool = spec.decoded()
    quotes = [quoted(pool, Swap(down, Mode.EXACT_IN, amount)) for amount in sorted(sold)]
    bought = [quote.amount_out for quote in quotes if quote is not None]
    assert bought == sorted(bought)


@given(specs(), st.booleans(), amounts)
def test_there_and_back_never_gains(spec: PoolSpec, down: bool, amount: int) -> None:
    pool = spec.decoded()
    there = quoted(pool, Swap(down, Mode.EXACT_IN, amount))
    assume(there is not None)
    assert there is not None
    back = quoted(pool.after(there, CLOCK), Swap(not down, Mode.EXACT_IN, there.amount_out))
    assert back is None or back.amount_out <= amount


@given(specs(), st.booleans(), amounts)
def test_buying_what_a_sale_gives_costs_no_more_than_the_sale(spec: PoolSpec, down: bool, amount: int) -> None:
    pool = spec.decoded()
    sale = quoted(pool, Swap(down, Mode.EXACT_IN, amount))
    assume(sale is not None)
    assert sale is not None
    purchase = quoted(pool, Swap(down, Mode.EXACT_OUT, sale.amount_out))
    assert purchase is not None
    assert purchase.amount_out == sale.amount_out
    if purchase.amount_in > amount:
        # The program takes the price to the end of a segment for its last unit, whether that needs it or not.
        cheaper = quoted(pool, Swap(down, Mode.EXACT_OUT, sale.amount_out - 1))
        assert cheaper is None or cheaper.amount_in <= amount


@given(specs(), st.booleans(), st.lists(amounts, min_size=1, max_size=8))
@example(many_ticks(13, 5), True, [10**6, 10**11, 10**13])
def test_the_curve_equals_the_quote(spec: PoolSpec, down: bool, sold: list[int]) -> None:
    pool = spec.decoded()
    curve = pool.curve(down, CLOCK)
    edges = [edge + step for edge in (*curve._passed_at, *curve._taken, curve.max_in) for step in (-1, 0, 1)]
    for amount in {*sold, *(edge for edge in edges if 0 <= edge <= U64_MAX)}:
        expected = answer(pool, Swap(down, Mode.EXACT_IN, amount))
        assert curved(curve, amount) == (expected.amount_out if isinstance(expected, Quote) else expected)
        assert amount <= curve.max_in or not isinstance(expected, Quote)


def curved(curve: ClmmCurve, amount: int) -> int | tuple[type, str]:
    """The curve's output, or what is raised instead."""
    try:
        return curve.amount_out(amount)
    except (SwapRefused, MissingAccounts) as refusal:
        return type(refusal), str(refusal)


@pytest.mark.parametrize("down", [True, False])
def test_the_largest_input_of_a_curve_is_the_last_one_answered(down: bool) -> None:
    curve = many_ticks(13, 5).decoded().curve(down, CLOCK)
    assert curve.amount_out(curve.max_in) > 0
    with pytest.raises(CannotLand):
        curve.amount_out(curve.max_in + 1)
