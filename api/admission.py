"""How many orders of one account may be on their way at a time, so that none can bury the engine in work.

What counts is what PostgreSQL knows, asked at most once a moment for each account, and what this process has accepted
since. Orders that rest cost nothing and do not count.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from db.views import OrderReader
from workflows.domain.errors import EngineError, ErrorCode

# How long a count is good for; what is accepted meanwhile is added.
_COUNT_SECONDS = 1.0

# A database that answers nothing must not hold up whoever wants to trade.
_PATIENCE_SECONDS = 1.0

_MOST_ACCOUNTS = 10_000


@dataclass(slots=True)
class _Count:
    """`orders` is None while nobody knows how many there are."""

    orders: int | None = None
    counted_at: float = float("-inf")
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)


class Admission:
    """Counts orders; `most` of them may be in progress for one account, 0 for any number."""

    def __init__(self, reader: OrderReader, most: int, seconds: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._most = most
        self._seconds = seconds
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    async def admit(self, account: str) -> None:
        """Count one more order of the account; raises EngineError `too_many_orders` when that is one too many.

        PostgreSQL being away refuses nobody.
        """
        if not self._most:
            return
        count = self._counts.setdefault(account, _Count())
        self._counts.move_to_end(account)
        if len(self._counts) > _MOST_ACCOUNTS:
            self._counts.popitem(last=False)
        # One question at a time: whoever comes meanwhile waits for its answer and adds to it.
        async with count.counting:
            if self._seconds() - count.counted_at > _COUNT_SECONDS:
                await self._renew(account, count)
        if count.orders is None:
            return
        if count.orders >= self._most:
            detail = f"{count.orders} orders of the account are in progress, of at most {self._most}"
            raise EngineError(ErrorCode.TOO_MANY_ORDERS, detail)
        count.orders += 1

    async def _renew(self, account: str, count: _Count) -> None:
        try:
            count.orders = await asyncio.wait_for(self._reader.in_progress(account), _PATIENCE_SECONDS)
        except (ConnectionError, TimeoutError):
            # What was counted before says nothing of now.
            count.orders = None
        # As of the answer, however late it came: those who waited for it must not ask one after the other.
        count.counted_at = self._seconds()
