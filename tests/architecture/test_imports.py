"""Who may import whom."""

import ast
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.project import ROOT, python, tree

# The composition root and its settings plug the database in; everything else asks for it by a Protocol.
MAY_NAME_THE_DATABASE = {"activities/worker.py", "activities/settings.py"}

OUTSIDE = ("temporalio", "fastapi", "sqlalchemy", "psycopg", "redis", "httpx", "solana")


def imported(path: str) -> Iterator[str]:
    """The modules that a file imports, wherever in the file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def importers(folder: str, *modules: str) -> set[str]:
    """The files of the folder that import one of the modules or what is inside of it."""
    inside = tuple(f"{module}." for module in modules)
    return {path for path in python(folder) if any(f"{name}.".startswith(inside) for name in imported(path))}


def test_the_contracts_of_the_import_linter_are_kept() -> None:
    linter = Path(sysconfig.get_path("scripts")) / "lint-imports"
    run = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("package", ["workflows", "activities", "api", "db"])
def test_no_package_imports_the_installation_or_the_tests(package: str) -> None:
    assert importers(package, "deploy", "tests") == set()


def test_the_installation_does_not_import_the_tests() -> None:
    assert importers("deploy", "tests") == set()


def test_only_the_composition_root_of_the_activities_names_the_database() -> None:
    assert importers("activities", "db") == MAY_NAME_THE_DATABASE


def test_activities_know_no_workflow_but_the_composition_root() -> None:
    workflow_modules = (
        "workflows.order",
        "workflows.quote",
        "workflows.dead_mans_switch",
        "workflows.refresh",
        "workflows.steps",
        "workflows.plugin",
    )
    assert importers("activities", *workflow_modules) <= {"activities/worker.py"}


@pytest.mark.parametrize("package", ["workflows/domain", "activities/venues"])
def test_pure_code_neither_reads_the_clock_nor_draws_nor_asks_the_machine(package: str) -> None:
    assert importers(package, "time", "random", "secrets", "os", "asyncio", "socket", "threading", "pathlib") == set()
    asked = {
        f"{path}:{node.lineno} {node.attr}"
        for path in python(package)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today", "uuid1", "uuid4", "environ"}
    }
    assert asked == set()


def test_pure_code_loads_no_engine_no_server_and_no_client() -> None:
    modules = [path.removesuffix(".py").replace("/", ".") for path in python("workflows/domain", "activities/venues")]
    program = (
        f"import importlib, sys\n"
        f"for name in {[module.removesuffix('.__init__') for module in modules]!r}: importlib.import_module(name)\n"
        f"print([name for name in {OUTSIDE!r} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
