"""What a route tells of itself for the OpenAPI document, beyond what its signature says. `api.openapi` reads it."""

from typing import Any

from pydantic import BaseModel

from workflows.domain.access import Scope
from workflows.domain.errors import ErrorCode

# Members of an operation that never reach the document.
CODES = "x-codes"
SCOPE = "x-scope"

Headers = dict[str, dict[str, Any]]


def json_body(model: type[BaseModel], examples: dict[str, Any]) -> dict[str, Any]:
    """A JSON body, which the route reads itself, with examples that work as they are."""
    content = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}, "examples": examples}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def refusals(*codes: ErrorCode) -> dict[str, Any]:
    """The codes that the route refuses with, beside those that every route of its kind has."""
    return {CODES: list(codes)}


def needs(scope: Scope) -> dict[str, Any]:
    """The scope that the route asks for, where it is not that of its method."""
    return {SCOPE: scope}


# Of a parameter whose absence the route refuses itself, with a code of its own.
NEEDED = "x-needed"
needed: dict[str, Any] = {NEEDED: True}


def header(description: str, required: bool = True, **schema: Any) -> dict[str, Any]:
    """A header of an answer."""
    return {"description": description, "required": required, "schema": {"type": "string"} | schema}


ETAG: Headers = {"ETag": header("The version of the order, for `If-Match`.")}
LOCATION: Headers = {"Location": header("Where the order is found.")}
REPLAYED: Headers = {"Idempotency-Replayed": header("The request had been taken before.", enum=["true"])}

PAIR_CODES = (ErrorCode.TOKEN_UNKNOWN, ErrorCode.TOKENS_IDENTICAL)
AMOUNT_CODES = (
    *PAIR_CODES,
    ErrorCode.AMOUNT_INVALID,
    ErrorCode.AMOUNT_NOT_POSITIVE,
    ErrorCode.AMOUNT_TOO_PRECISE,
    ErrorCode.AMOUNT_TOO_LARGE,
)

# Why a pair could not be looked at.
QUOTE_CODES = (ErrorCode.QUOTE_UNAVAILABLE, ErrorCode.QUOTE_TIMEOUT, ErrorCode.CHAIN_UNAVAILABLE)
