"""What must not be in any tracked file: traces of the machine that made it, its registries, its secrets."""

import os
import re
import socket
import sys
from pathlib import Path

import pytest

from tests.architecture.project import ROOT, text, tracked

LOCKS = ("requirements.lock", "requirements-dev.lock")

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
# A Solana CLI key file: 64 numbers in brackets and nothing else.
_KEY_FILE = re.compile(r"\A\s*\[\s*(?:\d{1,3}\s*,\s*){63}\d{1,3}\s*\]\s*\Z")


def containing(part: str) -> list[str]:
    """The tracked files that contain the text."""
    return [path for path in tracked() if part in text(path)]


def test_no_file_names_a_directory_of_this_machine() -> None:
    # Containers check out into directories of one level; their names are ordinary words.
    checkout = str(ROOT) if len(ROOT.parts) > 2 else f"{ROOT}/pyproject.toml"
    assert containing(checkout) == []
    assert containing(f"{Path.home()}/") == []
    assert containing(f"{sys.prefix}/") == []


def test_no_file_names_this_host() -> None:
    host = socket.gethostname()
    # Names such as "build" or "runner" occur in any text.
    if len(host) >= 10 or any(letter.isdigit() for letter in host):
        assert containing(host) == []


def test_no_file_names_a_package_registry() -> None:
    settings = (os.environ.get(name, "") for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL"))
    for address in " ".join(settings).split():
        assert containing(address) == []


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_pins_every_package_by_hash_and_names_no_index(name: str) -> None:
    lock = text(name)
    assert "://" not in lock
    assert "--index" not in lock
    packages = re.split(r"^(?=[^\s#])", lock, flags=re.MULTILINE)[1:]
    assert len(packages) > 20
    assert [package for package in packages if "==" not in package or "--hash=sha256:" not in package] == []


def test_no_file_holds_a_key() -> None:
    assert [path for path in tracked() if _PRIVATE_KEY.search(text(path)) or _KEY_FILE.search(text(path))] == []


def test_no_file_has_work_left_in_it() -> None:
    left = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")
    assert [path for path in tracked() if left.search(text(path))] == []
