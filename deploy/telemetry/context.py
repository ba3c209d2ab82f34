"""Which order the code that runs now works for: what log lines and spans are tied to it by."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Followed:
    """An order, as far as it is known yet.

    `over` once the work on it has ended: background tasks that it began inherit its context and work for others.
    `early` holds what is to be told of calls that a request made before its order had an id.
    """

    order_id: str | None = None
    account: str | None = None
    attempt: int | None = None
    over: bool = False
    early: list[Callable[[], None]] = field(default_factory=list)


_current: ContextVar[Followed | None] = ContextVar("followed", default=None)


def follow(followed: Followed) -> Any:
    """Tie what the running task does from now on to an order; give the answer to `unfollow`."""
    return _current.set(followed)


def unfollow(token: Any) -> None:
    """The work on the order is over."""
    followed = _current.get()
    if followed is not None:
        followed.over = True
    _current.reset(token)


def followed() -> Followed | None:
    """The order of the running task, None outside of the work on one."""
    current = _current.get()
    return None if current is None or current.over else current
