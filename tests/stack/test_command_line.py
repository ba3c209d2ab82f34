"""Exit codes and output of the commands: 0 success, 1 failure with one line on standard error, 2 wrong usage."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.sync.server import ServerConnection, serve

from deploy.cli import client, main

ORDER: dict[str, Any] = {
    "orderId": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "status": "confirmed",
    "phase": "COMPLETED",
    "tokenIn": "SOL",
    "tokenOut": "USDC",
    "amount": "1.5",
    "amountOut": None,
    "type": "market",
    "timeInForce": "ioc",
    "limitPrice": None,
    "stopPrice": None,
    "expireAt": None,
    "deadline": None,
    "slippageBps": 50,
    "attempt": 1,
    "maxAttempts": 3,
    "venue": "raydium",
    "signature": "5wHu1qwD7q4H",
    "filledIn": "1.5",
    "filledOut": "225.1",
    "averagePrice": "150.07",
    "feeLamports": "5010",
    "slot": 7,
    "reason": None,
    "createdAt": "2026-01-01T00:00:00Z",
    "updatedAt": "2026-01-01T00:00:01Z",
    "links": {"temporalUi": "http://127.0.0.1:8233/namespaces/default/workflows/order-0f8f"},
}


def event(seq: int, status: str, phase: str, **more: Any) -> dict[str, Any]:
    blank = {"venue": None, "reason": None, "signature": None, "filledIn": None, "filledOut": None}
    return {"type": "event", "seq": seq, "status": status, "phase": phase, "at": "2026-01-01T00:00:00Z"} | blank | more


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


@contextmanager
def streaming(*connections: list[dict[str, Any]]) -> Iterator[tuple[str, list[int]]]:
    """An API whose stream sends these messages, one list per connection; it breaks all but the last.

    Gives its address, and the `after` of each connection.
    """
    asked: list[int] = []

    def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        asked.append(int(parse_qs(urlsplit(connection.request.path).query)["after"][0]))
        for message in connections[len(asked) - 1]:
            connection.send(json.dumps(message))
        if len(asked) < len(connections):
            connection.socket.shutdown(2)

    with serve(handle, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}", asked
        server.shutdown()
        thread.join()


def test_submit_posts_only_what_was_given(terminal: Terminal) -> None:
    with answering(202, ORDER | {"status": "pending"}) as api:
        code, out, err = terminal.run("order", "submit", "SOL", "USDC", "1.5", "--api-url", api.url)
    assert (code, out, err) == (0, f"order {ORDER['orderId']} pending\n", "")
    assert api.asked == [("POST", "/api/orders", {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"})]


def test_submit_passes_slippage_and_wallet(terminal: Terminal) -> None:
    options = ("--slippage-bps", "5", "--wallet", "poor", "--json")
    with answering(202, ORDER) as api:
        code, out, _ = terminal.run("order", "submit", "SOL", "USDC", "1.5", *options, "--api-url", api.url)
    assert code == 0
    assert json.loads(out) == ORDER
    assert api.asked[0][2]["slippageBps"] == 5
    assert api.asked[0][2]["wallet"] == "poor"


def test_a_refusal_is_one_line_with_its_code_and_advice(terminal: Terminal) -> None:
    problem = {"code": "token_unknown", "detail": "there is no token DOGE", "advice": "See GET /api/tokens."}
    with answering(422, problem) as api:
        code, out, err = terminal.run("order", "submit", "DOGE", "USDC", "1", "--api-url", api.url)
    assert (code, out) == (1, "")
    assert err == "order-engine: token_unknown: there is no token DOGE. See GET /api/tokens.\n"


def test_an_api_out_of_reach_is_one_line(terminal: Terminal) -> None:
    with answering(200, {}) as api:
        pass
    code, _, err = terminal.run("order", "list", "--api-url", api.url)
    assert code == 1
    assert err.startswith(f"order-engine: the API at {api.url} does not answer: ")
    assert err.count("\n") == 1


def test_something_that_is_no_api_is_one_line(terminal: Terminal) -> None:
    with answering(200, b"<html>") as api:
        code, _, err = terminal.run("order", "get", "x", "--api-url", api.url)
    assert (code, err) == (1, f"order-engine: {api.url} answers 200 without JSON: is it the API?\n")


def test_get_shows_what_happened(terminal: Terminal) -> None:
    with answering(200, ORDER) as api:
        code, out, _ = terminal.run("order", "get", ORDER["orderId"], "--api-url", api.url)
    assert code == 0
    assert "confirmed (COMPLETED), attempt 1 of 3" in out
    assert "1.5 SOL for 225.1 USDC" in out
    assert "5wHu1qwD7q4H" in out
    assert api.asked == [("GET", f"/api/orders/{ORDER['orderId']}", None)]


def test_list_shows_a_line_per_order_and_the_way_on(terminal: Terminal) -> None:
    failed = ORDER | {"status": "failed", "filledOut": None, "venue": None, "reason": "slippage_exceeded"}
    with answering(200, {"orders": [ORDER, failed], "nextCursor": "abc"}) as api:
        code, out, _ = terminal.run("order", "list", "--limit", "2", "--api-url", api.url)
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[:2] for line in lines[1:3]] == [[ORDER["orderId"], "confirmed"], [ORDER["orderId"], "failed"]]
    assert "slippage_exceeded" in lines[2]
    assert lines[3] == "more with --cursor abc"
    assert api.asked == [("GET", "/api/orders?limit=2", None)]


def test_watch_goes_on_after_a_broken_connection(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_RECONNECT_PAUSE", 0)
    snapshot = {"type": "snapshot", "order": ORDER}
    first = [snapshot, event(1, "pending", "PENDING"), event(2, "routing", "PROCESSING")]
    second = [snapshot, event(3, "confirmed", "COMPLETED", venue="raydium", filledIn="1.5", filledOut="225.1")]
    with streaming(first, second) as (url, asked):
        code, out, err = terminal.run("order", "watch", ORDER["orderId"], "--api-url", url)
    assert (code, err) == (0, "")
    assert asked == [0, 2]
    assert [line.split()[0] for line in out.splitlines()] == ["1", "2", "3"]
    assert out.endswith("confirmed         raydium  1.5 in, 225.1 out\n")


def test_watch_fails_with_the_reason_when_the_order_does(terminal: Terminal) -> None:
    messages = [{"type": "snapshot", "order": ORDER}, event(1, "failed", "FAILED", reason="insufficient_funds")]
    with streaming(messages) as (url, _):
        code, out, err = terminal.run("order", "watch", "some-id", "--json", "--api-url", url)
    assert (code, err) == (1, "order-engine: order some-id ended failed insufficient_funds\n")
    assert [json.loads(line) for line in out.splitlines()] == messages


def test_watch_of_an_unknown_order_is_one_line(terminal: Terminal) -> None:
    problem = {"type": "problem", "code": "order_not_found", "detail": "there is no order x", "advice": "Check the id."}
    with streaming([problem]) as (url, _):
        code, _, err = terminal.run("order", "watch", "x", "--api-url", url)
    assert (code, err) == (1, "order-engine: order_not_found: there is no order x. Check the id.\n")


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
