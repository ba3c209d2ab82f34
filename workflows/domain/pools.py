"""A pool as the registry lists it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RegisteredPool:
    """A pool the engine knows. `excluded_reason` says why it is not quoted, None when it is.

    Addresses in base58. The mints may be given in any order and are stored and returned in byte order of their text.
    """

    address: str
    venue: str
    kind: str
    mint_a: str
    mint_b: str
    excluded_reason: str | None = None
    excluded_detail: str | None = None
