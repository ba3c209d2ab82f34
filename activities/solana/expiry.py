"""The proof that signatures never landed and never can."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from solders.signature import Signature

from activities.solana.errors import ChainUnavailable, Outcome
from activities.solana.rpc import BlockPosition
from activities.solana.statuses import Statuses
from activities.solana.verdict import Word

# A blockhash is accepted in the block after it and 149 more (MAX_PROCESSING_AGE).
_BLOCKS_TO_LAND = 150

# A node that failed again and again may be the only honest one that knows of a swap, so that a proof waits for it. Not
# for ever, or one that is dead for good would leave orders open for ever: as long again as a transaction lives, in
# which a node that is there at all is asked dozens of times. One that only asked to be left alone is there: it is heard
# first, however long that takes.
BLOCKS_TO_COME_BACK = 150

# A node that is further behind is not waited for: three lifetimes of a transaction. One that only lags has seen the end
# of a swap's time by then; one that stands still is soon this far behind.
_SLOTS_TO_CATCH_UP = 450

# Such a node cannot speak for the past, now or later: that it stays silent holds up no proof.
_CANNOT_TELL = frozenset({Outcome.NO_HISTORY, Outcome.UNSUPPORTED, Outcome.REFUSED})


class ChainNode(Protocol):
    """One node, as far as the fate of signatures is concerned. Methods raise ChainUnavailable."""

    host: str

    @property
    def is_of_our_cluster(self) -> bool:
        """Whether it is known to be; no other can prove anything."""

    def statuses(self, signatures: Iterable[Signature], search_history: bool = False) -> Coroutine[Any, Any, Statuses]:
        """What it knows of at most 256 signatures."""

    async def finalized(self) -> BlockPosition:
        """Its last final block, slot and height of one answer."""

    async def first_available_block(self) -> int:
        """The slot of the oldest block that it holds."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a signature must have landed. Rows of old do not tell the slot at which it was signed."""

    last_valid_block_height: int
    signing_slot: int | None

    @property
    def ledger_from(self) -> int:
        """The slot from which on a node must hold every block to know that it did not land."""
        if self.signing_slot is not None:
            return self.signing_slot
        # No block is higher than its slot's number, so that the slot it was signed at is no earlier than this.
        return max(0, self.last_valid_block_height - _BLOCKS_TO_LAND)

    def is_long_past(self, finalized: BlockPosition) -> bool:
        """Whether nodes that are not there have had their time to come back."""
        return finalized.height > self.last_valid_block_height + BLOCKS_TO_COME_BACK


@dataclass(frozen=True, slots=True)
class Absence:
    """The nodes that cannot be asked now: whether some `rest` as they asked to, and some seem `dead`."""

    rest: bool = False
    dead: bool = False


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What asking came to.

    `expired` holds the finalized height that proves it for each signature of which nobody knows, `words` what each
    node said of those that are past their deadline, `silent` by host why a node proves nothing, and `all_heard`
    whether nobody is left who may know more of any of them.
    """

    finalized: BlockPosition | None
    expired: Mapping[Signature, int]
    words: Mapping[Signature, Sequence[Word]]
    silent: Mapping[str, str]
    all_heard: bool


@dataclass(slots=True)
class _Witness:
    """What one node contributes. While it is `pending` it may still know something that nobody else does."""

    node: ChainNode
    finalized: BlockPosition | None = None
    answer: Statuses | None = None
    oldest: int | None = None
    silence: str | None = None
    pending: bool = False

    def blame(self, error: ChainUnavailable) -> None:
        self.silence = str(error)
        self.pending = error.outcome not in _CANNOT_TELL

    def may_learn(self, deadline: Deadline, furthest: BlockPosition) -> bool:
        """Whether it answered for a time before the deadline, and may soon know what it does not know yet."""
        if self.answer is None:
            return False
        behind = furthest.slot - self.answer.slot
        return 0 < behind < _SLOTS_TO_CATCH_UP and not self._has_seen_the_end(deadline)

    def _has_seen_the_end(self, deadline: Deadline) -> bool:
        return (
            self.finalized is not None
            and self.finalized.height > deadline.last_valid_block_height
            and self.answer is not None
            and self.answer.slot >= self.finalized.slot
        )

    def proves(self, signature: Signature, deadline: Deadline) -> bool:
        """Whether its ignorance of the signature is a proof."""
        return (
            self._has_seen_the_end(deadline)
            and self.oldest is not None
            and self.oldest <= deadline.ledger_from
            and self.node.is_of_our_cluster
        )


async def inquire(
    nodes: Sequence[ChainNode], deadlines: Mapping[Signature, Deadline], absence: Absence = Absence()
) -> Inquiry:
    """Ask every node about at most 256 signatures whose fate no node has told.

    One is expired when a node, whose ledger reaches back to its signing, has finalized a block beyond its last, and
    then, searching its history up to that block at least, still knows nothing of it; and no other node that is there
    to be asked knows it, or may know it later: by answering at last, by catching up, or when its rest is over. Where
    nodes are dead, `BLOCKS_TO_COME_BACK` more blocks must have been finalized.
    """
    witnesses = [_Witness(node) for node in nodes]
    await asyncio.gather(*map(_ask_how_far, witnesses))
    positions = [each.finalized for each in witnesses if each.finalized and each.node.is_of_our_cluster]
    furthest = max(positions, key=lambda position: position.height, default=None)
    overdue = {
        signature: deadline
        for signature, deadline in deadlines.items()
        if furthest is not None and furthest.height > deadline.last_valid_block_height
    }
    if not overdue:
        return Inquiry(furthest, {}, {}, _silent(witnesses), all_heard=False)
    # After their finalized blocks, in this order: whatever landed up to those is found.
    await asyncio.gather(*(_ask_what_is_known(each, list(overdue)) for each in witnesses))
    words: dict[Signature, list[Word]] = {signature: [] for signature in overdue}
    needed = min(deadline.ledger_from for deadline in overdue.values())
    for each in witnesses:
        if each.silence is None and each.oldest is not None and each.oldest > needed:
            each.silence = f"does not hold all blocks since slot {needed}"
        if each.answer is not None:
            for signature, status in zip(overdue, each.answer.values, strict=True):
                words[signature].append(Word(each.node.host, each.answer.slot, status))
    assert furthest is not None
    expired: dict[Signature, int] = {}
    unheard = absence.rest or any(each.pending for each in witnesses)
    waited_for = [
        deadline
        for deadline in overdue.values()
        if (absence.dead and not deadline.is_long_past(furthest))
        or any(each.may_learn(deadline, furthest) for each in witnesses)
    ]
    if not unheard:
        for signature, deadline in overdue.items():
            proof = next((each.finalized for each in witnesses if each.proves(signature, deadline)), None)
            known = any(word.status is not None for word in words[signature])
            if proof is not None and not known and deadline not in waited_for:
                expired[signature] = proof.height
    return Inquiry(furthest, expired, words, _silent(witnesses), all_heard=not unheard and not waited_for)


async def _ask_how_far(witness: _Witness) -> None:
    try:
        witness.finalized = await witness.node.finalized()
    except ChainUnavailable as error:
        witness.blame(error)


async def _ask_what_is_known(witness: _Witness, signatures: Sequence[Signature]) -> None:
    node, finalized = witness.node, witness.finalized
    try:
        witness.answer = await node.statuses(signatures, search_history=True)
        witness.oldest = await node.first_available_block()
        witness.pending = False
    except ChainUnavailable as error:
        # Whoever has told what it knows has nothing to add.
        answered = witness.answer is not None
        witness.blame(error)
        witness.pending = witness.pending and not answered
        return
    if finalized is None:
        return
    if witness.answer.slot < finalized.slot:
        witness.silence = "answers as of a slot before its own finalized block"
    elif not node.is_of_our_cluster:
        witness.silence = "not known to belong to the cluster"


def _silent(witnesses: Iterable[_Witness]) -> Mapping[str, str]:
    return {each.node.host: each.silence for each in witnesses if each.silence is not None}
