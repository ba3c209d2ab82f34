"""The house rules that a reader relies on, checked over every tracked file."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 400
PACKAGES = ("workflows", "activities", "api", "db", "deploy")


def tracked(*patterns: str) -> list[Path]:
    """The files of the checkout that git tracks, or all of them outside a checkout."""
    listed = subprocess.run(["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
    return [path for pattern in patterns for path in ROOT.rglob(pattern) if ".venv" not in path.parts]


def modules() -> list[Path]:
    return [path for path in tracked("*.py") if path.relative_to(ROOT).parts[0] in PACKAGES]


def public_definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def test_the_root_holds_what_the_design_names() -> None:
    visible = {path.relative_to(ROOT).parts[0] for path in tracked("*")}
    assert {name for name in visible if not name.startswith(".")} == {
        *PACKAGES,
        "tests",
        "pyproject.toml",
        "README.md",
        "CHANGELOG.md",
        "Makefile",
        "docker-compose.yml",
        "requirements.lock",
        "requirements-dev.lock",
    }


def test_no_file_is_longer_than_one_idea() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in tracked("*.py")}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_public_name_states_its_contract(path: Path) -> None:
    tree = ast.parse(path.read_text())
    if not tree.body:
        return
    assert ast.get_docstring(tree), "the module has no docstring"
    silent = [node.name for node in public_definitions(tree) if not ast.get_docstring(node)]
    assert silent == []


def test_importing_the_domain_does_not_import_temporal() -> None:
    program = "import sys, workflows.domain.order, workflows.domain.routing; print('temporalio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert (ROOT / "workflows" / "__init__.py").read_text() == ""


@pytest.mark.parametrize("folder", ["workflows/domain", "activities/venues", "db"])
def test_no_float_touches_money(folder: str) -> None:
    seconds = ("seconds", "timeout", "delay", "age")
    found = []
    for path in tracked(f"{folder}/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            of_time = isinstance(node, ast.AnnAssign | ast.arg) and any(
                word in getattr(node, "arg", ast.unparse(getattr(node, "target", ast.Name("")))) for word in seconds
            )
            annotation = getattr(node, "annotation", None)
            if isinstance(annotation, ast.Name) and annotation.id == "float" and not of_time:
                found.append(f"{path.relative_to(ROOT)}:{annotation.lineno}")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


def test_the_layers_import_each_other_as_agreed() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_lock_files_pin_every_package_and_name_no_index() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        requirements = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert requirements
        assert all("==" in line for line in requirements)
        assert text.count("--hash=sha256:") >= len(requirements)
