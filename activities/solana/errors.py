"""What a call to a node can come to: one class for each thing to do about it, told apart by code, never by words."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a call ended."""

    ANSWERED = "answered"
    # The request itself is refused: every node would say the same.
    REFUSED = "refused"
    # The node does not serve the method.
    UNSUPPORTED = "unsupported"
    # The node does not hold the block or the transaction history that the answer needs.
    NO_HISTORY = "no_history"
    # The node is behind the cluster, or behind what was asked for.
    BEHIND = "behind"
    RATE_LIMITED = "rate_limited"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    # An HTTP status that is no answer.
    HTTP_ERROR = "http_error"
    # The node failed, with its own words or with a code that nobody knows.
    NODE_ERROR = "node_error"
    UNREADABLE = "unreadable"


# After these the node is as good as before; it is the question that it cannot answer.
HARMLESS = frozenset({Outcome.ANSWERED, Outcome.REFUSED, Outcome.UNSUPPORTED, Outcome.NO_HISTORY})

# JSON-RPC's own codes and those of agave (rpc-client-api, custom_error.rs); the last two are what providers answer
# with when they count requests.
RPC_CODES: Mapping[int, Outcome] = {
    -32700: Outcome.REFUSED,
    -32600: Outcome.REFUSED,
    -32601: Outcome.UNSUPPORTED,
    -32602: Outcome.REFUSED,
    -32603: Outcome.NODE_ERROR,
    # Block cleaned up
    -32001: Outcome.NO_HISTORY,
    # Preflight failure
    -32002: Outcome.REFUSED,
    # Signature verification failure
    -32003: Outcome.REFUSED,
    # Block not available
    -32004: Outcome.BEHIND,
    # Node unhealthy
    -32005: Outcome.BEHIND,
    # Precompile verification failure
    -32006: Outcome.REFUSED,
    # Slot skipped, or missing because of a jump to a snapshot
    -32007: Outcome.NO_HISTORY,
    # No snapshot
    -32008: Outcome.NO_HISTORY,
    # Slot skipped, or missing in long-term storage
    -32009: Outcome.NO_HISTORY,
    # Key excluded from the secondary index
    -32010: Outcome.UNSUPPORTED,
    # Transaction history not available
    -32011: Outcome.NO_HISTORY,
    # Scan error
    -32012: Outcome.NODE_ERROR,
    # Signature length mismatch
    -32013: Outcome.REFUSED,
    # Block status not available yet
    -32014: Outcome.BEHIND,
    # Unsupported transaction version
    -32015: Outcome.REFUSED,
    # Minimum context slot not reached
    -32016: Outcome.BEHIND,
    # Epoch rewards period active
    -32017: Outcome.NODE_ERROR,
    # Slot is not an epoch boundary
    -32018: Outcome.REFUSED,
    # Long-term storage unreachable
    -32019: Outcome.NODE_ERROR,
    -32429: Outcome.RATE_LIMITED,
    429: Outcome.RATE_LIMITED,
}


class ChainUnavailable(ConnectionError):
    """The node gave no usable answer: unreachable, overloaded, behind, or speaking nonsense.

    `code` is the JSON-RPC error's, `retry_after` the seconds after which the node wants to be asked again, and
    `slots_behind` how far behind it says it is. The message names no more of an address than its host.
    """

    def __init__(
        self,
        message: str,
        outcome: Outcome = Outcome.UNREACHABLE,
        *,
        code: int | None = None,
        retry_after: float | None = None,
        slots_behind: int | None = None,
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.code = code
        self.retry_after = retry_after
        self.slots_behind = slots_behind


def error_answer(error: Any) -> ChainUnavailable:
    """The exception for the `error` member of a JSON-RPC answer."""
    if not isinstance(error, dict) or not isinstance(error.get("code"), int):
        return ChainUnavailable("unreadable error answer", Outcome.UNREADABLE)
    code, data = error["code"], error.get("data")
    behind = data.get("numSlotsBehind") if isinstance(data, dict) else None
    words = str(error.get("message", "")).splitlines()
    return ChainUnavailable(
        f"RPC error {code}: {words[0][:300] if words else 'no message'}",
        RPC_CODES.get(code, Outcome.NODE_ERROR),
        code=code,
        slots_behind=behind if isinstance(behind, int) else None,
    )
