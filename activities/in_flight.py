"""This worker's own swaps that the pool states read from the chain do not show yet.

Orders that run side by side read the same pool. Each would be quoted as if the others did not exist, pile onto the
same best pool and fail each other's slippage guard. So a swap that is signed is added to what the next order sees.
"""

from dataclasses import dataclass

from solders.pubkey import Pubkey

from activities.venues.errors import VenueError
from activities.venues.pool import Clock, Pool, Swap

# A signed swap can land for 150 blocks (the blockhash queue); a slot has at most one block.
_LIFETIME_SLOTS = 150


@dataclass(eq=False, slots=True)
class _Pending:
    legs: dict[Pubkey, Swap]
    until_slot: int
    executed_in_slot: int | None = None

    def shown_at(self, slot: int) -> bool:
        return self.executed_in_slot is not None and self.executed_in_slot <= slot


@dataclass(frozen=True, slots=True)
class _Ahead:
    """`pool` is `base` with `applied` done."""

    base: Pool
    applied: list[_Pending]
    pool: Pool


class InFlight:
    """Signed swaps by signature, from preparation to outcome. It shapes quotes; the guard of a swap is its own."""

    def __init__(self) -> None:
        self._pending: dict[str, _Pending] = {}
        self._ahead: dict[Pubkey, _Ahead] = {}

    def add(self, signature: str, legs: dict[Pubkey, Swap], clock: Clock) -> None:
        """The swaps, by pool, were prepared at `clock` and will probably land soon."""
        self._pending[signature] = _Pending(legs, clock.slot + _LIFETIME_SLOTS)

    def executed(self, signature: str, slot: int) -> None:
        """A node executed the swap in `slot`: pool states from then on show it."""
        if pending := self._pending.get(signature):
            pending.executed_in_slot = slot

    def remove(self, signature: str) -> None:
        """The outcome is known, or the swap is never sent."""
        self._pending.pop(signature, None)

    def ahead_of(self, pool: Pool, clock: Clock) -> Pool:
        """The pool as it will be when the swaps that its state at `clock.slot` does not show have landed."""
        # A swap that was prepared and then never executed is not removed by anyone.
        for signature in [name for name, pending in self._pending.items() if pending.until_slot < clock.slot]:
            del self._pending[signature]
        waiting = [
            pending
            for pending in self._pending.values()
            if pool.address in pending.legs and not pending.shown_at(clock.slot)
        ]
        if not waiting:
            return pool
        known = self._ahead.get(pool.address)
        # Most orders of a slot see the same state and one swap more than the order before.
        if known and known.base is pool and waiting[: len(known.applied)] == known.applied:
            ahead, rest = known.pool, waiting[len(known.applied) :]
        else:
            ahead, rest = pool, waiting
        for pending in rest:
            ahead = _after(ahead, pending.legs[pool.address], clock)
        self._ahead[pool.address] = _Ahead(pool, waiting, ahead)
        return ahead


def _after(pool: Pool, swap: Swap, clock: Clock) -> Pool:
    try:
        return pool.after(pool.quote(swap, clock), clock)
    except VenueError:
        # It will not land either, or its walk is not read yet; the chain decides.
        return pool
