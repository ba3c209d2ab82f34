"""The walk of a Meteora DLMM pool in one direction, done once for all amounts: running totals over its bins."""

from bisect import bisect_left
from collections.abc import Iterator

from activities.venues.errors import VenueError
from activities.venues.integers import U64_MAX, require_u64
from activities.venues.meteora.dlmm_bins import PRICE_BITS
from activities.venues.meteora.dlmm_errors import refused
from activities.venues.meteora.dlmm_swap import collects_on_input, cost_of, sell
from activities.venues.meteora.dlmm_walk import FEE_PRECISION, Level, State, levels, references
from activities.venues.mint import Mint
from activities.venues.pool import Clock

# Past every amount that a transfer can move: the end of a bin that no amount sells out.
_NEVER = U64_MAX + 2


class DlmmCurve:
    """A `Curve` that equals `quote` to the unit: a search over running totals, then one bin."""

    __slots__ = (
        "_ends",
        "_epoch",
        "_fee_on_input",
        "_levels",
        "_mint_in",
        "_mint_out",
        "_paid",
        "_plain",
        "_sells_x",
        "_stop",
        "_swallows",
        "_walk",
    )

    def __init__(self, state: State, sells_x: bool, clock: Clock, mint_in: Mint, mint_out: Mint) -> None:
        """Begin to walk the arrays at hand; raises SwapRefused where the swap is refused before its first bin."""
        self._sells_x = sells_x
        self._epoch = clock.epoch
        self._mint_in = mint_in
        self._mint_out = mint_out
        self._fee_on_input = collects_on_input(state.pair.collect_fee_mode, sells_x)
        # Per bin: the input that sells out everything up to it, the output of that, whether it keeps one unit
        # more as fee, and what it costs where nothing about the bin is unusual.
        self._levels: list[Level] = []
        self._ends: list[int] = []
        self._paid: list[int] = [0]
        self._swallows: list[bool] = []
        self._plain: list[int | None] = []
        start = references(state.pair, clock.unix_timestamp)
        # Bins are walked as far as an amount has needed them: most amounts are sold within the first few.
        self._walk: Iterator[Level] | None = levels(state, start, sells_x, False, [])

    def _reach(self, amount: int) -> None:
        """Walk until `amount` is sold, or to the end."""
        while self._walk is not None and not (self._ends and self._ends[-1] >= amount):
            try:
                self._add(next(self._walk))
            except VenueError as error:
                self._stop, self._walk = error, None

    def _add(self, level: Level) -> None:
        _, _, rate, price, liquidity, processed, open_orders, _, _ = level
        cost = None
        end, paid, swallows = _NEVER, self._paid[-1], False
        try:
            whole = sell(level, U64_MAX, self._sells_x, self._fee_on_input)
            if not (processed or open_orders):
                cost = cost_of(liquidity, price, self._sells_x)
        except VenueError:
            # Some amounts are still taken; what the others meet is found when asked for.
            pass
        else:
            if whole.amount_in < U64_MAX:
                end = (self._ends[-1] if self._ends else 0) + whole.amount_in
                paid += whole.amount_out
                more = whole.amount_in + 1
                swallows = self._fee_on_input and more - -(-more * rate // FEE_PRECISION) == whole.amount_in - whole.fee
        self._levels.append(level)
        self._ends.append(end)
        self._paid.append(paid)
        self._swallows.append(swallows)
        self._plain.append(cost)

    @property
    def max_in(self) -> int:
        """The largest input that the arrays at hand and one transaction can sell."""
        self._reach(_NEVER)
        if not self._ends:
            return 0
        most = self._ends[-1] + self._swallows[-1]
        amount = min(self._mint_in.gross_up(most, self._epoch), U64_MAX)
        while amount - self._mint_in.fee(amount, self._epoch) > most:
            amount -= 1
        return amount

    def amount_out(self, amount_in: int) -> int:
        """The output of an exact-in swap without limits; raises as `DlmmPool.quote` does."""
        require_u64("amount", amount_in)
        if amount_in == 0:
            raise refused("InvalidInput")
        mint_in, mint_out = self._mint_in, self._mint_out
        left = amount_in if mint_in.newer is None else amount_in - mint_in.fee(amount_in, self._epoch)
        if left == 0:
            raise refused("InsufficientOutAmount")
        self._reach(left)
        index = bisect_left(self._ends, left)
        before = self._ends[index - 1] if index else 0
        paid = self._paid[index]
        if left - before > 1 or not (index and self._swallows[index - 1]):
            if index == len(self._levels):
                raise self._stop.with_traceback(None)
            paid += self._sold(index, left - before)
        if paid > U64_MAX:
            raise refused("MathOverflow")
        if mint_out.newer is not None:
            paid -= mint_out.fee(paid, self._epoch)
        if paid == 0:
            raise refused("InsufficientOutAmount")
        return paid

    def _sold(self, index: int, offered: int) -> int:
        """What the bin pays for `offered`, which is not more than sells it out."""
        level, cost = self._levels[index], self._plain[index]
        if cost is None:
            return sell(level, offered, self._sells_x, self._fee_on_input).amount_out
        _, _, rate, price, liquidity, *_ = level
        usable = offered - -(-offered * rate // FEE_PRECISION) if self._fee_on_input else offered
        if usable >= cost:
            amount_out = liquidity
        else:
            amount_out = usable * price >> PRICE_BITS if self._sells_x else (usable << PRICE_BITS) // price
        if self._fee_on_input:
            return amount_out
        return amount_out - -(-amount_out * rate // FEE_PRECISION)
