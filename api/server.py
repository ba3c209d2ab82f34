"""The API process."""

import contextlib
import gc
import logging
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp
from temporalio.client import Interceptor

from api.app import create_app
from api.engine import connect
from api.services import Services, running_services
from api.settings import ApiSettings

log = logging.getLogger(__name__)

# Streams are closed at once; this is for requests under way, the longest of which wait for Temporal.
_GRACEFUL_SHUTDOWN_SECONDS = 6

# What a client may say at once on a stream: as much as in a request.
_LARGEST_CLIENT_MESSAGE = 64 * 1024


class _Server(uvicorn.Server):
    """Ends the event streams and long polls of HTTP before it waits for requests; WebSockets it closes itself."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving."""
        app = self.config.app
        assert isinstance(app, FastAPI)
        app.state.services.channels.feeds.end()
        app.state.services.waits.end()
        await super().shutdown(sockets)


def make_server(
    settings: ApiSettings,
    middleware: Sequence[Callable[[ASGIApp], ASGIApp]] = (),
    interceptors: Sequence[Interceptor] = (),
) -> uvicorn.Server:
    """The server, ready to run, on the Temporal that TEMPORAL_* variables name.

    `middleware` is put around everything else, the first outermost.
    """

    @contextlib.asynccontextmanager
    async def open_services() -> AsyncIterator[Services]:
        async with running_services(settings, await connect(interceptors)) as services:
            yield services

    app = create_app(settings, open_services)
    for each in reversed(middleware):
        app.add_middleware(each)
    return _Server(
        uvicorn.Config(
            app,
            host=settings.api_host,
            port=settings.api_port,
            ws="websockets-sansio",
            ws_max_size=_LARGEST_CLIENT_MESSAGE,
            # Events are small: compressing them costs more than sending them.
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_SECONDS,
            access_log=False,
            server_header=False,
            log_config=None,
            # One line per stream that opens or closes would drown everything else.
            log_level=logging.WARNING,
        )
    )


def _allow_many_connections() -> None:
    """Each stream is an open file; the usual limit of 1,024 is one that a process may raise by itself."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(middleware: Sequence[Callable[[ASGIApp], ASGIApp]] = (), interceptors: Sequence[Interceptor] = ()) -> None:
    """Serve with the settings of the environment until SIGTERM or SIGINT; exits with 0 then."""
    # The server shuts down on a signal and then raises it once more, to end what would be left of the process.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    settings = ApiSettings()
    _allow_many_connections()
    # Thousands of streams are millions of objects that live long; with the usual thresholds a third of the time of a
    # busy process went into looking through them again and again.
    gc.set_threshold(100_000, 50, 100)
    server = make_server(settings, middleware, interceptors)
    log.info("serving on %s, port %d", settings.api_host, settings.api_port)
    server.run()
    if not server.started:
        sys.exit(1)
