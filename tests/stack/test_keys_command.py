"""`order-engine keys` as a person runs it, on a real database."""

import json
from pathlib import Path

import pytest

from tests.servers import PostgresServer
from tests.stack.machine import Machine
from workflows.domain.access import key_id_of


@pytest.fixture
def machine(tmp_path: Path, database_url: str) -> Machine:
    machine = Machine(tmp_path / "data")
    machine.environment["ORDER_ENGINE_DATABASE_URL"] = database_url
    return machine


def listed(machine: Machine) -> dict[str, dict[str, object]]:
    return {key["id"]: key for key in machine.json("keys", "list")}


def test_a_key_is_shown_once_and_never_stored(machine: Machine, postgres_server: PostgresServer):
    made = machine.run("keys", "create", "desk", "--name", "bot", "--scopes", "trade,read", "--days", "30")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    key_id = key_id_of(key)
    assert key_id is not None
    assert "shown once" in made.stderr
    table = machine.run("keys", "list").stdout
    assert all(text in table for text in (key_id, "desk", "bot", "read,trade", "until 20"))
    assert key.rpartition("_")[2] not in table + json.dumps(listed(machine))


def test_a_rotated_key_ends_after_its_grace_and_a_revoked_one_now(machine: Machine):
    old = machine.json("keys", "create", "desk", "--scopes", "admin")
    new = machine.json("keys", "rotate", old["id"], "--grace-hours", "1")
    assert (new["account"], new["scopes"]) == ("desk", ["admin"])
    assert new["key"] != old["key"]
    assert listed(machine)[old["id"]]["revoked_at"] is not None
    assert machine.run("keys", "revoke", new["id"]).stdout == f"key {new['id']} is revoked\n"
    states = machine.run("keys", "list").stdout
    assert "revoked" in states
    again = machine.run("keys", "rotate", new["id"])
    assert (again.returncode, "no usable key" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("create", "no/slash"), "an account has"),
        (("create", "desk", "--scopes", "write"), "write is no scope; there are read, trade, admin"),
        (("revoke", "aaaaaaaaaaaa"), "there is no key aaaaaaaaaaaa"),
    ],
)
def test_bad_input_is_one_clear_line(machine: Machine, arguments: tuple[str, ...], says: str):
    result = machine.run("keys", *arguments)
    assert result.returncode == 1
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_server_without_keys_refuses_to_listen_elsewhere(machine: Machine):
    result = machine.run("api", ORDER_ENGINE_API_HOST="0.0.0.0", ORDER_ENGINE_REDIS_URL="redis://127.0.0.1:1")
    assert result.returncode == 1
    assert "ORDER_ENGINE_API_AUTH: without keys the API may not serve on 0.0.0.0" in result.stderr
    assert result.stderr.count("\n") == 1
