"""How the engine is doing, and who is asking."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.access import principal
from api.operations_schemas import (
    BucketOut,
    EndedOut,
    FindingOut,
    HaltOut,
    InFlightOut,
    LandingOut,
    OperationsOut,
    ReconciliationOut,
    SetbackOut,
    StepOut,
    WhoOut,
    WorkerOut,
)
from api.services import Services, services
from db.operations import Window
from db.reconciliation import ReconciliationRepository
from workflows.domain.access import Principal, Scope, sorted_names
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.risk import Halt

router = APIRouter(tags=["operations"])

_Services = Annotated[Services, Depends(services)]
_Caller = Annotated[Principal, Depends(principal)]

_BUCKETS = 60
_MOST_FINDINGS = 20


@router.get("/api/me")
async def show_caller(request: Request, caller: _Caller) -> WhoOut:
    """The account and the scopes of the caller."""
    return WhoOut(
        account=caller.account,
        scopes=sorted_names(caller.scopes),
        key_id=caller.key_id,
        cluster=request.app.state.cluster,
    )


@router.get("/api/operations")
async def show_operations(
    engine: _Services,
    caller: _Caller,
    minutes: Annotated[int, Query(ge=1, le=1_440, description="How far to look back.")] = 15,
) -> OperationsOut:
    """Orders in flight and lately ended, latency by step, retries and reasons; of all accounts for the scope admin."""
    account = None if Scope.ADMIN in caller.scopes else caller.account
    now = datetime.now(UTC)
    window = Window(since=now - timedelta(minutes=minutes), buckets=_BUCKETS, bucket_seconds=minutes * 60 // _BUCKETS)
    try:
        found, halt, reconciled, readiness, workers = await asyncio.gather(
            engine.operations.look(account, window),
            engine.halts.in_force(),
            _reconciliation(engine.reconciliations) if account is None else _nothing(),
            engine.readiness.check(),
            _workers(engine) if account is None else _nothing(),
        )
    except ConnectionError as error:
        raise EngineError(ErrorCode.ENGINE_UNAVAILABLE, "PostgreSQL does not answer") from error
    starts = [window.since + timedelta(seconds=number * window.bucket_seconds) for number in range(window.buckets)]
    return OperationsOut(
        account=account,
        at=now,
        since=window.since,
        bucket_seconds=window.bucket_seconds,
        in_flight=[InFlightOut.model_validate(each, from_attributes=True) for each in found.in_flight],
        buckets=[
            BucketOut(at=at, accepted=each.accepted, confirmed=each.confirmed, failed=each.failed)
            for at, each in zip(starts, found.buckets, strict=True)
        ],
        steps=[StepOut.model_validate(each, from_attributes=True) for each in found.steps],
        ended=[EndedOut.model_validate(each, from_attributes=True) for each in found.ended],
        setbacks=[SetbackOut.model_validate(each, from_attributes=True) for each in found.setbacks],
        landings=[LandingOut.model_validate(each, from_attributes=True) for each in found.landings],
        checks=readiness.checks,
        streams=engine.channels.feeds.followers,
        halt=halt_out(halt),
        reconciliation=reconciled,
        workers=workers,
    )


def halt_out(halt: Halt | None) -> HaltOut | None:
    """A halt as clients see it."""
    return HaltOut(by=halt.by, reason=halt.reason, at=halt.at) if halt is not None else None


async def _nothing() -> None:
    return None


async def _workers(engine: Services) -> list[WorkerOut] | None:
    return await engine.workers.read({token.mint: token.symbol for token in await engine.tokens.all()})


async def _reconciliation(reconciliations: ReconciliationRepository) -> ReconciliationOut | None:
    last = await reconciliations.last()
    if last is None:
        return None
    return ReconciliationOut(
        finished_at=last.finished_at,
        orders=last.orders,
        swaps=last.swaps,
        repaired=last.repaired,
        findings=[
            FindingOut(
                kind=each.finding.kind,
                order_id=each.finding.order_id,
                detail=each.finding.detail,
                first_seen=each.first_seen,
            )
            for each in await reconciliations.open_findings(_MOST_FINDINGS)
        ],
    )
