"""The table of errors for clients: where the `type` of a problem leads."""

from fastapi import APIRouter

from api.described import refusals
from api.problems import title_of, type_of
from api.schemas import ErrorList, ErrorOut
from workflows.domain.error_table import TABLE, may_repeat, may_retry
from workflows.domain.errors import EngineError, ErrorCode, error_code

router = APIRouter(tags=["errors"])


def _table() -> str:
    lines = [f"| `{code}` | {row.http_status} | {row.meaning} | {row.advice} |" for code, row in TABLE.items()]
    return "\n".join(("| code | status | meaning | what to do |", "|---|---|---|---|", *lines))


@router.get("/api/errors", description=f"Every error code, with its meaning and what to do.\n\n{_table()}")
async def list_errors() -> ErrorList:
    """The whole table."""
    return ErrorList(errors=[_error_out(code) for code in TABLE])


@router.get("/api/errors/{code}", openapi_extra=refusals(ErrorCode.RESOURCE_NOT_FOUND))
async def show_error(code: str) -> ErrorOut:
    """One error code, as the `type` of its problem documents names it."""
    known = error_code(code)
    if known is None:
        raise EngineError(ErrorCode.RESOURCE_NOT_FOUND, "there is no such error code")
    return _error_out(known)


def _error_out(code: ErrorCode) -> ErrorOut:
    row = TABLE[code]
    return ErrorOut(
        code=code,
        type=type_of(code),
        title=title_of(code),
        status=row.http_status,
        meaning=row.meaning,
        retryable=may_repeat(code),
        engine_retries=may_retry(code),
        advice=row.advice,
    )
