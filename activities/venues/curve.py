"""What one pool pays for any input, precomputed: for price curves and for splitting an order over pools."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from activities.venues.pool import Clock, Pool


class Curve(Protocol):
    """The outputs of one pool in one direction, at one state and clock; exactly those of `Pool.quote`.

    Amounts are base units at the user's accounts, transfer fees included, as in `Quote`.
    """

    @property
    def max_in(self) -> int | None:
        """The largest input that the precomputed walk answers, None when every input is answered."""

    def amount_out(self, amount_in: int) -> int:
        """The output of an exact-in swap without limits, in about a microsecond.

        Raises SwapRefused as the quote would, and MissingAccounts past the accounts at hand.
        """


class QuotedCurve:
    """A curve of a pool whose quote needs no walk, so that there is nothing to precompute."""

    __slots__ = ("_a_to_b", "_clock", "_pool")

    def __init__(self, pool: "Pool", a_to_b: bool, clock: "Clock") -> None:
        self._pool = pool
        self._a_to_b = a_to_b
        self._clock = clock

    @property
    def max_in(self) -> int | None:
        """Every input is answered."""
        return None

    def amount_out(self, amount_in: int) -> int:
        """The output of `Pool.quote`, and its refusals."""
        return self._pool.amount_out(self._a_to_b, amount_in, self._clock)
