"""This worker's own swaps that the pool states read from the chain do not show yet.

Orders that run side by side read the same pool. Each would be quoted as if the others did not exist, pile onto the
same best pool and fail each other's slippage guard. So a swap that is decided on is added to what later orders see.
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
    """Decided swaps in their order, each from its decision to its outcome, by the memo of its transaction.

    It shapes quotes; the guard of a swap is its own.
    """

    def __init__(self) -> None:
        self._pending: dict[str, _Pending] = {}
        self._ahead: dict[Pubkey, _Ahead] = {}

    def add(self, memo: str, legs: dict[Pubkey, Swap], clock: Clock) -> None:
        """The swaps, by pool, were decided on at `clock`; a swap that is there already keeps its place."""
        self._pending[memo] = _Pending(legs, clock.slot + _LIFETIME_SLOTS)

    def executed(self, memo: str, slot: int) -> None:
        """A node executed the swap in `slot`: pool states from then on show it."""
        if pending := self._pending.get(memo):
            pending.executed_in_slot = slot

    def remove(self, memo: str) -> None:
        """The outcome is known, or the swap is never sent."""
        self._pending.pop(memo, None)

    def ahead_of(self, pool: Pool, clock: Clock, memo: str | None = None) -> Pool:
        """The pool as the swap of `memo`, or one that is decided on now, will find it.

        That is its state at `clock.slot` after the earlier swaps that it does not show have landed.
        """
        # A swap that was decided on and then never executed is not removed by anyone.
        for name in [name for name, pending in self._pending.items() if pending.until_slot < clock.slot]:
            del self._pending[name]
        waiting = []
        for name, pending in self._pending.items():
            if name == memo:
                break
            if pool.address in pending.legs and not pending.shown_at(clock.slot):
                waiting.append(pending)
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
        if memo is None:
            self._ahead[pool.address] = _Ahead(pool, waiting, ahead)
        return ahead


def _after(pool: Pool, swap: Swap, clock: Clock) -> Pool:
    try:
        return pool.after(pool.quote(swap, clock), clock)
    except VenueError:
        # It will not land either, or its walk is not read yet; the chain decides.
        return pool
