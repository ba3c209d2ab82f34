"""`order-engine keys`: API keys, made and ended at the database. A key's text is shown once and stored nowhere."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from deploy.cli.client import AsJson
from deploy.cli.failure import CommandError
from deploy.cli.output import print_table
from deploy.cli.running import adopt_running_stack
from deploy.cli.settings import load

if TYPE_CHECKING:
    from db.keys import ApiKeyRepository
    from workflows.domain.access import ApiKey, Scope

app = typer.Typer(help="Make, list, replace and revoke API keys.", no_args_is_help=True)

Result = TypeVar("Result")
KeyId = Annotated[str, typer.Argument(help="Id of the key: the part after oek_.", metavar="KEY_ID")]

_DEFAULT_SCOPES = "read,trade"


@app.command("create")
def create(
    account: Annotated[str, typer.Argument(help="Account that the key acts for; it need not exist before.")],
    name: Annotated[str, typer.Option(help="What it is for, for people.")] = "",
    scopes: Annotated[str, typer.Option(help="read, trade, admin, separated by commas.")] = _DEFAULT_SCOPES,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="Let it end after so many days.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once."""
    from workflows.domain.access import ACCOUNT_NAME, parse_scopes

    if not ACCOUNT_NAME.fullmatch(account):
        raise CommandError("an account has letters, digits, dots, dashes and underscores, at most 64")
    try:
        wanted = parse_scopes(scopes)
    except ValueError as error:
        raise CommandError(str(error)) from error
    ends = datetime.now(UTC) + timedelta(days=days) if days is not None else None

    async def work(keys: "ApiKeyRepository") -> tuple["ApiKey", str]:
        return await _new(keys, account, name, wanted, ends)

    _show(*_run(work), as_json)


@app.command("list")
def list_keys(
    account: Annotated[str | None, typer.Option(help="Only those of this account.")] = None, as_json: AsJson = False
) -> None:
    """List keys, ended ones too."""
    from workflows.domain.access import sorted_names

    async def work(keys: "ApiKeyRepository") -> "Sequence[ApiKey]":
        return await keys.all(account)

    found = _run(work)
    if as_json:
        print(json.dumps([key.model_dump(mode="json") for key in found], indent=2))
        return
    rows = [
        (key.id, key.account, key.name, ",".join(sorted_names(key.scopes)), _state(key), _time(key.last_used_at))
        for key in found
    ]
    print_table(rows, ("key", "account", "name", "scopes", "state", "last used"))


@app.command("rotate")
def rotate(
    key_id: KeyId,
    grace_hours: Annotated[int, typer.Option(min=0, max=8_760, help="The old key works for so much longer.")] = 24,
    as_json: AsJson = False,
) -> None:
    """Make a key like this one, print it, and let this one end after a grace."""

    async def work(keys: "ApiKeyRepository") -> tuple["ApiKey", str] | None:
        now = datetime.now(UTC)
        old = await keys.find(key_id)
        if old is None or not old.usable(now):
            return None
        made = await _new(keys, old.account, old.name, old.scopes, old.expires_at)
        await keys.revoke(key_id, now + timedelta(hours=grace_hours))
        return made

    made = _run(work)
    if made is None:
        raise CommandError(f"there is no usable key {key_id}; see order-engine keys list")
    _show(*made, as_json)


@app.command("revoke")
def revoke(key_id: KeyId) -> None:
    """Let a key end now; API processes notice within seconds."""

    async def work(keys: "ApiKeyRepository") -> bool:
        return await keys.revoke(key_id, datetime.now(UTC))

    if not _run(work):
        raise CommandError(f"there is no key {key_id}; see order-engine keys list")
    print(f"key {key_id} is revoked")


async def _new(
    keys: "ApiKeyRepository", account: str, name: str, scopes: "frozenset[Scope]", ends: datetime | None
) -> tuple["ApiKey", str]:
    from workflows.domain.access import NEW_KEY_BYTES, ApiKey, new_key

    key_id, secret = new_key(os.urandom(NEW_KEY_BYTES))
    key = ApiKey(id=key_id, account=account, name=name, scopes=scopes, created_at=datetime.now(UTC), expires_at=ends)
    await keys.create(key, secret)
    return key, secret


def _run(work: "Callable[[ApiKeyRepository], Awaitable[Result]]") -> Result:
    from db.database import Database
    from db.keys import ApiKeyRepository
    from db.settings import DatabaseSettings

    adopt_running_stack()
    settings = load(DatabaseSettings)

    async def inside() -> Result:
        database = Database(settings)
        try:
            return await work(ApiKeyRepository(database))
        finally:
            await database.close()

    try:
        return asyncio.run(inside())
    except ConnectionError as error:
        raise CommandError(str(error)) from error


def _show(key: "ApiKey", secret: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**key.model_dump(mode="json"), "key": secret}))
        return
    print(secret)
    ends = f", until {_time(key.expires_at)}" if key.expires_at else ""
    typer.echo(f"This is shown once. It acts for account {key.account}{ends}.", err=True)


def _state(key: "ApiKey") -> str:
    now = datetime.now(UTC)
    if not key.usable(now):
        return "revoked" if key.revoked_at is not None and key.revoked_at <= now else "expired"
    ends = min((at for at in (key.expires_at, key.revoked_at) if at is not None), default=None)
    return f"until {_time(ends)}" if ends else "active"


def _time(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC") if at else "-"
