"""Every error answer: an RFC 9457 problem document with a stable code of the error table."""

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Match
from starlette.websockets import WebSocket

from api.schemas import FieldProblem, Problem
from workflows.domain.error_table import TABLE, may_repeat
from workflows.domain.errors import EngineError, ErrorCode

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

# What a client should wait before it repeats a request that an outage refused.
RETRY_AFTER_SECONDS = 2
_PASSING = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)

# A body full of mistakes is not worth an answer of its own size.
_MOST_FIELDS = 20
_MOST_CHARACTERS = 200

_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

_CODE_OF_STATUS = {
    HTTPStatus.NOT_FOUND: ErrorCode.RESOURCE_NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorCode.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.REQUEST_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ErrorCode.REQUEST_MEDIA_TYPE,
}


class RequestRefused(EngineError):
    """An error with the fields it is about, and members of the problem document beyond the standard ones."""

    def __init__(
        self, code: ErrorCode, detail: str, fields: Sequence[FieldProblem] = (), members: Mapping[str, Any] = {}
    ) -> None:
        super().__init__(code, detail)
        self.fields = tuple(fields)
        self.members = dict(members)


def refused_field(code: ErrorCode, field: str, detail: str) -> RequestRefused:
    """An error that is about one field."""
    return RequestRefused(code, detail, (FieldProblem(field=field, detail=detail),))


def invalid(error: ValidationError | RequestValidationError) -> RequestRefused:
    """What a model found wrong with a request."""
    found = error.errors()
    fields = [_field(each["loc"], each["msg"]) for each in found[:_MOST_FIELDS]]
    named = ", ".join(dict.fromkeys(field.field for field in fields))
    return RequestRefused(ErrorCode.REQUEST_INVALID, _short(f"not acceptable: {named}"), fields)


def type_of(code: ErrorCode) -> str:
    """The `type` of a problem: where the API says what the code means."""
    return f"/api/errors/{code}"


def title_of(code: ErrorCode) -> str:
    """The code as people read it."""
    return code.replace("_", " ").capitalize()


def document(error: EngineError) -> dict[str, Any]:
    """The problem document of an error."""
    row = TABLE[error.code]
    problem = Problem(
        type=type_of(error.code),
        title=title_of(error.code),
        status=row.http_status,
        detail=_short(error.detail),
        instance=f"urn:uuid:{uuid4()}",
        code=error.code,
        retryable=may_repeat(error.code),
        advice=row.advice,
        errors=list(error.fields) if isinstance(error, RequestRefused) else [],
        retry_after=RETRY_AFTER_SECONDS if row.http_status in _PASSING else None,
    )
    members = error.members if isinstance(error, RequestRefused) else {}
    shown = problem.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not problem.errors:
        del shown["errors"]
    return shown | members


def install(app: FastAPI) -> None:
    """Make the app answer every error with a problem document."""
    app.add_exception_handler(EngineError, _answer_engine_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(Exception, _answer_unexpected)


def _field(location: Sequence[int | str], message: str) -> FieldProblem:
    path = [str(part) for part in location if part not in ("body", "query", "path")]
    return FieldProblem(field=_short(".".join(path) or "body"), detail=_short(message))


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def response(error: EngineError) -> Response:
    """The answer that a problem is."""
    return _response(document(error))


def _response(shown: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    all_headers = dict(headers or {})
    if "retryAfter" in shown:
        all_headers["Retry-After"] = str(shown["retryAfter"])
    if shown["status"] == HTTPStatus.UNAUTHORIZED:
        all_headers["WWW-Authenticate"] = "Bearer"
    # In ASCII: a detail may quote half a character that no encoding can carry.
    return Response(json.dumps(shown), shown["status"], all_headers, MEDIA_TYPE)


async def _answer_engine_error(connection: HTTPConnection, error: Exception) -> Response:
    assert isinstance(error, EngineError)
    answer = response(error)
    if isinstance(connection, WebSocket):
        # Raised before the stream was accepted: the handshake is answered as any other request.
        await connection.send_denial_response(answer)
    return answer


async def _answer_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _response(document(invalid(error)))


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODE_OF_STATUS.get(HTTPStatus(error.status_code))
    if code is None:
        code = ErrorCode.REQUEST_MALFORMED if error.status_code < 500 else ErrorCode.INTERNAL_ERROR
    detail = error.detail
    headers = dict(error.headers or {})
    if code is ErrorCode.RESOURCE_NOT_FOUND:
        detail = f"there is no {request.url.path}"
    elif code is ErrorCode.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed_methods(request))
        detail = f"{request.url.path} does not take {request.method}"
    return _response(document(EngineError(code, detail)), headers)


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    shown = document(EngineError(ErrorCode.INTERNAL_ERROR, "an unexpected error; it is in the log of the API"))
    log.error("%s %s failed: %s", request.method, request.url.path, shown["instance"], exc_info=error)
    return _response(shown)


def _allowed_methods(request: Request) -> list[str]:
    """The methods that some route of the path takes; the router itself names those of the first one it met."""

    def taken(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return [method for method in _METHODS if taken(method)]
