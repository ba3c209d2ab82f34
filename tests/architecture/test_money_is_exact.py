"""No float touches money, and no division that would make one."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.project import python, text, tracked, tree

# Amounts and prices only: nothing here measures time.
MONEY_CODE = ("workflows", "activities/venues", "activities/solana/fills.py")

# Divides exact fractions.
DIVIDES_FRACTIONS = {"activities/venues/impact.py"}

# Seconds may be floats: they are no money.
_TIME = re.compile(r"second|timeout|interval|delay|age|_at\b|started")


def money_files() -> list[str]:
    return [path for path in python() if path.startswith(MONEY_CODE)]


def floats(path: str) -> Iterator[str]:
    """Where a file names the float type or writes one."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Name) and node.id == "float":
            yield f"{path}:{node.lineno} float"
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"{path}:{node.lineno} {node.value}"


def test_there_is_money_code() -> None:
    assert len(money_files()) > 20


def test_money_code_has_no_float() -> None:
    assert [found for path in money_files() for found in floats(path)] == []


def test_money_code_divides_without_a_remainder_lost_to_a_float() -> None:
    divisions = {
        path
        for path in money_files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
    }
    assert divisions == DIVIDES_FRACTIONS


def test_money_code_takes_no_function_that_answers_with_a_float() -> None:
    named = {
        f"{path}: {alias.name}"
        for path in money_files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.module == "math"
        for alias in node.names
        if alias.name not in {"isqrt", "gcd", "lcm", "comb", "prod"}
    }
    imported = {
        path
        for path in money_files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import) and any(alias.name == "math" for alias in node.names)
    }
    assert (named, imported) == (set(), set())


@pytest.mark.parametrize("package", ["db", "api"])
def test_elsewhere_a_float_is_a_time(package: str) -> None:
    for path in python(package):
        lines = text(path).splitlines()
        for found in floats(path):
            line = lines[int(found.split(":")[1].split(" ")[0]) - 1]
            assert _TIME.search(line.lower()), f"{found}: {line.strip()}"


def test_the_web_page_does_no_arithmetic_on_text() -> None:
    pages = [path for path in tracked() if path.startswith("api/") and path.endswith((".html", ".js"))]
    assert [path for path in pages if re.search(r"parseFloat|toFixed|Number\(", text(path))] == []
