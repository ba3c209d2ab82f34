"""The process and what it says of itself."""

import asyncio
import os
import signal
import sys

import httpx
import pytest
from sqlalchemy import text

from api.settings import ApiSettings
from tests.api.running import Api
from tests.servers import free_port


async def test_a_ready_api(api: Api):
    answer = await api.http.get("/readyz")
    up = {"state": "up", "detail": None}
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "ready", "checks": {"temporal": up, "postgres": up, "redis": up}},
    )


@pytest.mark.parametrize(
    "change", ["UPDATE alembic_version SET version_num = '0000'", "ALTER TABLE alembic_version RENAME TO elsewhere"]
)
async def test_an_api_before_another_schema_is_not_ready(api: Api, database, change: str):
    (row,) = await database.fetch(text("SELECT version_num FROM alembic_version"))
    await database.fetch(text(change))
    try:
        answer = await api.http.get("/readyz")
    finally:
        if "RENAME" in change:
            await database.fetch(text("ALTER TABLE elsewhere RENAME TO alembic_version"))
        await database.fetch(text(f"UPDATE alembic_version SET version_num = '{row.version_num}'"))
    assert answer.status_code == 503
    assert "run order-engine migrate" in answer.json()["checks"]["postgres"]["detail"]


async def test_the_description_names_every_route_body_and_problem(api: Api):
    described = (await api.http.get("/openapi.json")).json()
    assert set(described["paths"]) == {
        "/api/orders",
        "/api/orders/by-client-order-id/{client_order_id}",
        "/api/orders/{order_id}",
        "/api/orders/cancel-all",
        "/api/orders/cancel-all-after",
        "/api/orders/{order_id}/cancel",
        "/api/orders/{order_id}/workflow",
        "/api/orders/{order_id}/events",
        "/api/orders/{order_id}/attempts",
        "/api/orders/{order_id}/explain",
        "/api/errors",
        "/api/errors/{code}",
        "/api/events",
        "/api/halt",
        "/api/me",
        "/api/operations",
        "/api/pools",
        "/api/resume",
        "/api/tokens",
        "/api/quotes",
        "/healthz",
        "/readyz",
    }
    order = described["components"]["schemas"]["OrderRequest"]
    assert set(order["properties"]) == {
        "tokenIn",
        "tokenOut",
        "amount",
        "amountOut",
        "maxAmountIn",
        "slippageBps",
        "type",
        "limitPrice",
        "stopPrice",
        "timeInForce",
        "expireAt",
        "deadline",
        "maxAttempts",
        "clientOrderId",
        "wallet",
    }
    assert order["required"] == ["tokenIn", "tokenOut"]
    references = set()

    def collect(value: object) -> None:
        if isinstance(value, dict):
            references.update(each for key, each in value.items() if key == "$ref")
            for each in value.values():
                collect(each)
        elif isinstance(value, list):
            for each in value:
                collect(each)

    collect(described)
    components = described["components"]
    known = {f"#/components/{kind}/{name}" for kind in ("schemas", "examples") for name in components[kind]}
    assert references <= known
    assert (await api.http.get("/docs")).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_process_ends_with_zero_when_told_to(api_settings: ApiSettings, number: signal.Signals):
    port = free_port()
    environment = os.environ | {
        "ORDER_ENGINE_DATABASE_URL": api_settings.database_url.get_secret_value(),
        "ORDER_ENGINE_REDIS_URL": api_settings.redis_url.get_secret_value(),
        "ORDER_ENGINE_API_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from api.server import main; main()", env=environment
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            while True:
                try:
                    assert (await http.get("/healthz")).status_code == 200
                    break
                except httpx.ConnectError:
                    assert process.returncode is None
                    await asyncio.sleep(0.05)
            assert (await http.get("/readyz")).status_code == 200
        process.send_signal(number)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
