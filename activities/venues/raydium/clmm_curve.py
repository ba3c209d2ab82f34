"""The walk of a Raydium CLMM pool in one direction, done once for all inputs: running totals over its steps."""

from bisect import bisect_left, bisect_right

from activities.venues.errors import CannotLand, VenueError
from activities.venues.integers import U64_MAX, require_u64
from activities.venues.mint import Mint
from activities.venues.pool import MAX_COMPUTE_UNITS
from activities.venues.raydium.clmm_errors import refused
from activities.venues.raydium.clmm_math import paid_between, price_after_input
from activities.venues.raydium.clmm_state import RATE_ONE
from activities.venues.raydium.clmm_swap import match_in, require_transferable
from activities.venues.raydium.clmm_walk import IMPOSSIBLE, Orders, Segment, Walk, compute_units

# What a walk that no amount can go past asks for.
_NEVER = U64_MAX + 1


class ClmmCurve:
    """A `Curve` that equals `ClmmPool.quote` to the unit: a search over running totals, then one step.

    A step is a segment or the limit orders at the end of one. Inputs and outputs of steps are the pool's own,
    without transfer fees.
    """

    __slots__ = (
        "_affordable",
        "_balances",
        "_down",
        "_ends_badly",
        "_epoch",
        "_mint_in",
        "_mint_out",
        "_on_input",
        "_paid",
        "_passed_at",
        "_segments",
        "_steps",
        "_stop",
        "_taken",
    )

    def __init__(
        self, walk: Walk, down: bool, on_input: bool, mints: tuple[Mint, Mint], balances: tuple[int, int], epoch: int
    ) -> None:
        """Take all of `walk`; `mints` and vault `balances` are input first."""
        self._down = down
        self._on_input = on_input
        self._mint_in, self._mint_out = mints
        self._balances = balances
        self._epoch = epoch
        # Each step with its fee rate; the input from which on it is passed; and, up to it, input and output.
        self._steps: list[tuple[Segment | Orders, int]] = []
        self._passed_at: list[int] = []
        self._taken = [0]
        self._paid = [0]
        # How many segments stand before each step, and how many of them one transaction can pay for.
        self._segments: list[int] = []
        self._affordable = _NEVER
        # What a larger input meets: by itself, a walk ends only at the last price.
        self._stop: VenueError = refused("RequireEqViolated")
        self._ends_badly = False
        try:
            for count, segment in enumerate(walk.segments(), 1):
                if self._affordable == _NEVER and compute_units(count, len(walk.visited)) > MAX_COMPUTE_UNITS:
                    self._affordable = count - 1
                self._add(segment, segment.rate, count, segment.taken, segment.paid, segment.taken)
                if segment.orders is not None:
                    self._add_orders(segment.orders, segment.rate, count)
                self._ends_badly = segment.next_liquidity == IMPOSSIBLE
        except VenueError as error:
            self._stop = error

    @property
    def max_in(self) -> int:
        """The largest input that the arrays at hand and one transaction can sell."""
        index = bisect_right(self._segments, self._affordable)
        most = self._taken[index]
        if index and index == len(self._steps):
            # The last orders swallow a little more than they cost.
            most = max(most, self._passed_at[-1] - 1)
        return min(self._mint_in.gross_up(most, self._epoch), U64_MAX)

    def amount_out(self, amount_in: int) -> int:
        """The output of an exact-in swap without limits; raises as `ClmmPool.quote` does."""
        require_u64("amount", amount_in)
        mint_in, mint_out = self._mint_in, self._mint_out
        net = amount_in if mint_in.newer is None else amount_in - mint_in.fee(amount_in, self._epoch)
        if not net:
            raise refused("ZeroAmountSpecified")
        index = bisect_right(self._passed_at, net)
        left = net - self._taken[index]
        paid = self._paid[index]
        if left:
            if index == len(self._steps):
                raise self._stop.with_traceback(None)
            paid += self._partly(index, left)
        elif self._ends_badly and index == len(self._steps):
            raise self._stop.with_traceback(None)
        if not paid:
            raise refused("TooSmallInputOrOutputAmount")
        if paid > U64_MAX:
            raise refused("CalculateOverflow")
        require_transferable(amount_in, net, paid, self._balances)
        if mint_in.newer is not None and mint_in.gross_up(net, self._epoch) != amount_in:
            raise refused("RequireEqViolated")
        if self._affordable != _NEVER and self._segments_of(net) > self._affordable:
            raise CannotLand("TooManyComputeUnits")
        return paid if mint_out.newer is None else paid - mint_out.fee(paid, self._epoch)

    def _partly(self, index: int, left: int) -> int:
        """What the step pays for `left`, which does not pass it."""
        step, rate = self._steps[index]
        if isinstance(step, Orders):
            return match_in(step, left, rate, self._down, self._on_input)[2]
        start, liquidity = step.start, step.liquidity
        usable = left * (RATE_ONE - rate) // RATE_ONE if self._on_input else left
        price = price_after_input(start, liquidity, usable, self._down)
        paid = paid_between(start, price, liquidity, self._down)
        return paid if self._on_input else paid - -(-paid * rate // RATE_ONE)

    def _segments_of(self, net: int) -> int:
        """How many segments a swap of `net` enters."""
        index = bisect_left(self._passed_at, net)
        return self._segments[min(index, len(self._segments) - 1)]

    def _add_orders(self, orders: Orders, rate: int, count: int) -> None:
        """Add a match: orders take the whole of an input that buys no more than they have."""
        more = orders.unfilled + 1
        usable = ((more << 64) - 1) // orders.price if self._down else more * orders.price - 1 >> 64
        passes = usable + 1
        if self._on_input:
            passes = -(-passes * RATE_ONE // (RATE_ONE - rate))
        if passes > U64_MAX:
            self._add(orders, rate, count, 0, 0, _NEVER)
            return
        _, taken, paid, _ = match_in(orders, passes, rate, self._down, self._on_input)
        self._add(orders, rate, count, taken, paid, passes)

    def _add(self, step: Segment | Orders, rate: int, count: int, taken: int, paid: int, passes: int) -> None:
        before = self._taken[-1]
        self._steps.append((step, rate))
        self._segments.append(count)
        self._passed_at.append(max(before + passes, self._passed_at[-1] if self._passed_at else 0))
        self._taken.append(before + taken)
        self._paid.append(self._paid[-1] + paid)
