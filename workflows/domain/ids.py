"""Names of things: order ids, workflow ids, and the memo that ties a transaction to its order."""

import re
from uuid import UUID, uuid5

# Fixed for ever: an idempotency key must lead to the same order id in every version of the engine.
_ORDER_NAMESPACE = UUID("6f1c3f0e-7b5e-4c6b-9a55-0d4f0b1c2a77")

_MEMO = re.compile(r"order:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(\d{1,4})")


def new_order_id(unix_ms: int, randomness: bytes) -> str:
    """A time-ordered UUID (version 7, RFC 9562) from a Unix time in milliseconds and 10 random bytes."""
    tail = int.from_bytes(randomness[:10], "big")
    value = (unix_ms & (2**48 - 1)) << 80 | tail
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(UUID(int=value))


def derived_order_id(account: str, idempotency_key: str) -> str:
    """The one order id of an account's idempotency key."""
    return str(uuid5(_ORDER_NAMESPACE, f"{account}\0{idempotency_key}"))


def is_order_id(text: str) -> bool:
    """Whether the text has the canonical form of an order id."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def workflow_id(order_id: str) -> str:
    """The Temporal workflow id of an order."""
    return f"order-{order_id}"


def order_id_of(workflow: str) -> str | None:
    """The order of a Temporal workflow id, or None when it is not that of an order."""
    order_id = workflow.removeprefix("order-")
    return order_id if order_id != workflow and is_order_id(order_id) else None


def memo(order_id: str, attempt: int) -> str:
    """The text of the memo instruction in each swap transaction of the order."""
    return f"order:{order_id}:{attempt}"


def parse_memo(text: str) -> tuple[str, int] | None:
    """Order id and attempt of a memo text, or None when it is not one of ours.

    Accepts the form in which RPC nodes report memos: "[length] text".
    """
    found = _MEMO.search(text)
    return (found[1], int(found[2])) if found else None


def switch_id(account: str) -> str:
    """The Temporal workflow id of an account's dead man's switch."""
    return f"dead-mans-switch-{account}"


def watch_id(first: str, second: str) -> str:
    """The Temporal workflow id of the watcher of two mints, which are given in byte order of their text."""
    return f"watch-{first}-{second}"
