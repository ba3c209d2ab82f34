"""Tokens and quotes."""

import asyncio

import pytest

from db.database import Database
from db.registry import TokenRepository
from tests.api.running import Api, RunWorker, order_body, serving
from tests.samples import SOL, USDC
from tests.servers import PostgresServer
from tests.workflows.scripted import Script, has_no_pools, pays, refuses, unreadable


async def test_tokens_are_listed(api: Api):
    assert (await api.http.get("/api/tokens")).json() == {
        "tokens": [token.model_dump() for token in (SOL, USDC)],
    }


async def test_both_venues_are_compared(api: Api, run_worker: RunWorker):
    async with run_worker(Script()):
        answer = await api.http.post("/api/quotes", json=order_body(slippageBps=100))
    quote = answer.json()
    assert answer.status_code == 200
    assert (quote["tokenIn"], quote["tokenOut"], quote["amount"], quote["slippageBps"]) == ("SOL", "USDC", "1.5", 100)
    assert [(venue["venue"], venue["slot"], len(venue["quotes"])) for venue in quote["venues"]] == [
        ("raydium", 7, 1),
        ("meteora", 7, 1),
    ]
    best = quote["best"]
    assert (best["venue"], best["amountOut"], best["amountOutBaseUnits"]) == ("raydium", "291", "291000000")
    decision = quote["decision"]
    assert decision["legs"] == [best]
    assert (decision["amountOut"], decision["leastOut"], decision["price"]) == ("291", "288.09", "194")
    assert decision["gainBps"] == "34.48"
    assert decision["why"].startswith("raydium cpmm pays 291 USDC for 1.5 SOL")
    assert (quote["reason"], quote["detail"]) == (None, "")


async def test_a_venue_that_is_away_leaves_the_other(api: Api, run_worker: RunWorker):
    async with run_worker(Script(raydium=(unreadable(),), meteora=(pays(290_000_000),))):
        quote = (await api.http.post("/api/quotes", json=order_body())).json()
    raydium, _ = quote["venues"]
    assert (raydium["quotes"], raydium["reason"], raydium["detail"]) == ([], "chain_unavailable", "the node is away")
    assert quote["best"]["venue"] == "meteora"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (Script(raydium=(has_no_pools,), meteora=(has_no_pools,)), "pair_unsupported"),
        (Script(raydium=(refuses("ZeroTradingTokens"),), meteora=(has_no_pools,)), "liquidity_insufficient"),
        (Script(raydium=(unreadable(),), meteora=(unreadable(),)), "quote_unavailable"),
    ],
)
async def test_without_a_quote_the_answer_says_why(api: Api, run_worker: RunWorker, script: Script, reason: str):
    async with run_worker(script):
        answer = await api.http.post("/api/quotes", json=order_body())
    quote = answer.json()
    assert answer.status_code == 200
    assert (quote["best"], quote["decision"], quote["reason"]) == (None, None, reason)
    assert quote["detail"]


async def test_without_a_worker_there_are_no_quotes(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("api.engine._QUOTE_TIMEOUT_SECONDS", 1.0)
    answer = await api.http.post("/api/quotes", json=order_body())
    assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")


async def test_a_new_token_is_known_within_moments(api: Api, database: Database):
    bonk = SOL.model_copy(update={"mint": "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", "symbol": "BONK"})
    await TokenRepository(database).upsert([bonk])
    while (await api.http.post("/api/orders", json=order_body(tokenIn="bonk"))).status_code != 202:
        assert (await api.http.get("/api/tokens")).status_code == 200
        await asyncio.sleep(0.1)


async def test_without_postgresql_and_without_having_read_the_tokens_there_are_none(
    api_settings, task_queue: str, postgres_server: PostgresServer
):
    await postgres_server.stop()
    try:
        async with serving(api_settings) as api:
            for method, path in (("GET", "/api/tokens"), ("POST", "/api/orders")):
                answer = await api.http.request(method, path, json=order_body() if method == "POST" else None)
                assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")
            readiness = await api.http.get("/readyz")
            assert readiness.status_code == 503
            assert readiness.json()["checks"]["postgres"]["state"] == "down"
    finally:
        await postgres_server.start()
