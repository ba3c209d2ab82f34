"""What every answer carries, and which browsers may call at all: the part of security that no route knows about."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from api import problems
from workflows.domain.errors import EngineError, ErrorCode

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

_HEADERS = "order_engine.headers"

_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

# Data is not to be kept by anyone on the way; pages and their files say otherwise themselves.
_API = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}

# Pages run what this server serves and nothing else. The documentation's own page starts from a script inside of it.
_PAGE = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
_DOCS = f"{_PAGE}; script-src 'self' 'unsafe-inline'"


def tell(connection: HTTPConnection, headers: Mapping[str, str]) -> None:
    """Let the answer to this call carry the headers, whatever answer it will be."""
    connection.scope.setdefault(_HEADERS, {}).update(headers)


class Guard:
    """ASGI middleware. `hosts` are the names the API may be called by, None for any.

    Where no key is asked for, a page of another site that a browser of this machine shows must not be able to trade:
    neither from its own origin, nor under a name of its own that it lets point here.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None, allowed_origins: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts
        self._allowed_origins = frozenset(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call, or hand it on and complete the headers of its answer."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers, sending = Headers(scope=scope), _completing(scope, send)
        refusal = self._refusal(headers)
        if refusal is None:
            return await self._app(scope, receive, sending)
        answer = problems.response(refusal)
        if scope["type"] == "websocket":
            return await WebSocket(scope, receive, sending).send_denial_response(answer)
        return await answer(scope, receive, sending)

    def _refusal(self, headers: Headers) -> EngineError | None:
        host = headers.get("host", "")
        if self._hosts is not None and _name(host) not in self._hosts:
            return EngineError(ErrorCode.HOST_REFUSED, "the API without keys is called by a loopback address only")
        origin = headers.get("origin")
        if origin is None or urlsplit(origin).netloc == host or origin in self._allowed_origins:
            return None
        return EngineError(ErrorCode.ORIGIN_REFUSED, "pages of this origin may not call the API")


def _completing(scope: Scope, send: Send) -> Callable[[Message], Awaitable[None]]:
    async def complete(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            is_page = headers.get("content-type", "").startswith("text/html")
            for name, value in {**_SECURITY, **({} if is_page else _API)}.items():
                headers.setdefault(name, value)
            if is_page:
                headers.setdefault("Content-Security-Policy", _DOCS if scope["path"] == "/docs" else _PAGE)
            for name, value in scope.get(_HEADERS, {}).items():
                headers[name] = value
        await send(message)

    return complete


def _name(host: str) -> str | None:
    """The name in a Host header, without its port; None for nonsense."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
