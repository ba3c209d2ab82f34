"""`order-engine order` in front of the API: what it prints for people and for programs."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.cli import order, order_view, output
from deploy.cli.failure import CommandError
from tests.api.running import Api, RunWorker, StoringActivities
from tests.api.test_changes import AT_150, UNKNOWN, becomes, opened
from tests.workflows.scripted import EXPIRED, Script

LATER = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"

SELL = ("SOL", "USDC", "1.5")
SUBMITTED: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    ((*SELL, "--slippage-bps", "5", "--max-attempts", "2"), {"type": "market", "amount": "1.5", "slippageBps": 5}),
    (
        ("SOL", "USDC", "--amount-out", "100", "--max-amount-in", "1"),
        {"type": "market", "amountOut": "100", "amount": "1"},
    ),
    ((*SELL, "--type", "limit", "--limit-price", "400"), {"type": "limit", "limitPrice": "400", "timeInForce": "gtc"}),
    (
        (*SELL, "--type", "limit", "--limit-price", "400", "--time-in-force", "gtd", "--expire-at", LATER),
        {"timeInForce": "gtd", "expireAt": LATER},
    ),
    (
        (*SELL, "--type", "limit", "--limit-price", "400", "--time-in-force", "day", "--deadline", LATER),
        {"timeInForce": "day", "deadline": LATER},
    ),
    ((*SELL, "--type", "stop", "--stop-price", "20"), {"type": "stop", "stopPrice": "20"}),
    (
        (*SELL, "--type", "stop_limit", "--stop-price", "20", "--limit-price", "18"),
        {"type": "stop_limit", "stopPrice": "20", "limitPrice": "18"},
    ),
    ((*SELL, "--type", "take_profit", "--stop-price", "400"), {"type": "take_profit", "stopPrice": "400"}),
]


@dataclass
class Ran:
    code: int
    out: str
    # What the command fails with.
    told: str | None

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Run = Callable[..., Awaitable[Ran]]


@pytest.fixture
def run(api: Api, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("ORDER_ENGINE_API_URL", f"http://127.0.0.1:{api.port}")

    async def ran(*arguments: str) -> Ran:
        # In a thread: the API answers in this one.
        result = await asyncio.to_thread(CliRunner().invoke, order.app, arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit | CommandError):
            raise result.exception
        told = str(result.exception) if isinstance(result.exception, CommandError) else None
        return Ran(result.exit_code, result.stdout, told)

    return ran


@pytest.fixture
async def worker(run_worker: RunWorker) -> AsyncIterator[StoringActivities]:
    async with run_worker(AT_150) as activities:
        yield activities


class TestSubmit:
    async def test_every_type_is_placed(self, run: Run):
        for arguments, expected in SUBMITTED:
            answer = await run("submit", *arguments, "--json")
            assert answer.told is None, answer.told
            placed = json.loads(answer.out)
            assert {name: placed[name] for name in expected} == expected, arguments

    async def test_it_says_what_the_order_is_called(self, api: Api, run: Run):
        first = await run("submit", *SELL, "--client-order-id", "from-the-console")
        again = await run("submit", *SELL, "--client-order-id", "from-the-console")
        assert first.out == again.out
        assert re.fullmatch(r"order [0-9a-f-]{36} pending\n", first.out)
        shown = await run("get", "from-the-console", "--client", "--json")
        assert json.loads(shown.out)["orderId"] == first.out.split()[1]

    async def test_watched_it_is_told_to_the_end(self, run: Run, worker):
        answer = await run("submit", *SELL, "--watch")
        assert (answer.code, answer.told) == (0, None)
        assert [line.split()[3] for line in answer.lines[1:]] == [
            "pending",
            "routing",
            "building",
            "submitted",
            "confirmed",
        ]
        assert answer.out.endswith("1.5 in, 290 out\n")

    @pytest.mark.parametrize(
        "arguments",
        [("SOL", "USDC"), (*SELL, "--amount-out", "3"), (*SELL, "--deadline", "soon"), (*SELL, "--type", "iceberg")],
    )
    async def test_wrong_usage(self, run: Run, arguments: tuple[str, ...]):
        assert (await run("submit", *arguments)).code == 2

    async def test_what_is_refused_names_its_field(self, run: Run):
        answer = await run("submit", *SELL, "--slippage-bps", "20000")
        assert answer.code == 1
        assert answer.told is not None
        assert "slippageBps: " in answer.told


class TestRead:
    async def test_a_list_is_filtered_and_goes_on(self, api: Api, run: Run, worker):
        limits = [await opened(api) for _ in range(2)]
        await becomes(api, (await api.submit())["orderId"], "confirmed")
        page = await run("list", "--type", "limit", "--status", "open", "--pair", "USDC/SOL", "--limit", "1")
        header, row, more = page.lines
        assert header.split() == ["order", "status", "trade", "filled", "venue", "created"]
        assert row.startswith(f"{limits[1]}  open    limit 1.5 SOL for USDC limit 200")
        onward = more.removeprefix("more with ").split()
        rest = await run("list", "--type", "limit", "--status", "open", "--pair", "USDC/SOL", *onward, "--json")
        assert [each["orderId"] for each in json.loads(rest.out)["orders"]] == [limits[0]]
        assert len((await run("list", "--phase", "COMPLETED", "--venue", "raydium")).lines) == 2
        assert len((await run("list", "--created-after", LATER)).lines) == 1

    async def test_an_order_and_why(self, api: Api, run: Run, worker):
        order_id = (await api.submit())["orderId"]
        await becomes(api, order_id, "confirmed")
        shown = await run("get", order_id)
        assert "confirmed (COMPLETED), attempt 1 of " in shown.out
        assert f"signature 1 of {order_id}" in shown.out
        told = await run("explain", order_id)
        assert len(told.lines) > 2
        assert f"signature 1 of {order_id} landed" in told.lines[-1]
        data = json.loads((await run("explain", order_id, "--json")).out)
        assert told.lines[0] == data["title"]

    async def test_nothing_is_coloured_or_folded_in_a_pipe(self, api: Api, run: Run, worker):
        order_id = (await api.submit())["orderId"]
        await becomes(api, order_id, "confirmed")
        for arguments in (("list",), ("get", order_id), ("watch", order_id), ("explain", order_id)):
            answer = await run(*arguments)
            assert "\x1b" not in answer.out, arguments
            assert order_id in answer.out, arguments

    async def test_watching_fails_with_the_reason(self, run: Run, api: Api, run_worker: RunWorker):
        async with run_worker(Script(outcomes=(EXPIRED,))):
            order_id = (await api.submit(maxAttempts=1))["orderId"]
            answer = await run("watch", order_id, "--json")
        assert (answer.code, answer.told) == (1, f"order {order_id} ended failed blockhash_expired")
        messages = [json.loads(line) for line in answer.lines]
        assert [each["type"] for each in messages][:2] == ["snapshot", "event"]
        assert [each["seq"] for each in messages[1:]] == list(range(1, len(messages)))

    async def test_an_unknown_order(self, run: Run):
        for name in ("get", "watch", "explain", "cancel"):
            answer = await run(name, UNKNOWN)
            assert answer.code == 1
            assert (answer.told or "").startswith("order_not_found: "), name


class TestChange:
    async def test_an_amendment_may_depend_on_the_version(self, api: Api, run: Run, worker):
        order_id = await opened(api)
        changed = await run("amend", order_id, "--limit-price", "300", "--version", "2")
        assert changed.out == f"order {order_id} open at version 3\n"
        late = await run("amend", order_id, "--limit-price", "301", "--version", "2")
        assert (late.told or "").startswith("version_mismatch: ")
        anyway = json.loads((await run("amend", order_id, "--slippage-bps", "9", "--json")).out)
        assert (anyway["limitPrice"], anyway["slippageBps"]) == ("300", 9)

    async def test_a_cancellation_is_definite(self, api: Api, run: Run, worker):
        order_id = await opened(api)
        assert (await run("cancel", order_id)).out == f"order {order_id} is canceled\n"
        again = await run("cancel", order_id)
        assert (again.code, again.told) == (1, f"too late: order {order_id} is canceled")

    async def test_all_that_fit_are_canceled(self, api: Api, run: Run, worker):
        order_id = await opened(api)
        assert (await run("cancel-all", "--type", "stop")).out == "no order to cancel\n"
        answer = await run("cancel-all", "--pair", "SOL/USDC", "--type", "limit")
        assert [line.split() for line in answer.lines] == [
            ["order", "answer", "status"],
            [order_id, "canceled", "canceled"],
        ]

    async def test_the_switch(self, run: Run, worker):
        assert (await run("cancel-all-after", "60")).out.startswith("all orders are canceled at 2")
        assert (await run("cancel-all-after", "0")).out == "the switch is off\n"


@pytest.mark.parametrize("width", [80, 120, 160])
async def test_a_table_fits_the_terminal_and_ids_stay_whole(
    api: Api, worker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    from api.schemas import OrderPage

    await opened(api, type="stop_limit", stopPrice="100", limitPrice="90")
    page = OrderPage.model_validate((await api.http.get("/api/orders")).json())
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    assert output.terminal_width() == width
    output.print_table(*order_view.list_rows(page.orders, width))
    shown = capsys.readouterr().out
    lines = re.sub("\x1b\\[[0-9;]*m", "", shown).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 3
    assert page.orders[0].order_id in lines[1]
