"""When an order is tried again, and how long it waits before. Pure."""

from datetime import timedelta
from typing import NamedTuple

from workflows.domain.errors import ErrorCode, may_retry

# A failed read may succeed a moment later; a trader waits for the answer, so the pauses stay short.
_FIRST_PAUSE = timedelta(milliseconds=250)
_LONGEST_PAUSE = timedelta(seconds=5)

# What these say about the market is already answered by quoting anew: waiting would only let the price move.
_AT_ONCE = frozenset(
    {
        ErrorCode.SLIPPAGE_EXCEEDED,
        ErrorCode.BLOCKHASH_EXPIRED,
        ErrorCode.SWAP_REVERTED,
        ErrorCode.COMPUTE_EXCEEDED,
    }
)


class Failure(NamedTuple):
    """Why an attempt ended without a trade; `refused` when a check stopped it before anything was tried."""

    reason: ErrorCode
    detail: str
    refused: bool = False


def next_attempt_after(attempt: int, max_attempts: int, reason: ErrorCode) -> timedelta | None:
    """How long to wait before attempt `attempt` + 1, or None when the order ends with `reason`."""
    if attempt >= max_attempts or not may_retry(reason):
        return None
    if reason in _AT_ONCE:
        return timedelta(0)
    return min(_FIRST_PAUSE * (1 << min(attempt - 1, 16)), _LONGEST_PAUSE)
