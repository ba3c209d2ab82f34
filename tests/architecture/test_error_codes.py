"""Every error code is given by somebody."""

import ast

from tests.architecture.project import PACKAGES, python, tree
from workflows.domain.errors import ErrorCode

_DEFINED = ("workflows/domain/errors.py", "workflows/domain/error_table.py")


def _given(path: str) -> set[str]:
    """The codes that a file names, as a member of the table or, where money knows no table, by their text."""
    nodes = list(ast.walk(tree(path)))
    members = {
        node.attr.lower()
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ErrorCode"
    }
    return members | {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_no_code_is_left_that_nothing_answers_with() -> None:
    given = set[str]().union(*(_given(path) for path in python(*PACKAGES) if path not in _DEFINED))
    assert set(ErrorCode) <= given
