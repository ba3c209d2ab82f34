"""The programs of `deploy/examples` do what they say."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from api.client import OrderClient
from deploy.examples import limit_bot, market_order, stream_consumer
from tests.api.running import Api, RunWorker
from tests.api.test_changes import AT_150
from tests.workflows.histories import until
from tests.workflows.scripted import Script, pays, unreadable


@pytest.fixture(autouse=True)
def _address(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDER_ENGINE_API_URL", f"http://127.0.0.1:{api.port}")


async def test_a_market_order_is_sold(run_worker: RunWorker, capsys: pytest.CaptureFixture[str]):
    async with run_worker(AT_150):
        assert await market_order.main() == 0
    assert capsys.readouterr().out.startswith("sold 1.5 SOL for 290 USDC at ")


async def test_the_bot_moves_its_order_with_the_market(
    api: Api, run_worker: RunWorker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("api.quote_feeds._PAUSE_SECONDS", 0.05)
    market = Script(raydium=(pays(150_000_000),), meteora=(unreadable(),))
    async with run_worker(market), OrderClient(f"http://127.0.0.1:{api.port}") as client:
        bot = asyncio.create_task(limit_bot.main())

        async def asks(price: str) -> bool:
            page = await client.list()
            return [(order.status, order.limit_price) for order in page.orders] == [("open", price)]

        await until(lambda: asks("151.5"))
        market.raydium = (pays(160_000_000),)
        await until(lambda: asks("161.6"))
        assert (await client.cancel_all()).failed == []
        market.raydium = (pays(170_000_000),)
        await bot
    assert capsys.readouterr().out == "canceled: 0 USDC\n"


async def test_a_consumer_that_was_away_misses_nothing(api: Api, run_worker: RunWorker, tmp_path: Path):
    position = tmp_path / "position"
    seen: list[tuple[int, str]] = []

    async def read(client: OrderClient, ends: int) -> None:
        async with contextlib.aclosing(stream_consumer.consume(client, position)) as events:
            async for event in events:
                if seen and event.account_seq == seen[-1][0]:
                    # Its work was not known to be done.
                    continue
                seen.append((event.account_seq, event.status))
                if [status for _, status in seen].count("confirmed") == ends:
                    return

    async with run_worker(AT_150), OrderClient(f"http://127.0.0.1:{api.port}") as client:
        await api.submit()
        await read(client, 1)
        await api.submit()
        await read(client, 2)
    assert [number for number, _ in seen] == list(range(1, 11))
