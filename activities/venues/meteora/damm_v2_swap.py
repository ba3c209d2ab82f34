"""One swap of Meteora DAMM v2 between pool and curve, without the tokens' transfer fees.

Follows `get_swap_result_from_*` and `apply_swap_result` of MeteoraAg/damm-v2 (`state/pool.rs`), step by
step, so that a refusal is the program's first.
"""

from dataclasses import replace
from typing import NamedTuple

from activities.venues.integers import U64_MAX
from activities.venues.meteora.damm_v2_curve import Product, Range, sqrt_price_of
from activities.venues.meteora.damm_v2_errors import refused
from activities.venues.meteora.damm_v2_fees import DENOMINATOR, including
from activities.venues.meteora.damm_v2_state import State

# Collect fee modes: from the output, always in B, always in B with a share added to the reserves.
OUTPUT_SIDE, ONLY_B, COMPOUNDING = 0, 1, 2
# The cap on the whole rate by the pool's fee version: 50 % and 99 %.
_HIGHEST_RATES = (500_000_000, 990_000_000)

# A named tuple's own constructor is a function around this.
_make = tuple.__new__


class Fill(NamedTuple):
    """A swap as the pool sees it, in base units.

    `amount_in` holds a fee on the input, `curve_in` does not; `curve_out` holds a fee on the output,
    `amount_out` does not. `sqrt_price` is the next one, 0 for a compounding pool. `limited` says that the
    rate limiter applied.
    """

    a_to_b: bool
    amount_in: int
    curve_in: int
    curve_out: int
    amount_out: int
    fee: int
    fee_on_input: bool
    sqrt_price: int
    limited: bool


def sell(state: State, a_to_b: bool, amount: int, point: int, limited: bool, partly: bool) -> Fill:
    """Sell `amount` at `point` (slot or second); with `partly`, as much of it as the range takes."""
    fee_on_input = not a_to_b and state.collect_mode != OUTPUT_SIDE
    rate = _rate(state, point, amount if limited else None, gross=True)
    fee, curve_in, amount_in = 0, amount, amount
    if fee_on_input:
        fee = -(-amount * rate // DENOMINATOR)
        curve_in = amount - fee
    curve = _curve(state)
    if partly:
        curve_out, sqrt_price, left = curve.sell_up_to(a_to_b, curve_in)
        if left:
            amount_in = curve_in = curve_in - left
            if fee_on_input:
                amount_in = including(_rate(state, point, curve_in if limited else None, gross=False), curve_in)
                fee = amount_in - curve_in
    else:
        curve_out, sqrt_price = curve.sell(a_to_b, curve_in)
    amount_out = curve_out
    if not fee_on_input:
        fee = -(-curve_out * rate // DENOMINATOR)
        amount_out = curve_out - fee
    return _make(Fill, (a_to_b, amount_in, curve_in, curve_out, amount_out, fee, fee_on_input, sqrt_price, limited))


def buy(state: State, a_to_b: bool, amount: int, point: int, limited: bool) -> Fill:
    """Buy `amount` at `point`."""
    fee_on_input = not a_to_b and state.collect_mode != OUTPUT_SIDE
    fee, curve_out = 0, amount
    if not fee_on_input:
        curve_out = including(_rate(state, point, amount if limited else None, gross=False), amount)
        fee = curve_out - amount
    curve_in, sqrt_price = _curve(state).buy(a_to_b, curve_out)
    amount_in = curve_in
    if fee_on_input:
        amount_in = including(_rate(state, point, curve_in if limited else None, gross=False), curve_in)
        fee = amount_in - curve_in
    return Fill(a_to_b, amount_in, curve_in, curve_out, amount, fee, fee_on_input, sqrt_price, limited)


def settled(state: State, fill: Fill, now: int, referral: bool = False) -> State:
    """The state after `fill`, its `referral` paid from the protocol's part; SwapRefused as `require_settles`."""
    protocol_a, protocol_b, reserve_a, reserve_b = _counters(state, fill)
    if referral:
        paid = referral_fee(state, fill)
        if fill.a_to_b or fill.fee_on_input:
            protocol_b -= paid
        else:
            protocol_a -= paid
    before = state.range.sqrt_price
    after = _price_after(state, fill, reserve_a, reserve_b)
    return replace(
        state,
        range=state.range._replace(sqrt_price=after),
        protocol_a=protocol_a,
        protocol_b=protocol_b,
        reserve_a=reserve_a,
        reserve_b=reserve_b,
        dynamic=None if state.dynamic is None else state.dynamic.moved(before, after, now),
    )


def require_settles(state: State, fill: Fill, now: int) -> None:
    """Raise SwapRefused where the program fails to book `fill`: where a counter would overflow."""
    _, _, reserve_a, reserve_b = _counters(state, fill)
    dynamic = state.dynamic
    if dynamic is not None:
        before, after = state.range.sqrt_price, _price_after(state, fill, reserve_a, reserve_b)
        if not dynamic.surely_moves(before, after):
            dynamic.moved(before, after, now)
    elif state.collect_mode == COMPOUNDING and reserve_a == 0:
        raise refused("MathOverflow")


def _price_after(state: State, fill: Fill, reserve_a: int, reserve_b: int) -> int:
    return sqrt_price_of(reserve_a, reserve_b) if state.collect_mode == COMPOUNDING else fill.sqrt_price


def _counters(state: State, fill: Fill) -> tuple[int, int, int, int]:
    """Protocol fees and reserves of A and B after `fill`."""
    protocol, compounding, _ = split_fee(state, fill.fee)
    owed_a, owed_b, reserve_a, reserve_b = state.protocol_a, state.protocol_b, state.reserve_a, state.reserve_b
    if fill.a_to_b:
        owed_b += protocol
        reserve_a += fill.curve_in
        reserve_b -= fill.curve_out
    else:
        reserve_a -= fill.curve_out
        reserve_b += fill.curve_in
        if fill.fee_on_input:
            owed_b += protocol
        else:
            owed_a += protocol
    if (
        owed_a > U64_MAX
        or owed_b > U64_MAX
        or not 0 <= reserve_a <= U64_MAX
        or not 0 <= reserve_b <= U64_MAX - compounding
        # LP fees are booked per unit of liquidity.
        or state.range.liquidity == 0
    ):
        raise refused("MathOverflow")
    return owed_a, owed_b, reserve_a, reserve_b + compounding


def _curve(state: State) -> Range | Product:
    if state.collect_mode == COMPOUNDING:
        return Product(state.reserve_a, state.reserve_b)
    return state.range


def _rate(state: State, point: int, limited: int | None, gross: bool) -> int:
    """The whole fee rate; where the limiter applies, for `limited` with (`gross`) or without its fee."""
    if state.fee_version >= len(_HIGHEST_RATES):
        raise refused("InvalidPoolVersion")
    base = state.base_fee
    if limited is None:
        rate = base.scheduled(point, state.activation_point, state.range.sqrt_price, state.initial_sqrt_price)
    else:
        rate = base.limited_of_gross(limited) if gross else base.limited_of_net(limited)
    if state.dynamic is not None:
        rate += state.dynamic.rate()
        if rate > U64_MAX:
            raise refused("TypeCastFailed")
    highest = _HIGHEST_RATES[state.fee_version]
    return rate if rate < highest else highest


def tracked(state: State) -> State:
    """The state with its reserves tracked: a pool of layout version 0 has them computed on first touch."""
    if state.layout_version > 1 or state.collect_mode > COMPOUNDING:
        raise refused("TypeCastFailed")
    if state.collect_mode == COMPOUNDING:
        return replace(state, layout_version=1)
    reserve_a, reserve_b = state.range.reserves(up=True)
    if reserve_a > U64_MAX or reserve_b > U64_MAX:
        raise refused("MathOverflow")
    return replace(state, reserve_a=reserve_a, reserve_b=reserve_b, layout_version=1)


def split_fee(state: State, fee: int) -> tuple[int, int, int]:
    """The parts of a fee: the protocol's before any referral, what compounds, and what LPs can claim."""
    protocol = fee * state.protocol_percent // 100
    rest = fee - protocol
    compounding = rest * state.compounding_bps // 10_000
    if rest < 0 or compounding > rest:
        raise refused("MathOverflow")
    return protocol, compounding, rest - compounding


def referral_fee(state: State, fill: Fill) -> int:
    """What a referral gets of the protocol's part, in the token of the fee."""
    return split_fee(state, fill.fee)[0] * state.referral_percent // 100
