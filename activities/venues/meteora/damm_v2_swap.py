"""One swap of Meteora DAMM v2 between pool and curve, without the tokens' transfer fees.

Follows `get_swap_result_from_*` and `apply_swap_result` of MeteoraAg/damm-v2 (`state/pool.rs`), step by
step, so that a refusal is the program's first.
"""

from typing import NamedTuple

from activities.venues.integers import U64_MAX
from activities.venues.meteora.damm_v2_curve import Product, Range, sqrt_price_of
from activities.venues.meteora.damm_v2_errors import refused
from activities.venues.meteora.damm_v2_fees import DENOMINATOR, including
from activities.venues.meteora.damm_v2_state import State, Terms

# Collect fee modes: from the output, always in B, always in B with a share added to the reserves.
OUTPUT_SIDE, ONLY_B, COMPOUNDING = 0, 1, 2
# The cap on the whole rate by the pool's fee version: 50 % and 99 %.
_HIGHEST_RATES = (500_000_000, 990_000_000)


class Fill(NamedTuple):
    """A swap as the pool sees it, in base units.

    `amount_in` holds a fee on the input, `curve_in` does not; `curve_out` holds a fee on the output,
    `amount_out` does not. `sqrt_price` is the next one, 0 for a compounding pool.
    """

    a_to_b: bool
    amount_in: int
    curve_in: int
    curve_out: int
    amount_out: int
    fee: int
    fee_on_input: bool
    sqrt_price: int


class Split(NamedTuple):
    """The parts of a fee: the protocol's before any referral, what compounds, and what LPs can claim."""

    protocol: int
    compounding: int
    claimable: int


class Venue(NamedTuple):
    """A pool at one point in time, asked for one direction."""

    terms: Terms
    state: State
    a_to_b: bool
    point: int
    limited: bool

    def sell(self, amount: int, partly: bool) -> Fill:
        """Sell `amount`; with `partly`, as much of it as the range takes."""
        a_to_b, curve = self.a_to_b, self._curve()
        rate = self._rate(amount, gross=True)
        fee_on_input = self.fee_on_input
        fee, curve_in, amount_in = 0, amount, amount
        if fee_on_input:
            fee = -(-amount * rate // DENOMINATOR)
            curve_in = amount - fee
        if partly:
            curve_out, sqrt_price, left = curve.sell_up_to(a_to_b, curve_in)
            if left:
                amount_in = curve_in = curve_in - left
                if fee_on_input:
                    amount_in = including(self._rate(curve_in, gross=False), curve_in)
                    fee = amount_in - curve_in
        else:
            curve_out, sqrt_price = curve.sell(a_to_b, curve_in)
        amount_out = curve_out
        if not fee_on_input:
            fee = -(-curve_out * rate // DENOMINATOR)
            amount_out = curve_out - fee
        return Fill(a_to_b, amount_in, curve_in, curve_out, amount_out, fee, fee_on_input, sqrt_price)

    def buy(self, amount: int) -> Fill:
        """Buy `amount`."""
        a_to_b, curve = self.a_to_b, self._curve()
        fee_on_input = self.fee_on_input
        fee, curve_out = 0, amount
        if not fee_on_input:
            curve_out = including(self._rate(amount, gross=False), amount)
            fee = curve_out - amount
        curve_in, sqrt_price = curve.buy(a_to_b, curve_out)
        amount_in = curve_in
        if fee_on_input:
            amount_in = including(self._rate(curve_in, gross=False), curve_in)
            fee = amount_in - curve_in
        return Fill(a_to_b, amount_in, curve_in, curve_out, amount, fee, fee_on_input, sqrt_price)

    def settled(self, fill: Fill, now: int) -> State:
        """The pool's state after `fill` without a referral; refused where a counter would overflow."""
        terms, state = self.terms, self.state
        split = split_fee(terms, fill.fee)
        if terms.liquidity == 0:
            # LP fees are booked per unit of liquidity.
            raise refused("MathOverflow")
        protocol_a, protocol_b = state.protocol_a, state.protocol_b
        reserve_a, reserve_b = state.reserve_a, state.reserve_b
        if fill.a_to_b:
            reserve_a, reserve_b = reserve_a + fill.curve_in, reserve_b - fill.curve_out
        else:
            reserve_a, reserve_b = reserve_a - fill.curve_out, reserve_b + fill.curve_in
        if fill.fee_on_input or fill.a_to_b:
            protocol_b += split.protocol
        else:
            protocol_a += split.protocol
        reserve_b += split.compounding
        for counter in (protocol_a, protocol_b, reserve_a, reserve_b):
            if not 0 <= counter <= U64_MAX:
                raise refused("MathOverflow")
        sqrt_price = fill.sqrt_price
        if terms.collect_mode == COMPOUNDING:
            sqrt_price = sqrt_price_of(reserve_a, reserve_b)
        dynamic = state.dynamic
        if dynamic is not None:
            dynamic = dynamic.moved(state.sqrt_price, sqrt_price, now)
        return State(protocol_a, protocol_b, sqrt_price, reserve_a, reserve_b, state.layout_version, dynamic)

    @property
    def fee_on_input(self) -> bool:
        """Whether the fee comes from the input: B sold, and fees collected in B."""
        return not self.a_to_b and self.terms.collect_mode != OUTPUT_SIDE

    def _curve(self) -> Range | Product:
        terms, state = self.terms, self.state
        if terms.collect_mode == COMPOUNDING:
            return Product(state.reserve_a, state.reserve_b)
        return Range(terms.lowest, terms.highest, state.sqrt_price, terms.liquidity)

    def _rate(self, amount: int, gross: bool) -> int:
        """The whole fee rate, for an `amount` with (`gross`) or without its fee."""
        terms, state = self.terms, self.state
        if terms.fee_version >= len(_HIGHEST_RATES):
            raise refused("InvalidPoolVersion")
        base = terms.base_fee
        if not self.limited:
            rate = base.scheduled(self.point, terms.activation_point, state.sqrt_price, terms.initial_sqrt_price)
        elif gross:
            rate = base.limited_of_gross(amount)
        else:
            rate = base.limited_of_net(amount)
        if state.dynamic is not None:
            rate += state.dynamic.rate()
            if rate > U64_MAX:
                raise refused("TypeCastFailed")
        return min(rate, _HIGHEST_RATES[terms.fee_version])


def tracked(terms: Terms, state: State) -> State:
    """The state with its reserves tracked: a pool of layout version 0 has them computed on first touch."""
    if state.layout_version == 1:
        return state
    if state.layout_version > 1:
        raise refused("TypeCastFailed")
    if terms.collect_mode > COMPOUNDING:
        raise refused("TypeCastFailed")
    if terms.collect_mode == COMPOUNDING:
        return state._replace(layout_version=1)
    span = Range(terms.lowest, terms.highest, state.sqrt_price, terms.liquidity)
    reserve_a, reserve_b = span.reserves(up=True)
    if reserve_a > U64_MAX or reserve_b > U64_MAX:
        raise refused("MathOverflow")
    return state._replace(reserve_a=reserve_a, reserve_b=reserve_b, layout_version=1)


def split_fee(terms: Terms, fee: int) -> Split:
    """Split a fee between protocol, compounding reserves and LPs, each part rounded down but the last."""
    protocol = fee * terms.protocol_percent // 100
    rest = fee - protocol
    compounding = rest * terms.compounding_bps // 10_000
    if rest < 0 or compounding > rest:
        raise refused("MathOverflow")
    return Split(protocol, compounding, rest - compounding)
