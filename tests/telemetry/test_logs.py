"""Log lines: what they tell, for whom, and what they never tell."""

import io
import json
import logging
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.telemetry.context import Followed, follow, unfollow
from deploy.telemetry.logs import secrets_of, set_up_logs
from deploy.telemetry.redact import Redactor
from deploy.telemetry.sdk import sdk_telemetry
from deploy.telemetry.settings import LogFormat
from tests.e2e.stack import Stack
from tests.e2e.stack import follow as followed_to_its_end

log = logging.getLogger("tests.telemetry")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("httpx", "websockets")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def logged(log_format: LogFormat, stream: io.StringIO, *arguments: Any, **more: Any) -> str:
    set_up_logs("worker", log_format, stream=stream)
    log.warning(*arguments, **more)
    return stream.getvalue()


def test_a_line_is_one_json_object() -> None:
    line = json.loads(logged(LogFormat.AUTO, io.StringIO(), "two\nlines of %s", "text"))
    assert line["message"] == "two\nlines of text"
    assert (line["level"], line["process"], line["logger"]) == ("warning", "worker", "tests.telemetry")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"])


def test_a_terminal_gets_colours_and_a_file_none() -> None:
    assert "\x1b[33mWARNING" in logged(LogFormat.AUTO, Terminal(), "careful")
    assert "\x1b" not in logged(LogFormat.HUMAN, io.StringIO(), "careful")
    assert json.loads(logged(LogFormat.JSON, Terminal(), "careful"))["message"] == "careful"


def test_a_traceback_is_in_the_same_object_and_keeps_no_secret() -> None:
    try:
        raise ValueError("Authorization: Bearer abcdefgh")
    except ValueError:
        line = json.loads(logged(LogFormat.JSON, io.StringIO(), "it broke", exc_info=True))
    assert "ValueError" in line["error"]
    assert "abcdefgh" not in line["error"]


def test_the_order_of_the_running_work_is_named_until_the_work_ends() -> None:
    stream = io.StringIO()
    set_up_logs("worker", LogFormat.JSON, stream=stream)
    order = Followed("an-order", "an-account", 2)
    token = follow(order)
    log.warning("inside")
    unfollow(token)
    log.warning("outside")
    # A task that the work began keeps its context, and works for others from here on.
    token = follow(order)
    log.warning("left behind")
    unfollow(token)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line.get("orderId"), line.get("account"), line.get("attempt")) for line in lines] == [
        ("an-order", "an-account", 2),
        (None, None, None),
        (None, None, None),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://user:hunter22@db.example/x?k=1 is away", "https://db.example is away"),
        ("node https://rpc.example/v2/abcdef0123456789", "node https://rpc.example"),
        ("postgresql+psycopg://postgres:hunter22@db:5432/engine", "postgresql+psycopg://db:5432"),
        ("at http://127.0.0.1:8233/namespaces/default", "at http://127.0.0.1:8233/namespaces/default"),
        ("at http://127.0.0.1:8899/?api-key=abcdef", "at http://127.0.0.1:8899"),
        ("Authorization: Bearer eyJhbGciOi", "Authorization: [redacted]"),
        ("{'authorization': 'Basic dXNlcg=='}", "{'authorization': '[redacted]'}"),
        ("x-api-key=abcdef&x=1", "x-api-key=[redacted]&x=1"),
        ("key oek_abcdefghijkl_" + "A" * 43, "key oek_abcdefghijkl_[redacted]"),
        ("key [" + ", ".join(["12"] * 64) + "]", "key [[redacted]]"),
        ("order 0197a1b2 landed in slot 12", "order 0197a1b2 landed in slot 12"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, told: str) -> None:
    assert Redactor()(text).replace("Bearer ", "").replace("Basic ", "") == told


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=8, max_size=30), st.text())
def test_a_known_secret_is_nowhere(secret: str, around: str) -> None:
    told = Redactor([secret])(f"{around}{secret}{around}")
    assert secret not in told.replace("[redacted]", "") or secret in "[redacted]"


def test_variables_that_are_named_like_secrets_are_known() -> None:
    variables = {"POSTGRES_PASSWORD": "a", "VAULT_TOKEN": "b", "OTEL_EXPORTER_OTLP_HEADERS": "c", "HOME": "d"}
    assert sorted(secrets_of(variables.items())) == ["a", "b", "c"]


async def test_one_order_is_followed_by_its_id_through_the_logs_of_all_processes(watched_stack: Stack) -> None:
    async with watched_stack.client() as client:
        order = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.25", "slippageBps": 100}
        order_id = (await client.post("/api/orders", json=order)).json()["orderId"]
    await followed_to_its_end(watched_stack.api, order_id)
    told = {}
    for process in ("api", "worker"):
        text = (watched_stack.data_dir / "logs" / f"{process}.log").read_text()
        lines = [json.loads(line) for line in text.splitlines()]
        told[process] = [line for line in lines if line.get("orderId") == order_id]
    (accepted,) = told["api"]
    assert accepted["message"] == "accepted: sell 0.25 SOL for USDC, market"
    steps = [line["message"].partition(",")[0] for line in told["worker"]]
    assert steps[0] == "persist_order"
    assert steps[-1] == "publish_status"
    (executed,) = [line for line in told["worker"] if line["message"].startswith("execute_swap")]
    assert (executed["account"], executed["attempt"]) == ("local", 1)
    assert "outcome=landed" in executed["message"]
    # The same trace from the request to the last step.
    assert len({line["traceId"] for line in [accepted, *told["worker"]]}) == 1


def test_what_the_core_of_temporals_sdk_says_is_a_line_like_any_other() -> None:
    stream = io.StringIO()
    set_up_logs("worker", LogFormat.JSON, stream=stream)
    logging_config = sdk_telemetry(None).logging
    assert logging_config is not None
    assert logging_config.forwarding is not None
    # As the core hands it over, from its own threads.
    said = SimpleNamespace(
        target="temporalio_client::retry", message="retried 6 times", time=1.5, level=30, fields={"error": "gone"}
    )
    logging_config.forwarding._on_logs([said])  # type: ignore[list-item]
    line = json.loads(stream.getvalue())
    assert line["message"] == "retried 6 times {'error': 'gone'}"
    assert (line["level"], line["process"]) == ("warning", "worker")
    assert line["logger"] == "temporalio.core-sdk_core::temporalio_client::retry"
