"""Exit codes and output of the commands: 0 success, 1 failure with one line on standard error, 2 wrong usage."""

import json
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deploy.cli import client, main


class Terminal:
    """Runs the command line in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        self._monkeypatch.setattr("sys.argv", ["order-engine", *arguments])
        with pytest.raises(SystemExit) as end:
            main.main()
        captured = self._capsys.readouterr()
        code = end.value.code
        assert isinstance(code, int)
        return code, captured.out, captured.err


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any) -> Terminal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORDER_ENGINE_API_URL", raising=False)
    monkeypatch.setenv("ORDER_ENGINE_DATA_DIR", str(tmp_path / "data"))
    return Terminal(monkeypatch, capsys)


class Api:
    """An HTTP server with one answer, which remembers what it was asked."""

    def __init__(self, status: int, body: bytes):
        self.asked: list[tuple[str, str, Any]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                api.asked.append((self.command, self.path, json.loads(sent) if sent else None))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _answer  # noqa: N815 (the names that http.server calls)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def answering(status: int, body: Any) -> Any:
    return closing(Api(status, body if isinstance(body, bytes) else json.dumps(body).encode()))


def test_a_refusal_is_one_line_with_its_code_and_advice(terminal: Terminal) -> None:
    problem = {"code": "token_unknown", "detail": "there is no token DOGE", "advice": "See GET /api/tokens."}
    with answering(422, problem) as api:
        code, out, err = terminal.run("order", "submit", "DOGE", "USDC", "1", "--api-url", api.url)
    assert (code, out) == (1, "")
    assert err == "order-engine: token_unknown: there is no token DOGE. See GET /api/tokens.\n"


def test_an_api_out_of_reach_is_one_line(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PATIENCE_SECONDS", 0)
    with answering(200, {}) as api:
        pass
    code, _, err = terminal.run("order", "list", "--api-url", api.url)
    assert code == 1
    assert err.startswith(f"order-engine: the API at {api.url} does not answer: ")
    assert err.count("\n") == 1


def test_something_that_is_no_api_is_one_line(terminal: Terminal) -> None:
    with answering(200, b"<html>") as api:
        code, _, err = terminal.run("order", "get", "x", "--api-url", api.url)
    assert (code, err) == (1, f"order-engine: not_the_api: {api.url} answers 200 without JSON: is it the API?.\n")


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["up", "--api-port", "0"], ["order", "submit", "SOL"], ["verify-vectors"], ["up", "--slot-ms", "x"]],
)
def test_wrong_usage_is_exit_code_two(terminal: Terminal, arguments: list[str]) -> None:
    code, out, err = terminal.run(*arguments)
    assert (code, out) == (2, "")
    assert "Error: " in err


def test_a_setting_that_cannot_be_is_named(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDER_ENGINE_REDIS_PORT", "many")
    code, _, err = terminal.run("status")
    assert code == 1
    assert err.startswith("order-engine: ORDER_ENGINE_REDIS_PORT: ")


def test_a_setting_that_is_missing_is_named(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORDER_ENGINE_DATABASE_URL", raising=False)
    code, _, err = terminal.run("migrate")
    assert (code, err) == (1, "order-engine: ORDER_ENGINE_DATABASE_URL: Field required\n")


def test_every_command_has_its_help(terminal: Terminal) -> None:
    names = [command.name for command in main.app.registered_commands]
    names += [group.name for group in main.app.registered_groups]
    assert len(names) > 10
    for name in names:
        code, out, _ = terminal.run(str(name), "--help")
        assert code == 0
        assert out.startswith(f"Usage: order-engine {name}")
