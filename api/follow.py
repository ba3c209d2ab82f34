"""How a client follows its account: what it missed from PostgreSQL, then what happens, each event once and in order."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from api.feeds import AccountFeeds, Published

# PostgreSQL being away delays a client; how long between two tries to read what it missed.
_RETRY_SECONDS = 0.5


class AccountFollower:
    """One client's place in the log of its account: `position` is the number of the last event it was given."""

    def __init__(self, feeds: AccountFeeds, account: str, position: int) -> None:
        self._feeds = feeds
        self._account = account
        self.position = position

    async def events(self) -> AsyncGenerator[Published, None]:
        """The events beyond the position, for ever. Raises FollowerTooSlow; close it when it is left early."""
        with self._feeds.follow(self._account) as following:
            async for event in self._missed():
                yield event
            self._feeds.begin(self._account, self.position)
            while True:
                batch = await following.next()
                if batch[0].account_seq > self.position + 1:
                    async for event in self._missed():
                        yield event
                for event in batch:
                    if event.account_seq > self.position:
                        self.position = event.account_seq
                        yield event

    async def _missed(self) -> AsyncGenerator[Published, None]:
        while events := await self._read():
            for event in events:
                self.position = event.account_seq
                yield event

    async def _read(self) -> Sequence[Published]:
        while True:
            try:
                return await self._feeds.read(self._account, self.position)
            except ConnectionError:
                await asyncio.sleep(_RETRY_SECONDS)
