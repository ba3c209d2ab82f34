"""Where addresses of pools come from. A source names addresses, nothing more: the chain says what they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from solders.pubkey import Pubkey

from workflows.domain.money import Token


@dataclass(frozen=True, slots=True)
class Found:
    """Addresses that should be pools, each with its lookup table where the source names one.

    `problems` says in words what the source could not tell.
    """

    pools: Mapping[Pubkey, Pubkey | None]
    problems: tuple[str, ...] = ()


class PoolSource(Protocol):
    """A place to look for pools."""

    async def find(self, tokens: Sequence[Token]) -> Found:
        """The pools of every pair of the tokens, as far as the source knows. A source that fails says so in `Found`."""
