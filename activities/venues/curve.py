"""What one pool pays for any input, precomputed: for price curves and for splitting an order over pools."""

from typing import Protocol


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
