"""For those who run the service: does the process live, and can it take orders?"""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response

from api.schemas import Readiness, Wire
from api.services import Services, services

router = APIRouter(tags=["health"])


class Alive(Wire):
    """The process answers."""

    status: Literal["alive"] = "alive"


@router.get("/healthz")
async def healthz() -> Alive:
    """The process lives. Says nothing about the servers behind it."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(response: Response, engine: Annotated[Services, Depends(services)]) -> Readiness:
    """Whether orders can be taken; 503 while Temporal or PostgreSQL is away."""
    readiness = await engine.readiness.check()
    if readiness.status == "unavailable":
        response.status_code = 503
    return readiness
