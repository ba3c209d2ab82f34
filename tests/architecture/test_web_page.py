"""The web page keeps the rules of the house: small files, nothing from outside, no JavaScript number for money."""

import re

import pytest

from tests.architecture.project import ROOT, text, tracked

FILES = [path for path in tracked() if path.startswith("api/web/")]
SCRIPTS = [path for path in FILES if path.endswith(".js")]
LINE_LIMIT = 250


def test_there_is_a_page() -> None:
    assert "api/web/index.html" in FILES
    assert len(SCRIPTS) > 20


@pytest.mark.parametrize("path", SCRIPTS)
def test_a_script_holds_one_idea_and_says_which(path: str) -> None:
    lines = text(path).splitlines()
    assert len(lines) <= LINE_LIMIT
    assert lines[0].startswith("// ")


@pytest.mark.parametrize("path", FILES)
def test_a_file_names_no_address_outside(path: str) -> None:
    outside = re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s\"']*", re.sub(r"(?m)^\s*//.*$", "", text(path)))
    assert [address for address in outside if "www.w3.org" not in address] == []


def test_the_page_starts_no_script_inside_itself() -> None:
    page = text("api/web/index.html")
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"\son[a-z]+=", page) == []


def test_no_html_is_made_from_text() -> None:
    made = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")
    assert [path for path in SCRIPTS if made.search(text(path))] == []


def test_exact_decimals_know_no_number() -> None:
    for name in ("decimal", "chart"):
        code = re.sub(r"(?m)^\s*//.*$", "", text(f"api/web/scripts/lib/{name}.js"))
        assert re.findall(r"Number|Math\.|parseInt|\d\.\d", code) == [], name


def test_the_page_is_part_of_the_wheel() -> None:
    # The packages are taken whole, so that what lies in one of them is in the wheel and in the image.
    assert re.search(r'^packages = \[.*"api".*\]$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert [line for line in (ROOT / ".gitignore").read_text().splitlines() if line.strip().startswith("api")] == []
