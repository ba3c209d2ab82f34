"""`order-engine doctor`: every setting with its value, and whether every server answers."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Annotated, Any

import typer
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from deploy.cli.failure import CommandError
from deploy.cli.halt import trading
from deploy.cli.output import print_table
from deploy.cli.running import adopt_running_stack
from deploy.cli.settings import load, variable_of

_TIMEOUT = 5.0


def doctor(
    only_servers: Annotated[bool, typer.Option("--servers", help="Leave out the list of settings.")] = False,
) -> None:
    """List all settings, ask every server for its health, and say whether trading is halted.

    Fails when a server does not answer.
    """
    from deploy.local import postgres
    from deploy.local.settings import StackSettings

    # Before the addresses of a running stack are taken over, which would look like servers set by the user.
    own = list(_settings_rows(StackSettings))
    print("a stack runs in the data directory" if adopt_running_stack() else "no stack runs in the data directory")
    if not only_servers:
        print("\nup")
        print_table(own)
        for process, kind in _settings_classes().items():
            print(f"\n{process}")
            print_table(_settings_rows(kind))
    print("\nservers")
    failures = asyncio.run(_ask_all())
    print_table([(name, "answers" if why is None else why) for name, why in failures.items()])
    print(f"\ntrading {trading(postgres.url(load(StackSettings)))}")
    silent = [name for name, why in failures.items() if why is not None]
    if silent:
        raise CommandError(f"no answer from {', '.join(silent)}")


def _settings_classes() -> Mapping[str, type[BaseSettings]]:
    from activities.settings import WorkerSettings
    from api.settings import ApiSettings
    from deploy.localnet.settings import LocalnetSettings
    from deploy.registry import RegistrySettings

    return {
        "api": ApiSettings,
        "worker": WorkerSettings,
        "localnet": LocalnetSettings,
        "setup": RegistrySettings,
    }


def _settings_rows(kind: type[BaseSettings]) -> Iterator[tuple[str, str, str]]:
    try:
        values: Mapping[str, Any] = dict(kind())
    except ValidationError as error:
        wrong = {str(problem["loc"][0]): problem["msg"] for problem in error.errors()}
        values = {name: f"! {wrong.get(name) or wrong.get(variable_of(kind, name), '?')}" for name in kind.model_fields}
    for name, field in kind.model_fields.items():
        yield variable_of(kind, name), _shown(values[name]), _described(field)


def _shown(value: object) -> str:
    if value is None or value == ():
        return "-"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "(secret)" if isinstance(value, SecretStr) else str(value)


def _described(field: FieldInfo) -> str:
    return field.description or ""


async def _ask_all() -> Mapping[str, str | None]:
    from deploy.local import environment, health, postgres, valkey
    from deploy.local.settings import StackSettings

    settings = load(StackSettings)
    checks: dict[str, Callable[[], Awaitable[None]]] = {
        "postgres": lambda: health.postgres(postgres.url(settings)),
        "redis": lambda: health.redis(valkey.url(settings)),
        "temporal": lambda: health.temporal(environment.temporal_address(settings)),
        "solana rpc": lambda: health.solana_rpc(environment.solana_rpc_url(settings)),
        "api": lambda: health.http(f"{environment.api_url(settings)}/readyz"),
    }
    reasons = await asyncio.gather(*(_reason(check) for check in checks.values()))
    return dict(zip(checks, reasons, strict=True))


async def _reason(check: Callable[[], Awaitable[None]]) -> str | None:
    try:
        await asyncio.wait_for(check(), _TIMEOUT)
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None
