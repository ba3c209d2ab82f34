"""Where the embedded servers' packages lie."""

import importlib.util
from pathlib import Path

from deploy.local.errors import StackError


def package_directory(name: str) -> Path:
    """The directory of an installed package, without importing it: only its programs are wanted, not its Python code.

    Raises StackError when it is not installed.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise StackError(f"package {name} is not installed")
    return Path(spec.origin).parent
