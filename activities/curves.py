"""Draw the pools of a decision: what each pays for sizes around the order's, at the state that it was quoted at."""

from collections.abc import Iterable

from activities.quotes import QuotedPool
from activities.venues.curve import Curve
from activities.venues.errors import VenueError
from workflows.domain.routing import PoolCurve, PriceCurves

# From an eighth of the order to eight times as much, two sizes to each doubling (thousandths of the order).
_SIZES = (125, 177, 250, 354, 500, 707, 1_000, 1_414, 2_000, 2_828, 4_000, 5_657, 8_000)

# The best pools tell the story; a pair with dozens must not swell every event.
_MOST_POOLS = 6


def price_curves(pools: Iterable[QuotedPool], amount_in: int) -> PriceCurves:
    """What the pools, best first, pay for sizes around `amount_in` base units: exactly what each would have quoted."""
    sizes = tuple(sorted({amount_in * part // 1_000 for part in _SIZES} - {0}))
    drawn = list(pools)[:_MOST_POOLS]
    return PriceCurves(
        sizes=sizes,
        pools=tuple(PoolCurve(pool=str(each.pool.address), amounts_out=_paid(each, sizes)) for each in drawn),
    )


def _paid(quoted: QuotedPool, sizes: tuple[int, ...]) -> tuple[int | None, ...]:
    try:
        curve = quoted.pool.curve(quoted.quote.swap.a_to_b, quoted.clock)
    except VenueError:
        return (None,) * len(sizes)
    return tuple(_amount(curve, size) for size in sizes)


def _amount(curve: Curve, size: int) -> int | None:
    try:
        # A swap that pays nothing is none.
        return curve.amount_out(size) or None
    except VenueError:
        return None
