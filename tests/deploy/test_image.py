"""The container image: its parts exist, it is not root, it holds no secret, and its programs are shell that runs."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ").splitlines()


def instructions(name: str) -> list[str]:
    return [line.removeprefix(f"{name} ") for line in LINES if line.startswith(f"{name} ")]


def sources() -> list[str]:
    copied = [line.split() for line in instructions("COPY") if "--from=" not in line]
    return [word for words in copied for word in words[:-1] if not word.startswith("--")]


@pytest.mark.parametrize("source", sources())
def test_what_is_copied_exists_and_is_let_through(source: str) -> None:
    assert (ROOT / source).exists()
    allowed = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    assert any(f"!{parent}" in allowed for parent in (source, *map(str, Path(source).parents)))


def test_every_package_of_the_engine_is_in_it() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    packages = re.search(r"^packages = \[(\"workflows\".*)\]$", text, re.MULTILINE)
    assert packages is not None
    assert set(re.findall(r'"(\w+)"', packages.group(1))) <= set(sources())


def test_packages_are_installed_by_hash_only() -> None:
    (install,) = (line for line in instructions("RUN") if "pip install" in line)
    assert "--require-hashes -r /requirements.lock" in install
    assert "--hash=sha256:" in (ROOT / "requirements.lock").read_text()


def test_it_runs_as_a_numbered_user_other_than_root() -> None:
    (user,) = instructions("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_the_entry_point_is_the_console_command() -> None:
    assert instructions("ENTRYPOINT") == ['["order-engine"]']
    assert 'exec python -m deploy.cli.main "$@"' in (ROOT / "deploy" / "order-engine.sh").read_text()


@pytest.mark.parametrize("script", ["deploy/order-engine.sh", "deploy/temporal/create-schema.sh"])
def test_shell_scripts_are_well_formed(script: str) -> None:
    subprocess.run(["/bin/sh", "-n", str(ROOT / script)], check=True)


def test_the_schema_script_prepares_both_databases(tmp_path: Path) -> None:
    """Run it with a tool that only notes its arguments."""
    tool = tmp_path / "temporal-sql-tool"
    tool.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    tool.chmod(0o755)
    script = ROOT / "deploy" / "temporal" / "create-schema.sh"
    subprocess.run(["/bin/sh", str(script)], check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    schema = "/etc/temporal/schema/postgresql/v12"
    assert (tmp_path / "calls").read_text().splitlines() == [
        "--plugin postgres12 --db temporal create",
        "--plugin postgres12 --db temporal setup-schema --version 0.0",
        f"--plugin postgres12 --db temporal update-schema --schema-dir {schema}/temporal/versioned",
        "--plugin postgres12 --db temporal_visibility create",
        "--plugin postgres12 --db temporal_visibility setup-schema --version 0.0",
        f"--plugin postgres12 --db temporal_visibility update-schema --schema-dir {schema}/visibility/versioned",
    ]


def test_it_holds_no_secret() -> None:
    assert not [line for line in LINES if re.search(r"PASSWORD|SECRET|TOKEN|PRIVATE", line)]
