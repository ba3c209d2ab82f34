"""Faults from files and from the command line: those that are in force from the start on.

A file names the faults of the main node, and those of others by name:

    seed = 7
    [[faults]]
    kind = "drop"
    probability = 0.1
    [[nodes.backup.faults]]
    kind = "lag"
    slots = 20

On the command line a fault is `kind=drop,probability=0.1`, for another node `node=backup,kind=lag,slots=20`;
several methods are joined by `+`.
"""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.localnet.faults import Fault

_NODE = "node"


class FaultError(ValueError):
    """Faults that cannot be set; the message names the place."""


class _Node(BaseModel):
    model_config = ConfigDict(extra="forbid")

    faults: list[Fault] = []


class _File(_Node):
    seed: int | None = None
    nodes: dict[str, _Node] = {}


def read_faults(path: Path, main: str) -> tuple[dict[str, list[Fault]], int | None]:
    """The faults of a file by node, `main` being the main one, and its seed; raises FaultError."""
    try:
        file = _File.model_validate(tomllib.loads(path.read_text()))
    except ValidationError as error:
        raise FaultError(f"{path}: {explained(error)}") from error
    except (OSError, ValueError) as error:
        raise FaultError(f"{path}: {error}") from error
    by_node = {name: node.faults for name, node in file.nodes.items()}
    by_node[main] = file.faults + by_node.get(main, [])
    return by_node, file.seed


def parse_fault(text: str, main: str) -> tuple[str, Fault]:
    """A fault as the command line gives it, and its node; raises FaultError."""
    fields: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or name.strip() in fields:
            raise FaultError(f"fault {text!r}: {part!r} is not one more name=value")
        fields[name.strip()] = value.strip()
    node = fields.pop(_NODE, main)
    try:
        return node, Fault.model_validate(fields)
    except ValidationError as error:
        raise FaultError(f"fault {text!r}: {explained(error)}") from error


def explained(error: ValidationError) -> str:
    """What is wrong with each value, in one line."""
    problems = []
    for each in error.errors(include_url=False):
        place = ".".join(str(part) for part in each["loc"])
        words = each["msg"].removeprefix("Value error, ")
        problems.append(f"{place}: {words}" if place else words)
    return "; ".join(problems)
