"""The OpenAPI document: every answer of every operation, refusals by their codes, headers, examples, scopes.

Routes tell what is their own (`api.described`); what all of a kind have in common is added here.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from api import problems
from api.access import needed_scope
from api.described import CODES, NEEDED, SCOPE, Headers, header
from api.operations_schemas import HaltRequest
from api.requests import AmendRequest, CancelAllAfterRequest, CancelAllRequest, OrderRequest, QuoteRequestBody
from api.schemas import Problem
from workflows.domain.error_table import TABLE, may_repeat
from workflows.domain.errors import ErrorCode

# Bodies that routes read themselves, within bounds and digit by digit, and what every problem is.
_MODELS: tuple[type[BaseModel], ...] = (
    OrderRequest,
    AmendRequest,
    CancelAllRequest,
    CancelAllAfterRequest,
    QuoteRequestBody,
    HaltRequest,
    Problem,
)

# Operations that answer everyone.
_OPEN = frozenset({"health", "errors"})

_EVERYWHERE = (ErrorCode.INTERNAL_ERROR, ErrorCode.HOST_REFUSED, ErrorCode.ORIGIN_REFUSED)
_KEYED = (
    ErrorCode.KEY_REQUIRED,
    ErrorCode.KEY_INVALID,
    ErrorCode.SCOPE_MISSING,
    ErrorCode.RATE_LIMITED,
    ErrorCode.ENGINE_UNAVAILABLE,
)
_WITH_BODY = (ErrorCode.REQUEST_MALFORMED, ErrorCode.REQUEST_TOO_LARGE, ErrorCode.REQUEST_MEDIA_TYPE)

_RATE: Headers = {
    "RateLimit": header("How many calls the key has left, and when all of them are back.", required=False),
    "RateLimit-Policy": header("How often the key may call; absent where no key is used.", required=False),
}
_RETRY_AFTER = header("Seconds to wait before the request is repeated.", required=False, pattern="^[0-9]+$")
_OF_STATUS: dict[int, Headers] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": header("How to sign in.", enum=["Bearer"])},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": _RETRY_AFTER},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": _RETRY_AFTER | {"required": True}},
    HTTPStatus.GATEWAY_TIMEOUT: {"Retry-After": _RETRY_AFTER | {"required": True}},
}

DESCRIPTION = """Swap orders for Solana DEXes: each accepted order ends, and trades at most once.

Amounts and prices are decimal strings, times are in UTC, names are camelCase. Every refusal is a problem document
(RFC 9457) with a stable `code`; its `type` leads to what the code means and what to do, and `GET /api/errors` lists
them all. A path that does not exist is answered with 404 `resource_not_found`, a method that a path does not take with
405 `method_not_allowed` and `Allow`.

Where the API asks for keys, send `Authorization: Bearer oek_…`; each operation names the scope it needs.

Streams are WebSockets: `/api/stream` and `/api/orders/{orderId}/stream`. The first steps are in the README."""


def document(app: FastAPI) -> dict[str, Any]:
    """The description of the application's routes."""
    described = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    components = described.setdefault("components", {})
    models: dict[str, Any] = components.setdefault("schemas", {})
    for model in _MODELS:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        models.update(schema.pop("$defs", {}))
        models[model.__name__] = schema
    # What FastAPI would answer to bad parameters; here that is a problem too.
    for name in ("HTTPValidationError", "ValidationError"):
        models.pop(name, None)
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "A key of `order-engine keys create`."}
    }
    components["examples"] = {code.value: _example(code) for code in TABLE}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            _complete(method.upper(), path, operation)
    return described


def _complete(method: str, path: str, operation: dict[str, Any]) -> None:
    is_open = not _OPEN.isdisjoint(operation["tags"])
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"] = _as_sent(parameter["schema"])
        if schema.pop(NEEDED, False):
            parameter["required"] = True
    responses: dict[str, Any] = operation["responses"]
    responses.pop("422", None)
    for status, codes in _by_status(_codes(path, operation, is_open)).items():
        responses[str(status)] = _refusal(status, codes)
    scope = operation.pop(SCOPE, needed_scope(method, path))
    if is_open:
        return
    operation["security"] = [{"key": []}]
    operation["description"] = f"{operation.get('description', '')}\n\nScope: `{scope}`.".strip()
    for response in responses.values():
        response["headers"] = response.get("headers", {}) | _RATE


def _as_sent(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter without what only Python has: one that is not sent is not null but absent."""
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "title", "description")}
    for choice in schema.get("anyOf", ()):
        if choice != {"type": "null"}:
            rest |= choice
    return rest


def _codes(path: str, operation: dict[str, Any], is_open: bool) -> set[ErrorCode]:
    codes = {*_EVERYWHERE, *map(ErrorCode, operation.pop(CODES, ()))}
    if not is_open:
        codes.update(_KEYED)
        if "requestBody" in operation or "parameters" in operation:
            codes.add(ErrorCode.REQUEST_INVALID)
    if "requestBody" in operation:
        codes.update(_WITH_BODY)
    if "{order_id}" in path:
        codes.add(ErrorCode.ORDER_NOT_FOUND)
    return codes


def _by_status(codes: Iterable[ErrorCode]) -> dict[int, list[ErrorCode]]:
    found: dict[int, list[ErrorCode]] = {}
    for code in sorted(codes, key=lambda code: (TABLE[code].http_status, code)):
        found.setdefault(TABLE[code].http_status, []).append(code)
    return found


def _refusal(status: int, codes: list[ErrorCode]) -> dict[str, Any]:
    """A problem of one of these codes."""
    only = {"properties": {"code": {"enum": [code.value for code in codes]}, "status": {"const": status}}}
    answer: dict[str, Any] = {
        "description": " ".join(f"`{code}`: {TABLE[code].meaning}" for code in codes),
        "content": {
            problems.MEDIA_TYPE: {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, only]},
                "examples": {code.value: {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
    }
    if status in _OF_STATUS:
        answer["headers"] = _OF_STATUS[status]
    return answer


def _example(code: ErrorCode) -> dict[str, Any]:
    row = TABLE[code]
    problem = Problem(
        type=problems.type_of(code),
        title=problems.title_of(code),
        status=row.http_status,
        detail=row.meaning,
        instance="urn:uuid:0f8f6a4e-6d0a-4f5c-9a53-1d0c5a2b7e10",
        code=code,
        retryable=may_repeat(code),
        advice=row.advice,
    )
    return {"summary": row.meaning, "value": problem.model_dump(mode="json", by_alias=True, exclude_unset=True)}
