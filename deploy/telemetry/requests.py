"""Ties each request to its trace and, once it is known, to its order."""

import re
from collections.abc import Iterable

from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import route_of
from deploy.telemetry.context import Followed, follow, unfollow
from deploy.telemetry.traces import ORDER_ID
from workflows.domain.ids import is_order_id

_ORDER_PATH = re.compile(r"/orders/([0-9a-f-]{36})(?:/|$)")

_SERVER_ERROR = 500


class RequestContext:
    """ASGI middleware: whose order a request is about, for log lines and, with a tracer, for its span."""

    def __init__(self, app: ASGIApp, tracer: Tracer | None = None) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        found = _ORDER_PATH.search(scope["path"])
        order = Followed(found[1] if found and is_order_id(found[1]) else None)
        token = follow(order)
        try:
            # A stream lives as long as its client: it is no piece of work that a span could tell of.
            if self._tracer is None or scope["type"] == "websocket":
                await self._app(scope, receive, send)
            else:
                await self._traced(self._tracer, order, scope, receive, send)
        finally:
            unfollow(token)

    async def _traced(self, tracer: Tracer, order: Followed, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        with tracer.start_as_current_span(
            method,
            context=propagate.extract(dict(_text(scope["headers"]))),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method},
        ) as span:

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _tell(span, scope, order, message["status"])
                await send(message)

            try:
                await self._app(scope, receive, told)
            finally:
                for tell in order.early:
                    tell()


def _tell(span: trace.Span, scope: Scope, order: Followed, status: int) -> None:
    route = route_of(scope)
    span.update_name(f"{scope['method']} {route}")
    span.set_attributes({"http.route": route, "http.response.status_code": status})
    if order.order_id is not None:
        span.set_attribute(ORDER_ID, order.order_id)
    if status >= _SERVER_ERROR:
        span.set_status(StatusCode.ERROR)


def _text(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[str, str]]:
    return ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers)
