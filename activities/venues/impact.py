"""How far a swap moves a pool: its price impact, apart from every fee."""

from fractions import Fraction

from activities.venues.pool import Pool, Quote


def price_impact(pool: Pool, quote: Quote) -> Fraction:
    """By which share the swap trades worse than `pool`'s spot price; `quote` is a quote of this very pool.

    1 - (curve output / curve input) / spot, where spot is the marginal price before the swap in the swap's
    direction, curve input is what reaches the curve (transfer fee and trading fee on the input taken off)
    and curve output what leaves it (before trading fee and transfer fee on the output). 0 is no impact,
    1/100 is one per cent worse, close to 1 an emptied pool. Rounding to base units can make a dust swap
    look worse, or a hair better than spot (negative). 0 when nothing reaches the curve, or the pool has no
    price.
    """
    fee_in, fee_out = quote.fee, quote.other_fee
    if not quote.fee_on_input:
        fee_in, fee_out = fee_out, fee_in
    curve_in = quote.amount_in - quote.transfer_fee_in - fee_in
    curve_out = quote.amount_out + quote.transfer_fee_out + fee_out
    spot = pool.spot_price()
    if curve_in <= 0 or not spot:
        return Fraction(0)
    executed = Fraction(curve_out, curve_in)
    return 1 - (executed / spot if quote.swap.a_to_b else executed * spot)
