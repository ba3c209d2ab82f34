"""A pool as the registry lists it."""

from dataclasses import dataclass

# The exclusion reasons that the registry itself gives; all others name what a pool's state or mint says.
REMOVED = "removed"
NOT_FOUND = "not_found"
NOT_A_POOL = "not_a_pool"
NOT_READABLE = "not_readable"


@dataclass(frozen=True, slots=True)
class RegisteredPool:
    """A pool the engine knows. `excluded_reason` says why it is not quoted, None when it is.

    Addresses in base58. The mints may be given in any order and are stored and returned in byte order of their text.
    `lookup_table` is an address lookup table that holds the pool's accounts, for transactions that would be too
    long without it.
    """

    address: str
    venue: str
    kind: str
    mint_a: str
    mint_b: str
    excluded_reason: str | None = None
    excluded_detail: str | None = None
    lookup_table: str | None = None
