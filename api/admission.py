"""How many orders of one account may be on their way at a time, so that none can bury the engine in work.

What counts is what PostgreSQL knows, asked at most once a moment for each account, and what this process has placed
that PostgreSQL does not know yet: an accepted order is stored a moment later. Orders that rest cost nothing and do not
count. What another API process has accepted counts once it is stored.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from db.views import OrderReader
from workflows.domain.errors import EngineError, ErrorCode

# How long a count is good for; what is placed meanwhile is added.
_COUNT_SECONDS = 1.0

# A database that answers nothing must not hold up whoever wants to trade.
_PATIENCE_SECONDS = 1.0

# An order of which nobody knows whether it was accepted counts for so long, unless it is stored.
_DOUBT_SECONDS = 10.0

_MOST_ACCOUNTS = 10_000


@dataclass(slots=True)
class _Placed:
    """An order that is not known to be stored: how many requests placed it, and when to forget it."""

    requests: int = 0
    forget_at: float = float("inf")


@dataclass(slots=True)
class _Count:
    """`stored` is what PostgreSQL said last, 0 while it is away; `placed` holds what it did not know then, by id."""

    stored: int = 0
    placed: dict[str, _Placed] = field(default_factory=dict)
    counted_at: float = float("-inf")
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)


class Admission:
    """Counts orders; `most` of them may be in progress for one account, 0 for any number."""

    def __init__(self, reader: OrderReader, most: int, seconds: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._most = most
        self._seconds = seconds
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    @asynccontextmanager
    async def admitted(self, account: str, order_id: str) -> AsyncIterator[None]:
        """Count one more order of the account while and after it is placed inside; not when that fails.

        Raises EngineError `too_many_orders` when it is one too many. While PostgreSQL is away only orders of which it
        has not been heard count.
        """
        if not self._most:
            yield
            return
        count = await self._current(account)
        if order_id not in count.placed and (orders := count.stored + len(count.placed)) >= self._most:
            detail = f"{orders} orders of the account are in progress, of at most {self._most}"
            raise EngineError(ErrorCode.TOO_MANY_ORDERS, detail)
        placed = count.placed.setdefault(order_id, _Placed())
        placed.requests += 1
        try:
            yield
        except EngineError as error:
            if error.code is ErrorCode.ACCEPTANCE_UNKNOWN:
                self._doubt(placed)
                raise
            placed.requests -= 1
            if not placed.requests and count.placed.get(order_id) is placed:
                del count.placed[order_id]
            raise
        except BaseException:
            # Whoever asked has gone, and what became of the order is not known.
            self._doubt(placed)
            raise
        placed.forget_at = float("inf")

    def _doubt(self, placed: _Placed) -> None:
        placed.forget_at = self._seconds() + _DOUBT_SECONDS

    async def _current(self, account: str) -> _Count:
        count = self._counts.setdefault(account, _Count())
        self._counts.move_to_end(account)
        if len(self._counts) > _MOST_ACCOUNTS:
            self._counts.popitem(last=False)
        # One question at a time: whoever comes meanwhile waits for its answer and adds to it.
        async with count.counting:
            if self._seconds() - count.counted_at > _COUNT_SECONDS:
                await self._renew(account, count)
        return count

    async def _renew(self, account: str, count: _Count) -> None:
        now = self._seconds()
        for order_id in [each for each, placed in count.placed.items() if placed.forget_at <= now]:
            del count.placed[order_id]
        try:
            # One look: an order that is stored meanwhile is either in the count, or still among the placed.
            asked = self._reader.in_progress(account, list(count.placed))
            count.stored, known = await asyncio.wait_for(asked, _PATIENCE_SECONDS)
        except (ConnectionError, TimeoutError):
            # What was counted before says nothing of now.
            count.stored, known = 0, frozenset()
        for order_id in known:
            count.placed.pop(order_id, None)
        # As of the answer, however late it came: those who waited for it must not ask one after the other.
        count.counted_at = self._seconds()
