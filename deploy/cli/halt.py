"""`order-engine halt` and `resume`: the kill switch of trading."""

import asyncio
import getpass
import os
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from deploy.cli.failure import CommandError
from deploy.cli.running import adopt_running_stack
from deploy.cli.settings import load

if TYPE_CHECKING:
    from db.risk import HaltRepository
    from db.settings import DatabaseSettings

Answer = TypeVar("Answer")


def halt(
    reason: Annotated[str, typer.Option(help="Why, for those who find trading halted.", show_default=False)] = "",
) -> None:
    """Stop trading on every worker, at once.

    When this returns no order can begin a broadcast any more, and within a second no worker repeats one that it began.
    What was sent before is followed until the chain has decided it. New orders are accepted and rejected.
    """

    async def work(halts: "HaltRepository") -> str:
        if await halts.halt(_who(), reason.strip()):
            return "trading is halted; order-engine resume ends it"
        return f"trading is halted already: {await halts.in_force()}"

    print(_run(work))


def resume() -> None:
    """Let trading go on. Orders that were rejected stay so."""

    async def work(halts: "HaltRepository") -> str:
        ended = await halts.resume(_who())
        return f"trading goes on; ended: {ended}" if ended is not None else "trading is not halted"

    print(_run(work))


def trading(database_url: str) -> str:
    """Whether trading is halted, in one line; says so too when the database does not tell."""
    from pydantic import ValidationError

    from db.settings import DatabaseSettings

    async def work(halts: "HaltRepository") -> str:
        found = await halts.in_force()
        return f"HALTED: {found}" if found is not None else "not halted"

    try:
        return asyncio.run(_with_halts(DatabaseSettings.model_validate({"database_url": database_url}), work))
    except (ConnectionError, ValidationError) as error:
        return f"unknown: {str(error).splitlines()[0]}"


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a user that has no name.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _run(work: "Callable[[HaltRepository], Awaitable[Answer]]") -> Answer:
    from db.settings import DatabaseSettings

    adopt_running_stack()
    try:
        return asyncio.run(_with_halts(load(DatabaseSettings), work))
    except ConnectionError as error:
        raise CommandError(str(error)) from error


async def _with_halts(settings: "DatabaseSettings", work: "Callable[[HaltRepository], Awaitable[Answer]]") -> Answer:
    from sqlalchemy.exc import DBAPIError

    from db.database import Database
    from db.risk import HaltRepository

    database = Database(settings)
    try:
        return await work(HaltRepository(database))
    except DBAPIError as error:
        # The tables come with a migration: another version of the engine may have set this database up.
        raise ConnectionError(f"PostgreSQL refuses: {str(error.orig).strip()}") from error
    finally:
        await database.close()
