"""The events of an account as they happen, read once per process and handed on to however many follow them.

The relay only says early that there is something: what is sent comes from PostgreSQL, in the order of the account's
log. While anyone follows, PostgreSQL is asked once a moment, for all accounts in one query, how far they are, so that a
lost message delays an event and loses none.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence

from api.metrics import streamed
from api.present import logged_event_out
from db.account_log import AccountLog, LoggedEvent
from workflows.domain.lifecycle import is_terminal

log = logging.getLogger(__name__)

_CATCH_UP_SECONDS = 1.0

# Batches that a follower has not taken yet; one with more has stopped reading.
_BACKLOG = 256


class Published:
    """An event of an account, written out once for all who follow it."""

    __slots__ = ("account_seq", "at", "is_last", "order_id", "seq", "text")

    def __init__(self, logged: LoggedEvent) -> None:
        self.account_seq = logged.account_seq
        self.at = logged.event.at
        self.order_id = logged.terms.order_id
        self.seq = logged.event.seq
        self.is_last = is_terminal(logged.event.status)
        self.text = logged_event_out(logged).model_dump_json(by_alias=True)


class FollowerTooSlow(Exception):
    """The follower does not take what happens."""


class FeedEnded(Exception):
    """The server stops: whoever follows goes on elsewhere, or here later."""


class Following:
    """What one follower of an account is told: batches of events, each in order."""

    def __init__(self) -> None:
        self._batches: deque[Sequence[Published]] = deque()
        self._news = asyncio.Event()
        self._ended = False

    async def next(self) -> Sequence[Published]:
        """The next batch. Raises FollowerTooSlow when too many were not taken in time, and FeedEnded."""
        await self._news.wait()
        if self._ended:
            raise FeedEnded
        if len(self._batches) > _BACKLOG:
            raise FollowerTooSlow
        batch = self._batches.popleft()
        if not self._batches:
            self._news.clear()
        return batch

    def offer(self, batch: Sequence[Published]) -> None:
        """Hand on a batch; what goes beyond the backlog is not kept."""
        if len(self._batches) <= _BACKLOG:
            self._batches.append(batch)
            self._news.set()

    def end(self) -> None:
        """There will be nothing more."""
        self._ended = True
        self._news.set()


class _Feed:
    """One account with its followers; `position` is the last number that was handed on.

    It is None until a follower that has read up to now says where that is.
    """

    def __init__(self) -> None:
        self.followers: set[Following] = set()
        self.news = asyncio.Event()
        self.position: int | None = None
        self.task: asyncio.Task[None] | None = None


class AccountFeeds:
    """Run it with `running`; then `follow`."""

    def __init__(self, account_log: AccountLog) -> None:
        self._log = account_log
        self._feeds: dict[str, _Feed] = {}

    @property
    def followers(self) -> int:
        """How many follow an account at the moment."""
        return sum(len(feed.followers) for feed in self._feeds.values())

    @contextlib.contextmanager
    def follow(self, account: str) -> Iterator[Following]:
        """Be told of the account's events from about now on. What was before is read with `read`."""
        feed = self._feeds.setdefault(account, _Feed())
        following = Following()
        feed.followers.add(following)
        if feed.task is None:
            feed.task = asyncio.create_task(self._run(account, feed))
        try:
            yield following
        finally:
            feed.followers.discard(following)
            if not feed.followers:
                feed.task.cancel()
                if self._feeds.get(account) is feed:
                    del self._feeds[account]

    @property
    def followed(self) -> bool:
        """Whether anyone follows any account."""
        return bool(self._feeds)

    async def read(self, account: str, after: int) -> Sequence[Published]:
        """The account's events beyond a number, as many as one read gives; raises ConnectionError."""
        return [Published(logged) for logged in await self._log.after(account, after)]

    async def position(self, account: str) -> int:
        """The number of the account's last event, 0 before the first; raises ConnectionError."""
        return (await self._log.positions([account])).get(account, 0)

    def begin(self, account: str, position: int) -> None:
        """A follower of the account has read up to this number: what comes after is handed on."""
        feed = self._feeds[account]
        if feed.position is None:
            feed.position = position
            feed.news.set()

    def announce(self, account: str) -> None:
        """There is something new in the account's log."""
        if feed := self._feeds.get(account):
            feed.news.set()

    def announce_all(self) -> None:
        """There may be something new in any log: announcements were lost."""
        for feed in self._feeds.values():
            feed.news.set()

    def end(self) -> None:
        """Tell all who follow that there will be nothing more: a server that stops waits for none of them."""
        for feed in self._feeds.values():
            for following in feed.followers:
                following.end()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look for what was never announced while inside."""
        task = asyncio.create_task(self._catch_up())
        try:
            yield
        finally:
            tasks = [task, *(feed.task for feed in self._feeds.values() if feed.task)]
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _catch_up(self) -> None:
        while True:
            await asyncio.sleep(_CATCH_UP_SECONDS)
            if not self._feeds:
                continue
            try:
                positions = await self._log.positions(list(self._feeds))
            except ConnectionError as error:
                log.warning("followed accounts cannot be checked against PostgreSQL: %s", error)
                continue
            except Exception:
                # This loop is what makes lost announcements harmless: nothing unforeseen may end it.
                log.exception("followed accounts cannot be checked against PostgreSQL")
                continue
            for account, position in positions.items():
                feed = self._feeds.get(account)
                if feed is not None and (feed.position is None or feed.position < position):
                    feed.news.set()

    async def _run(self, account: str, feed: _Feed) -> None:
        while True:
            await feed.news.wait()
            feed.news.clear()
            try:
                await self._hand_on(account, feed)
            except ConnectionError as error:
                log.warning("account %s: its followers wait for PostgreSQL: %s", account, error)
            except Exception:
                log.exception("account %s: its events cannot be read", account)

    async def _hand_on(self, account: str, feed: _Feed) -> None:
        while feed.position is not None and (batch := await self.read(account, feed.position)):
            feed.position = batch[-1].account_seq
            for following in feed.followers:
                following.offer(batch)
            for event in batch:
                streamed(event.at)
