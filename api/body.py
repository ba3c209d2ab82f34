"""The body of a request: read within bounds, taken for exactly what it says."""

import json
from decimal import Decimal
from typing import Any

from starlette.requests import ClientDisconnect, Request

from workflows.domain.errors import EngineError, ErrorCode

MAX_BODY_BYTES = 64 * 1024

# No request of this API nests more than two levels.
MAX_DEPTH = 16


async def json_object(request: Request) -> dict[str, Any]:
    """The JSON object that the request carries.

    Fractional numbers come as Decimal with the digits that were sent. Raises EngineError `request_media_type`,
    `request_too_large` (without having read more than the limit) or `request_malformed`.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise EngineError(ErrorCode.REQUEST_MEDIA_TYPE, f"the body is {media_type or 'of no stated type'}, not JSON")
    return parse_object(await _read(request))


async def _read(request: Request) -> bytes:
    too_large = EngineError(ErrorCode.REQUEST_TOO_LARGE, f"the body has more than {MAX_BODY_BYTES} bytes")
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and (len(declared) > 18 or int(declared) > MAX_BODY_BYTES):
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise too_large
    except ClientDisconnect:
        raise EngineError(ErrorCode.REQUEST_MALFORMED, "the body ended early") from None
    return bytes(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """The object of a JSON text in UTF-8. Raises EngineError `request_malformed`."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object_of_distinct_keys,
        )
    except UnicodeDecodeError:
        raise EngineError(ErrorCode.REQUEST_MALFORMED, "the body is not UTF-8") from None
    except RecursionError:
        raise EngineError(ErrorCode.REQUEST_MALFORMED, "the body is nested too deeply") from None
    except ArithmeticError:
        raise EngineError(ErrorCode.REQUEST_MALFORMED, "a number has an exponent out of all bounds") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise EngineError(ErrorCode.REQUEST_MALFORMED, f"the body is not JSON: {error.msg} ({where})") from None
    except ValueError as error:
        raise EngineError(ErrorCode.REQUEST_MALFORMED, f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise EngineError(ErrorCode.REQUEST_MALFORMED, "the body is not a JSON object")
    if _is_deeper(value, MAX_DEPTH):
        raise EngineError(ErrorCode.REQUEST_MALFORMED, "the body is nested too deeply")
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        containers = (each for each in level if isinstance(each, (dict, list)))
        level = [inner for each in containers for inner in (each.values() if isinstance(each, dict) else each)]
    return any(isinstance(each, (dict, list)) for each in level)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _object_of_distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Two amounts in one order: whichever was meant, the other would be traded by half of all parsers.
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a field appears twice")
    return value
