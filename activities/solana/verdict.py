"""What several nodes' words on one signature come to. Pure.

A swap that succeeded counts as landed once a supermajority has voted for its block: nothing is signed after it, so
that a fork which takes it away makes it missing and never doubled, and the same bytes are sent again meanwhile. A swap
that failed counts only when it is final: another may be signed after it, and until then a fork could take the failure
away and let the same bytes succeed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from activities.solana.statuses import Level, SignatureStatus


@dataclass(frozen=True, slots=True)
class Word:
    """What one node says of a signature, None for "unknown", as of its newest slot."""

    host: str
    as_of: int
    status: SignatureStatus | None


def is_claim(status: SignatureStatus | None, landed_at: Level) -> bool:
    """Whether the status alone would settle the signature, if no other node says otherwise."""
    if status is None:
        return False
    return status.level >= (landed_at if status.error is None else Level.FINALIZED)


def verdict(
    words: Sequence[Word], landed_at: Level, *, past_deadline: bool = False, all_heard: bool = True
) -> SignatureStatus | None:
    """The status that settles the signature, None while nothing does.

    `past_deadline` says that a block beyond the signature's last was final before the nodes searched their histories:
    nothing new can land. `all_heard` says that every node that was asked has answered.
    """
    claims = [word for word in words if is_claim(word.status, landed_at)]
    success = _furthest([word for word in claims if word.status and word.status.error is None])
    failure = _furthest([word for word in claims if word.status and word.status.error is not None])
    if success is not None and not _fails_as_finally(words, success):
        # Who knows the swap outweighs who does not once it is final; before, the ignorant may be on the better fork.
        if success.level is Level.FINALIZED or _stands(words, success):
            return success
        return None
    if failure is not None and success is None and not any(_succeeded(word) for word in words):
        # Denied or not: past the deadline either way nothing traded, and nothing can.
        return failure if all_heard and (past_deadline or _stands(words, failure)) else None
    return None


def _furthest(claims: Sequence[Word]) -> SignatureStatus | None:
    statuses = [word.status for word in claims if word.status is not None]
    return max(statuses, key=lambda status: status.level, default=None)


def _fails_as_finally(words: Sequence[Word], success: SignatureStatus) -> bool:
    """Whether somebody says, of a block at least as final, that it failed."""
    return any(
        word.status is not None and word.status.error is not None and word.status.level >= success.level
        for word in words
    )


def _succeeded(word: Word) -> bool:
    return word.status is not None and word.status.error is None


def _stands(words: Sequence[Word], claim: SignatureStatus) -> bool:
    """Whether a second node agrees, or none that has come as far as the claimed slot knows nothing of it."""
    agreeing = [word for word in words if word.status is not None and word.status.slot == claim.slot]
    denying = [word for word in words if word.status is None and word.as_of >= claim.slot]
    return len(agreeing) > 1 or not denying
