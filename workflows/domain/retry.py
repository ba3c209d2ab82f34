"""When an order is tried again, and how long it waits before. Pure."""

from datetime import timedelta
from typing import NamedTuple

from workflows.domain.error_table import may_retry
from workflows.domain.errors import ErrorCode

# A failed read may succeed a moment later; a trader waits for the answer, so the pauses stay short.
_FIRST_PAUSE = timedelta(milliseconds=250)
_LONGEST_PAUSE = timedelta(seconds=5)

# An order that rests again has failed all its attempts; it gives way, and looks again within a minute.
_FIRST_REST = timedelta(seconds=2)
_LONGEST_REST = timedelta(minutes=1)

# What these say about an order that may rest is: not now.
_NOT_NOW = frozenset({ErrorCode.LIMIT_NOT_REACHED, ErrorCode.LIQUIDITY_INSUFFICIENT})

# The memo of a transaction has four digits for it.
_MOST_ATTEMPTS = 9_999

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


def may_rest_after(attempt: int, reason: ErrorCode) -> bool:
    """Whether an order that may rest is opened again after its attempts failed, the last with `reason`."""
    return (may_retry(reason) or reason in _NOT_NOW) and attempt < _MOST_ATTEMPTS


def pause_between_rounds(rounds: int) -> timedelta:
    """How long an order that is open again waits, after `rounds` earlier rounds of attempts that failed in a row."""
    return min(_FIRST_REST * (1 << min(rounds, 16)), _LONGEST_REST)
