"""`order-engine halt` and `resume`, and what `doctor` says of them."""

import getpass
import socket

import pytest

from deploy.cli import main
from deploy.cli.halt import trading
from tests.servers import PostgresServer


class Terminal:
    """Runs the command line in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        self._monkeypatch.setattr("sys.argv", ["order-engine", *arguments])
        with pytest.raises(SystemExit) as end:
            main.main()
        captured = self._capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, captured.out, captured.err


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path) -> Terminal:
    """A terminal in an empty directory, where no stack runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORDER_ENGINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("ORDER_ENGINE_DATABASE_URL", raising=False)
    return Terminal(monkeypatch, capsys)


@pytest.fixture
def connected(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Terminal:
    """A terminal that is told where the database is."""
    monkeypatch.setenv("ORDER_ENGINE_DATABASE_URL", database_url)
    return terminal


def test_trading_is_halted_and_resumed(connected: Terminal, database_url: str) -> None:
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    assert connected.run("resume") == (0, "trading is not halted\n", "")
    assert connected.run("halt", "--reason", "a drill") == (
        0,
        "trading is halted; order-engine resume ends it\n",
        "",
    )
    assert trading(database_url).startswith(f"HALTED: {who} halted trading at 2")
    code, said, _ = connected.run("halt")
    assert (code, said.startswith("trading is halted already: "), said.endswith(" UTC: a drill\n")) == (0, True, True)
    code, said, _ = connected.run("resume")
    assert (code, said.startswith("trading goes on; ended: "), said.endswith(" UTC: a drill\n")) == (0, True, True)
    assert trading(database_url) == "not halted"


@pytest.mark.parametrize("command", ["halt", "resume"])
def test_a_database_that_is_away_is_one_line(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("ORDER_ENGINE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    code, said, complaint = terminal.run(command)
    assert (code, said) == (1, "")
    assert complaint.startswith("order-engine: PostgreSQL does not answer: ")
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("command", ["halt", "resume"])
def test_without_an_address_the_variable_is_named(terminal: Terminal, command: str) -> None:
    code, _, complaint = terminal.run(command)
    assert (code, complaint) == (1, "order-engine: ORDER_ENGINE_DATABASE_URL: Field required\n")


def test_a_database_of_another_version_is_one_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer
) -> None:
    monkeypatch.setenv("ORDER_ENGINE_DATABASE_URL", postgres_server.url("postgres"))
    code, _, complaint = terminal.run("halt")
    assert code == 1
    assert complaint.startswith("order-engine: PostgreSQL refuses: function halt_trading")


@pytest.mark.parametrize(
    ("address", "said"),
    [("postgresql://nobody@127.0.0.1:1/none", "unknown: PostgreSQL does not answer"), ("mysql://a@b/c", "unknown: ")],
)
def test_a_state_that_nobody_tells_is_unknown(address: str, said: str) -> None:
    assert trading(address).startswith(said)


def test_doctor_says_whether_trading_is_halted_and_lists_the_limits(connected: Terminal, monkeypatch) -> None:
    monkeypatch.setenv("ORDER_ENGINE_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("ORDER_ENGINE_RISK_ALLOWED_PAIRS", "SOL/USDC")
    _, said, _ = connected.run("doctor")
    lines = said.splitlines()
    assert any(line.startswith("ORDER_ENGINE_RISK_MAX_PRICE_IMPACT_BPS") and " 200 " in line for line in lines)
    assert any(line.startswith("ORDER_ENGINE_RISK_ALLOWED_PAIRS") and " SOL/USDC " in line for line in lines)
    assert ["ok", "trading", "not", "halted"] in [line.split() for line in lines]
    connected.run("halt", "--reason", "a drill")
    code, said, complaint = connected.run("doctor", "--servers")
    (line,) = (line for line in said.splitlines() if line.split()[1:2] == ["trading"])
    assert line.endswith(": a drill -> order-engine resume, once it may go on")
    assert code == 1
    assert "trading" in complaint
