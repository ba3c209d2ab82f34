"""Landed swaps until they are final: whether a fork took one away after it had been reported."""

from collections.abc import Sequence
from dataclasses import dataclass

from solders.signature import Signature

from activities.solana.endpoints import PATIENCE_SECONDS, first_answer
from activities.solana.expiry import ChainNode, Deadline
from activities.solana.rpc import MAX_STATUSES
from activities.solana.statuses import Level

# A block is final when 31 more are on top of it (MAX_LOCKOUT_HISTORY); one slot for the answer's own.
_SLOTS_TO_FINALITY = 32

# Slots between two questions for one that is late.
_SLOTS_BETWEEN = 8


@dataclass(frozen=True, slots=True)
class Sent:
    """Signed bytes, and when they must have landed."""

    signature: Signature
    transaction: bytes
    deadline: Deadline


class FinalityWatch:
    """The swaps that are confirmed and not yet final. It costs one call for up to 256 of them, once they should be."""

    def __init__(self) -> None:
        self._due: dict[Sent, int] = {}

    def __len__(self) -> int:
        return len(self._due)

    def add(self, sent: Sent, slot: int) -> None:
        """The swap landed in a confirmed block of `slot`."""
        self._due[sent] = slot + _SLOTS_TO_FINALITY

    def due(self, slot: int | None) -> Sequence[Sent]:
        """Those to ask for at `slot`; any when the slot is not known."""
        due = [sent for sent, at in self._due.items() if slot is None or at <= slot]
        return due[:MAX_STATUSES]

    async def check(self, nodes: Sequence[ChainNode], due: Sequence[Sent]) -> Sequence[Sent]:
        """Ask for the given ones; those that no node knows any more are returned and watched no longer.

        Raises ChainUnavailable.
        """
        signatures = [sent.signature for sent in due]
        node, answer = await first_answer(
            nodes, lambda each: each.statuses(signatures, search_history=True), PATIENCE_SECONDS
        )
        missing = []
        for sent, status in zip(due, answer.values, strict=True):
            if status is None:
                # Behind its block, the node cannot know it yet.
                if answer.slot >= self._due[sent]:
                    missing.append(sent)
            elif status.level is Level.FINALIZED and status.error is None:
                del self._due[sent]
            elif status.error is None:
                self._due[sent] = max(self._due[sent], answer.slot + _SLOTS_BETWEEN)
            else:
                missing.append(sent)
        for other in nodes:
            if missing and other is not node:
                missing = await self._unknown_to(other, missing)
        for sent in missing:
            del self._due[sent]
        return missing

    async def _unknown_to(self, node: ChainNode, missing: Sequence[Sent]) -> list[Sent]:
        answer = await node.statuses([sent.signature for sent in missing], search_history=True)
        return [
            sent
            for sent, status in zip(missing, answer.values, strict=True)
            if status is None or status.error is not None
        ]
