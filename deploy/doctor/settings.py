"""Every setting of every process, with its value."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

from deploy.cli.settings import problems, variable_of
from deploy.doctor.finding import Finding, failure, public


def settings_classes() -> Mapping[str, type[BaseSettings]]:
    """The settings of each process."""
    from activities.settings import WorkerSettings
    from api.settings import ApiSettings
    from deploy.localnet.settings import LocalnetSettings
    from deploy.registry import RegistrySettings
    from deploy.telemetry.settings import TelemetrySettings

    return {
        "api": ApiSettings,
        "worker": WorkerSettings,
        "localnet": LocalnetSettings,
        "setup": RegistrySettings,
        "telemetry": TelemetrySettings,
    }


def settings_rows(kind: type[BaseSettings]) -> Iterator[tuple[str, str, str]]:
    """Variable, value and description of each setting; the problem in place of a value that cannot be."""
    try:
        values: Mapping[str, Any] = dict(kind())
    except ValidationError as error:
        wrong = problems(kind, error)
        values = {name: f"! {wrong.get(variable_of(kind, name), '?')}" for name in kind.model_fields}
    for name, field in kind.model_fields.items():
        yield variable_of(kind, name), _shown(values[name]), field.description or ""


def examine_settings(process: str, kind: type[BaseSettings]) -> Iterator[Finding]:
    """A failure for each setting with which the process would not start."""
    try:
        kind()
    except ValidationError as error:
        for variable, problem in problems(kind, error).items():
            mend = "set it, or start everything here with order-engine up"
            yield failure(f"settings of {process}", f"{variable}: {problem}", mend)


def _shown(value: object) -> str:
    if value is None or value == ():
        return "-"
    if isinstance(value, tuple):
        return ",".join(public(str(each)) for each in value)
    return "(secret)" if isinstance(value, SecretStr) else public(str(value))
