"""Quotes as they change, asked once a second for all who follow the same swap."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from api.engine import Engine
from api.present_quotes import quote_out
from workflows.domain.errors import EngineError
from workflows.domain.money import TokenAmount
from workflows.messages import QuoteRequest

# A slot takes 200 to 400 ms; people and most bots look less often.
_PAUSE_SECONDS = 1.0


@dataclass(eq=False)
class _Feed:
    followers: set["asyncio.Queue[str | EngineError]"] = field(default_factory=set)
    task: "asyncio.Task[None] | None" = None
    latest: str | EngineError | None = None


class QuoteFeeds:
    """Feeds by swap and slippage."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._feeds: dict[tuple[QuoteRequest, int], _Feed] = {}

    async def quotes(self, swap: QuoteRequest, slippage_bps: int) -> AsyncGenerator[str | EngineError, None]:
        """Each new comparison as JSON, the newest one when several were missed; an error when there is none."""
        key = swap, slippage_bps
        feed = self._feeds.setdefault(key, _Feed())
        news: asyncio.Queue[str | EngineError] = asyncio.Queue(1)
        if feed.latest is not None:
            news.put_nowait(feed.latest)
        feed.followers.add(news)
        if feed.task is None:
            feed.task = asyncio.create_task(self._run(feed, swap, slippage_bps))
        try:
            while True:
                yield await news.get()
        finally:
            feed.followers.discard(news)
            if not feed.followers:
                feed.task.cancel()
                self._feeds.pop(key, None)

    async def _run(self, feed: _Feed, swap: QuoteRequest, slippage_bps: int) -> None:
        selling = TokenAmount(token=swap.token_in, base_units=swap.amount_in)
        summary = f"quote {selling} in {swap.token_out.symbol}, followed"
        while True:
            latest: str | EngineError
            try:
                comparison = await self._engine.compare(swap, summary)
                latest = quote_out(swap, slippage_bps, comparison).model_dump_json(by_alias=True)
            except EngineError as error:
                latest = error
            if not _same(latest, feed.latest):
                feed.latest = latest
                for follower in feed.followers:
                    with contextlib.suppress(asyncio.QueueEmpty):
                        follower.get_nowait()
                    follower.put_nowait(latest)
            await asyncio.sleep(_PAUSE_SECONDS)


def _same(quotes: str | EngineError, others: str | EngineError | None) -> bool:
    if isinstance(quotes, EngineError):
        return isinstance(others, EngineError) and (quotes.code, quotes.detail) == (others.code, others.detail)
    return quotes == others
