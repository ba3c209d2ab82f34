"""The kill switch of trading, for those who run the engine."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from api.access import administrator
from api.body import json_object
from api.described import json_body, needs
from api.examples import HALT_EXAMPLES
from api.operations_schemas import HaltRequest, TradingOut
from api.routes.operations import halt_out
from api.services import Services, services
from api.swaps import validated
from workflows.domain.access import Principal, Scope
from workflows.domain.errors import EngineError, ErrorCode

router = APIRouter(tags=["operations"])

_Services = Annotated[Services, Depends(services)]
_Administrator = Annotated[Principal, Depends(administrator)]


@router.post("/api/halt", openapi_extra=json_body(HaltRequest, HALT_EXAMPLES) | needs(Scope.ADMIN))
async def halt_trading(request: Request, engine: _Services, caller: _Administrator) -> TradingOut:
    """Stop all trading at once: no order begins a broadcast from then on, and what was sent is followed to its end.

    A halt that is in force already stands. New orders are accepted and rejected.
    """
    wanted = validated(HaltRequest, await json_object(request))
    try:
        await engine.halts.halt(_name(caller), wanted.reason.strip())
        return TradingOut(halt=halt_out(await engine.halts.in_force()))
    except ConnectionError as error:
        raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, "PostgreSQL does not answer") from error


@router.post("/api/resume", openapi_extra=needs(Scope.ADMIN))
async def resume_trading(engine: _Services, caller: _Administrator) -> TradingOut:
    """Let trading go on; orders that were rejected stay so."""
    try:
        await engine.halts.resume(_name(caller))
        return TradingOut(halt=halt_out(await engine.halts.in_force()))
    except ConnectionError as error:
        raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, "PostgreSQL does not answer") from error


def _name(caller: Principal) -> str:
    return f"{caller.account} (key {caller.key_id})" if caller.key_id is not None else caller.account
