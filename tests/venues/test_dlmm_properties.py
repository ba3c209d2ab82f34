"""What holds for every DLMM swap, whatever the pool: it is the plain model's, and nobody gains for nothing."""

from hypothesis import given
from hypothesis import strategies as st

from activities.venues.meteora.dlmm import KIND
from activities.venues.meteora.dlmm_pool import DlmmPool
from activities.venues.pool import Mode, Quote, Swap
from tests.venues import dlmm_model
from tests.venues.dlmm_pools import accounts_of, answer, exact_in, exact_out, pairs, refusal, sales
from tests.venues.dlmm_states import ADDRESS, CLOCK, NOW, PairSpec
from tests.venues.recorded import settle


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
