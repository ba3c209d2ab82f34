"""What the API measures: requests by route, open streams, and how late events are.

A route is a template of ours (`/api/orders/{order_id}`), never the path that was asked for.
"""

import time
from datetime import UTC, datetime, timedelta

from prometheus_client import Counter, Gauge, Histogram
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = ("0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10")

# Whatever has no route: a scanner must not be able to make series.
_NO_ROUTE = "none"
_METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"})

REQUESTS = Counter("order_engine_http_requests_total", "HTTP requests answered.", ("method", "route", "status"))
REQUEST_TIME = Histogram(
    "order_engine_http_request_duration_seconds",
    "Time until a request was answered; event streams and long polls are not among them.",
    ("method", "route"),
    buckets=_SECONDS,
)
STREAMS = Gauge("order_engine_stream_clients", "Open streams: websocket or sse (Server-Sent Events).", ("kind",))
STREAM_LAG = Histogram(
    "order_engine_stream_lag_seconds",
    "Time from an event to its way to a client that follows live.",
    buckets=_SECONDS,
)
RELAY_LAG = Histogram(
    "order_engine_relay_lag_seconds",
    "Time from an event to its arrival over Redis, where a stream of this process waits for it.",
    buckets=_SECONDS,
)
RELAY_CONNECTED = Gauge("order_engine_relay_connected", "1 while this process hears of events over Redis.")


_HELD_BACK = "order_engine.held_back"


def hold_back(request: HTTPConnection) -> None:
    """The answer to this request is held back by its client's wish: its time is not that of the API."""
    request.scope[_HELD_BACK] = True


def relayed(at: datetime) -> None:
    """An event of that time has arrived over Redis."""
    RELAY_LAG.observe(_seconds_since(at))


def streamed(at: datetime) -> None:
    """An event of that time has been handed to whoever follows live."""
    STREAM_LAG.observe(_seconds_since(at))


def _seconds_since(at: datetime) -> float:
    # The clock of the worker that made it may be a little ahead of ours.
    return max(timedelta(), datetime.now(UTC) - at).total_seconds()


class HttpMetrics:
    """ASGI middleware that measures requests and streams."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request and measure it."""
        if scope["type"] == "websocket":
            with STREAMS.labels("websocket").track_inprogress():
                await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await _Request(scope, send).serve(self._app, receive)
        else:
            await self._app(scope, receive, send)


class _Request:
    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        # What a client hears when the application breaks, or hears nothing.
        self._status = 500
        self._streams = False

    async def serve(self, app: ASGIApp, receive: Receive) -> None:
        started = time.perf_counter()
        try:
            await app(self._scope, receive, self._watched)
        finally:
            method, route = self._scope["method"], route_of(self._scope)
            method = method if method in _METHODS else "other"
            REQUESTS.labels(method, route, self._status).inc()
            if self._streams:
                STREAMS.labels("sse").dec()
            elif not self._scope.get(_HELD_BACK):
                REQUEST_TIME.labels(method, route).observe(time.perf_counter() - started)

    async def _watched(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if _content_type(message).startswith(b"text/event-stream"):
                self._streams = True
                STREAMS.labels("sse").inc()
        await self._send(message)


def route_of(scope: Scope) -> str:
    """The template of the route that serves a request, once it is known."""
    route = scope.get("route")
    return str(getattr(route, "path", _NO_ROUTE))


def _content_type(message: Message) -> bytes:
    headers = message.get("headers", ())
    return next((bytes(value) for name, value in headers if name.lower() == b"content-type"), b"")
