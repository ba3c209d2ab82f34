"""The shape of the project: what lies where, how long a file may be, what every module says of itself."""

import ast

import pytest

from tests.architecture.project import PACKAGES, ROOT, python, tracked, tree

LINE_LIMIT = 400

NEEDED = {
    *("pyproject.toml", "README.md", "CHANGELOG.md", "Makefile", "docker-compose.yml"),
    *("workflows", "activities", "api", "db", "deploy", "tests"),
}
ALLOWED = NEEDED | {"LICENSE", "requirements.lock", "requirements-dev.lock"}


def test_the_root_holds_what_it_should_and_nothing_else() -> None:
    at_root = {path.split("/")[0] for path in tracked()}
    assert NEEDED - at_root == set()
    assert {name for name in at_root - ALLOWED if not name.startswith(".")} == set()


def test_no_file_is_longer_than_one_idea_needs() -> None:
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path in python()}
    assert {path: length for path, length in lengths.items() if length > LINE_LIMIT} == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path in python() if tree(path).body and not ast.get_docstring(tree(path))]
    assert silent == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_class_and_function_says_what_it_promises(package: str) -> None:
    defined = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    silent = [
        f"{path}: {node.name}"
        for path in python(package)
        for node in tree(path).body
        if isinstance(node, defined) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert silent == []


@pytest.mark.parametrize("package", ["workflows", "workflows/domain", "activities", "activities/venues"])
def test_importing_a_package_imports_nothing_else(package: str) -> None:
    assert (ROOT / package / "__init__.py").read_text() == ""


def test_test_files_have_names_of_their_own() -> None:
    names = [path.rsplit("/", 1)[1] for path in python("tests") if path.rsplit("/", 1)[1].startswith("test_")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
