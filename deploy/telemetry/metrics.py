"""The address that Prometheus scrapes: one per process, served by a thread so that no order waits for a scrape.

Beside the process's own metrics it serves those of Temporal's SDK and what a source samples at that moment.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Protocol, TypeVar

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, Metric, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import REGISTRY

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)

# Prometheus gives a scrape up after 10 s; whoever is asked on its behalf has less.
_SOURCE_SECONDS = 4.0
_START_SECONDS = 10.0


class Source(Protocol):
    """Something that is asked at each scrape. Made and closed in the thread that serves."""

    async def sample(self) -> Iterable[Metric]:
        """The metrics now."""

    async def close(self) -> None:
        """Let go of what it holds."""


@contextlib.contextmanager
def served_metrics(
    host: str, port: int, sdk_url: str | None = None, make_source: Callable[[], Source] | None = None
) -> Iterator[None]:
    """Serve `/metrics` while inside.

    A port that is taken is a warning: the process trades all the same, and its absence shows in Prometheus.
    """
    # When a series began is one series more for each; nobody asks for it.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    server = _Server(host, port, sdk_url, make_source)
    thread = threading.Thread(target=server.run, name="metrics", daemon=True)
    thread.start()
    server.started.wait(_START_SECONDS)
    try:
        yield
    finally:
        server.stop()
        thread.join(_START_SECONDS)


class _Server:
    def __init__(self, host: str, port: int, sdk_url: str | None, make_source: Callable[[], Source] | None) -> None:
        self._host = host
        self._port = port
        self._sdk_url = sdk_url
        self._make_source = make_source
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self.started = threading.Event()

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        finally:
            self.started.set()

    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)

    async def _serve(self) -> None:
        source = self._make_source() if self._make_source else None
        async with contextlib.AsyncExitStack() as closing:
            if source is not None:
                closing.push_async_callback(source.close)
            session = await closing.enter_async_context(
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SOURCE_SECONDS))
            )
            app = web.Application()
            app.router.add_get("/metrics", _Scrape(session, self._sdk_url, source).answer)
            runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0)
            await runner.setup()
            closing.push_async_callback(runner.cleanup)
            try:
                await web.TCPSite(runner, self._host, self._port).start()
            except OSError as error:
                log.warning("metrics are not served on %s, port %d: %s", self._host, self._port, error.strerror)
                return
            finally:
                self.started.set()
            await self._stop.wait()


class _Scrape:
    def __init__(self, session: aiohttp.ClientSession, sdk_url: str | None, source: Source | None) -> None:
        self._session = session
        self._sdk_url = sdk_url
        self._source = source

    async def answer(self, _: web.Request) -> web.Response:
        parts = [generate_latest(REGISTRY)]
        if self._source is not None and (sampled := await self._within(self._source.sample())) is not None:
            parts.append(_text_of(sampled))
        if self._sdk_url is not None and (sdk := await self._within(self._of_sdk(self._sdk_url))) is not None:
            parts.append(sdk)
        # The header is written as it stands: aiohttp takes type and character set only apart.
        return web.Response(body=b"".join(parts), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _of_sdk(self, url: str) -> bytes:
        async with self._session.get(url) as response:
            response.raise_for_status()
            return await response.read()

    async def _within(self, asked: Awaitable[Answer]) -> Answer | None:
        try:
            return await asyncio.wait_for(asked, _SOURCE_SECONDS)
        except Exception as error:
            log.warning("a part of the metrics is missing: %s: %s", type(error).__name__, error)
            return None


class _Once:
    """A collector of what was sampled already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _text_of(metrics: Iterable[Metric]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(list(metrics)))
    return generate_latest(registry)
