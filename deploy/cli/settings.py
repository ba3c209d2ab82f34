"""Settings from the environment and from options, an option given being the stronger one."""

from typing import Any, TypeVar

from pydantic import AliasChoices, ValidationError
from pydantic_settings import BaseSettings

from deploy.cli.failure import CommandError

SettingsType = TypeVar("SettingsType", bound=BaseSettings)


def load(kind: type[SettingsType], **options: Any) -> SettingsType:
    """Settings of a process; options that are None count as not given.

    Raises CommandError naming every variable with a value it cannot have, or without one that it needs.
    """
    try:
        return kind(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        raise CommandError("; ".join(f"{name}: {why}" for name, why in problems(kind, error).items())) from error


def problems(kind: type[BaseSettings], error: ValidationError) -> dict[str, str]:
    """What is wrong, by environment variable; never a value, which may be secret."""
    # The place is the field's name, or the variable itself where the field has an alias.
    return {
        variable_of(kind, str(each["loc"][0])): each["msg"].removeprefix("Value error, ") for each in error.errors()
    }


def variable_of(kind: type[BaseSettings], name: str) -> str:
    """The environment variable of a field."""
    alias = kind.model_fields[name].validation_alias if name in kind.model_fields else name
    if isinstance(alias, AliasChoices):
        return str(alias.choices[-1])
    return alias if isinstance(alias, str) else f"{kind.model_config.get('env_prefix', '')}{name}".upper()
