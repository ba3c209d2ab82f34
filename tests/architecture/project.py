"""The files of the project, as the version control lists them."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("workflows", "activities", "api", "db", "deploy")


@cache
def tracked() -> tuple[str, ...]:
    """Paths of all tracked files that are there, from the root; of every file where there is no version control."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        paths = [path for path in listed.split("\0") if path]
    else:
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
        paths = [str(path) for path in found if not any(part.startswith(".") for part in path.parts)]
    return tuple(sorted(path for path in paths if (ROOT / path).is_file()))


def python(*folders: str) -> list[str]:
    """Tracked Python files, of the folders when any are named."""
    inside = tuple(f"{folder}/" for folder in folders)
    return [path for path in tracked() if path.endswith(".py") and (not inside or path.startswith(inside))]


@cache
def tree(path: str) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse((ROOT / path).read_text(), path)


def text(path: str) -> str:
    """The content of a file; empty when it is not text."""
    try:
        return (ROOT / path).read_text()
    except UnicodeDecodeError:
        return ""
