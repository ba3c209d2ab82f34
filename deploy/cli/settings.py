"""Settings from the environment and from options, an option given being the stronger one."""

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from deploy.cli.failure import CommandError

SettingsType = TypeVar("SettingsType", bound=BaseSettings)


def load(kind: type[SettingsType], **options: Any) -> SettingsType:
    """Settings of a process; options that are None count as not given.

    Raises CommandError naming every variable or option with a value it cannot have.
    """
    try:
        return kind(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        raise CommandError(
            "; ".join(f"{prefix}{problem['loc'][0]}".upper() + f": {problem['msg']}" for problem in error.errors())
        ) from error
