"""What can go wrong in a venue's protocol code; everything here derives from `VenueError`.

VenueError
├── DecodeError        the bytes are not an account of this kind
├── MissingAccounts    the computation needs accounts that were not fetched
├── Unsupported        a pool or mint that this engine knows and does not trade
└── SwapRefused        the program would refuse this swap
    └── CannotLand     the program would accept it, a transaction could not carry it
"""

from collections.abc import Iterable

from solders.pubkey import Pubkey


class VenueError(Exception):
    """Base of every error that venue code raises."""


class DecodeError(VenueError):
    """Account bytes that do not decode: names the program, the field and its byte offset."""

    def __init__(self, program: str, field: str, offset: int, problem: str) -> None:
        super().__init__(f"{program}: {field} at byte {offset}: {problem}")
        self.program = program
        self.field = field
        self.offset = offset
        self.problem = problem


class MissingAccounts(VenueError):
    """The walk ran past the accounts at hand; fetch `keys` with the others, at one slot, and ask again."""

    def __init__(self, keys: Iterable[Pubkey]) -> None:
        self.keys = tuple(keys)
        super().__init__("accounts not fetched: " + ", ".join(str(key) for key in self.keys))


class Unsupported(VenueError):
    """A pool or mint that is recognised and deliberately not traded; `reason` is a stable snake_case code."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class SwapRefused(VenueError):
    """The program refuses this swap.

    `code` is the program's own custom error number, or None where the program panics (arithmetic
    beyond its types) instead of returning one; `name` is the program's name for the error.
    """

    def __init__(self, name: str, code: int | None = None) -> None:
        super().__init__(f"{name} ({code})" if code is not None else name)
        self.name = name
        self.code = code


class CannotLand(SwapRefused):
    """The maths has an answer, but no transaction could carry the swap (compute units or size)."""
