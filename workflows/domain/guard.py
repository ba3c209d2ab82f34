"""What a swap must pay at least, or may cost at most: slippage from the quotes, and never beyond the limit. Pure."""

from collections.abc import Sequence
from fractions import Fraction

from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.money import least_output, most_input
from workflows.domain.order import OrderTerms


def least_at_limit(terms: OrderTerms) -> int:
    """The least output, in base units, that pays `limit_price` for the whole of an exact-in order; 0 without one."""
    if terms.limit_price is None:
        return 0
    price, whole_in, whole_out = Fraction(terms.limit_price), 10**terms.token_in.decimals, 10**terms.token_out.decimals
    return int(-(-price.numerator * terms.amount_in * whole_out // (price.denominator * whole_in)))


def most_at_limit(terms: OrderTerms) -> int:
    """The most input, in base units, that an exact-out order may cost by its limit and its own bound."""
    if terms.limit_price is None or terms.amount_out is None:
        return terms.amount_in
    price, whole_in, whole_out = Fraction(terms.limit_price), 10**terms.token_in.decimals, 10**terms.token_out.decimals
    return min(terms.amount_in, int(price.denominator * terms.amount_out * whole_in // (price.numerator * whole_out)))


def least_outputs(terms: OrderTerms, decided: Sequence[int], fresh: Sequence[int]) -> tuple[int, ...]:
    """The least output of each leg of an exact-in order, quoted at `decided` when it was chosen and at `fresh` now.

    The slippage counts from the better of both quotes. Together the legs pay the limit at least: each bears the share
    of it that it pays of the whole. Raises EngineError `slippage_exceeded` or `limit_not_reached`.
    """
    token, limit, total = terms.token_out, least_at_limit(terms), sum(fresh)
    if total < limit:
        raise EngineError(
            ErrorCode.LIMIT_NOT_REACHED,
            f"the market pays {token.format(total)} {token.symbol}, the limit is {token.format(limit)}",
        )
    least = []
    for before, now in zip(decided, fresh, strict=True):
        by_slippage = least_output(max(before, now), terms.slippage_bps)
        if now < by_slippage:
            raise EngineError(
                ErrorCode.SLIPPAGE_EXCEEDED,
                f"the pool now pays {token.format(now)} {token.symbol},"
                f" less than the {token.format(by_slippage)} that slippage allows",
            )
        least.append(max(by_slippage, -(-now * limit // total)))
    return tuple(least)


def most_inputs(terms: OrderTerms, decided: Sequence[int], fresh: Sequence[int]) -> tuple[int, ...]:
    """The most input of the one leg of an exact-out order, as `least_outputs`."""
    (before,), (now,) = decided, fresh
    token, limit = terms.token_in, most_at_limit(terms)
    by_slippage = most_input(min(before, now), terms.slippage_bps)
    if now > limit:
        raise EngineError(
            ErrorCode.LIMIT_NOT_REACHED,
            f"the market asks {token.format(now)} {token.symbol}, the most to pay is {token.format(limit)}",
        )
    if now > by_slippage:
        raise EngineError(
            ErrorCode.SLIPPAGE_EXCEEDED,
            f"the pool now asks {token.format(now)} {token.symbol},"
            f" more than the {token.format(by_slippage)} that slippage allows",
        )
    return (min(by_slippage, limit),)
