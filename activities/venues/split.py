"""Divide an order between two pools so that together they pay most.

What two pools pay together is greatest where their marginal prices are equal. Outputs are integers, so that point
is sought on the exact outputs themselves: they rise and fall like a concave function, give or take the rounding of
a few base units.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from activities.venues.curve import Curve
from activities.venues.errors import MissingAccounts, SwapRefused

# The pools that pay most for the whole amount, for a part and for a sliver of it: deep ones, and shallow ones with a
# good price. Any pair worth taking is among them.
_CANDIDATES = 3
_PARTS = (1, 16, 1_024)

# A pair is first placed to about a thousandth of the amount; only the best is then found to the unit.
_COARSE_STEPS = 10


@dataclass(frozen=True, slots=True)
class Split:
    """`amounts` into the pools at `indexes`, in base units of the input token, and what they pay together."""

    indexes: tuple[int, int]
    amounts: tuple[int, int]
    amount_out: int


def best_split(curves: Sequence[Curve], amount_in: int) -> Split | None:
    """The best division of `amount_in` between two of the curves, both getting some; None when no pair can.

    Deterministic. What it misses of the best possible is rounding: of the two outputs, and of the fees on the inputs.
    """
    best: Split | None = None
    for first, second in combinations(_candidates(curves, amount_in), 2):
        pair = _Pair(curves[first], curves[second], amount_in)
        start = pair.coarse_top()
        paid = pair.amount_out(start)
        if paid is not None and (best is None or paid > best.amount_out):
            best = Split((first, second), (start, amount_in - start), paid)
    if best is None:
        return None
    pair = _Pair(curves[best.indexes[0]], curves[best.indexes[1]], amount_in)
    exact = best.amounts[0]
    while True:
        # From the top at the finest step, larger steps look over the ripple of rounding; repeat until none helps.
        improved = pair.climb(exact, amount_in >> _COARSE_STEPS or 1, amount_in.bit_length())
        if improved == exact:
            break
        exact = improved
    paid = pair.amount_out(exact)
    return Split(best.indexes, (exact, amount_in - exact), paid) if paid is not None else None


class _Pair:
    """Two curves that share an amount; `part` goes to the first."""

    def __init__(self, first: Curve, second: Curve, total: int) -> None:
        self._first = first
        self._second = second
        self._total = total

    def amount_out(self, part: int) -> int | None:
        """What both pay together, None when either gets nothing or cannot take its part."""
        if not 0 < part < self._total:
            return None
        first, second = _paid(self._first, part), _paid(self._second, self._total - part)
        return None if first is None or second is None else first + second

    def coarse_top(self) -> int:
        """The part that is best to about a thousandth, or 0 when the two cannot take the total together."""
        most = _capacity(self._first, self._total - 1)
        least = max(1, self._total - _capacity(self._second, self._total - 1))
        if least > most:
            return 0
        return self.climb((least + most) // 2, (most - least) // 4, _COARSE_STEPS)

    def climb(self, part: int, step: int, halvings: int) -> int:
        """Move uphill by `step`, halved when neither side is higher, at most `halvings` times."""
        here = self.amount_out(part)
        for _ in range(halvings):
            if step == 0:
                break
            part, here, moved = self._better(part, here, step)
            while moved:
                part, here, moved = self._better(part, here, step)
            step //= 2
        return part

    def _better(self, part: int, here: int | None, step: int) -> tuple[int, int | None, bool]:
        for other in (part - step, part + step):
            there = self.amount_out(other)
            if there is not None and (here is None or there > here):
                return other, there, True
        return part, here, False


def _capacity(curve: Curve, amount_in: int) -> int:
    """The largest input up to `amount_in` that the curve answers, to about a thousandth; 0 for none."""
    if amount_in <= 0 or _paid(curve, amount_in) is not None:
        return max(amount_in, 0)
    taken, refused = 0, amount_in
    while refused - taken > 1 + (refused >> _COARSE_STEPS):
        middle = (taken + refused) // 2
        if _paid(curve, middle) is None:
            refused = middle
        else:
            taken = middle
    return taken


def _candidates(curves: Sequence[Curve], amount_in: int) -> list[int]:
    chosen: set[int] = set()
    for part in (amount_in // divisor for divisor in _PARTS):
        paid = [(index, _paid(curve, part)) for index, curve in enumerate(curves)] if part else []
        ranked = sorted(((index, out) for index, out in paid if out), key=lambda entry: (-entry[1], entry[0]))
        chosen.update(index for index, _ in ranked[:_CANDIDATES])
    return sorted(chosen)


def _paid(curve: Curve, amount_in: int) -> int | None:
    try:
        return curve.amount_out(amount_in)
    except (SwapRefused, MissingAccounts):
        return None
