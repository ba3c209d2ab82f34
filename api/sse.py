"""Server-Sent Events (WHATWG HTML, section 9.2): an account's log for clients without WebSocket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

from api.feeds import FeedEnded, FollowerTooSlow, Published
from api.follow import AccountFollower

# Proxies cut connections that are silent for long, commonly after 30 or 60 seconds.
_HEARTBEAT_SECONDS = 10.0

# How long a client waits before it reconnects.
_RETRY_MILLISECONDS = 1_000


class EventStreamResponse(StreamingResponse):
    """A stream that is neither cached nor buffered on its way."""

    media_type = "text/event-stream"

    def init_headers(self, headers: object = None) -> None:
        """Ask proxies to hand on each event at once."""
        super().init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


async def server_sent_events(follower: AccountFollower) -> AsyncIterator[str]:
    """The account's events, and comments while there are none. Ends for a client that falls behind: it resumes."""
    yield f"retry: {_RETRY_MILLISECONDS}\n\n"
    async with contextlib.aclosing(follower.events()) as events:
        following = aiter(events)
        upcoming: asyncio.Task[Published] | None = None
        try:
            while True:
                upcoming = upcoming or asyncio.ensure_future(anext(following))
                done, _ = await asyncio.wait({upcoming}, timeout=_HEARTBEAT_SECONDS)
                if not done:
                    yield ": still here\n\n"
                    continue
                try:
                    event = upcoming.result()
                except (FollowerTooSlow, FeedEnded):
                    return
                upcoming = None
                yield f"id: {event.account_seq}\nevent: order\ndata: {event.text}\n\n"
        finally:
            if upcoming is not None:
                upcoming.cancel()
                await asyncio.gather(upcoming, return_exceptions=True)
