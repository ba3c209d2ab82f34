"""Whatever is sent to whichever operation, with whatever key: no 5xx, and no answer that the OpenAPI document does not
state: status, media type, headers, schema, and the code of a problem.

More of it with HYPOTHESIS_PROFILE=long.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from redis.asyncio import Redis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import openapi_document
from api.settings import ApiAuth, ApiSettings
from db.database import Database
from db.keys import ApiKeyRepository
from db.orders import OrderRepository
from db.registry import TokenRepository
from tests.api.running import Api, RunWorker, serving
from tests.api.test_orders import traded
from tests.samples import SOL, USDC
from tests.servers import RedisServer
from tests.workflows.scripted import Script
from workflows.domain.access import ApiKey, Scope, new_key

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

SCHEMA = schemathesis.openapi.from_dict(openapi_document())
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]

# A generated value costs far more than its request: these are for each operation, key, and good or bad values.
EXAMPLES = settings().max_examples // 10


@pytest.fixture
async def guarded(
    api_settings: ApiSettings,
    task_queue: str,
    database: Database,
    redis_server: RedisServer,
    run_worker: RunWorker,
) -> AsyncIterator[Api]:
    """An API that wants keys and counts nobody's calls, with a worker for all it may ask."""
    await TokenRepository(database).upsert([SOL, USDC])
    async with Redis.from_url(redis_server.url) as redis:
        await redis.flushdb()
    changes = {"api_auth": ApiAuth.KEYS, "api_read_rate": 100_000, "api_trade_rate": 100_000}
    async with run_worker(Script()), serving(api_settings.model_copy(update=changes)) as api:
        yield api


@pytest.mark.timeout(60 + 3 * EXAMPLES)
@pytest.mark.parametrize("scope", [None, Scope.READ, Scope.TRADE])
async def test_every_answer_is_one_that_the_document_states(guarded: Api, database: Database, scope: Scope | None):
    key = None
    if scope is not None:
        key_id, key = new_key(b"\x01" * 42)
        now = datetime.now(UTC)
        stored = ApiKey(id=key_id, account="local", name="", scopes=frozenset({scope}), created_at=now)
        await ApiKeyRepository(database).create(stored, key)
    order = await traded(OrderRepository(database))
    examples = EXAMPLES if scope is not None else 1
    await asyncio.to_thread(_probe_all, f"http://127.0.0.1:{guarded.port}", key, order.order_id, examples)


def _probe_all(address: str, key: str | None, order_id: str, examples: int) -> None:
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    for operation in OPERATIONS:
        for mode in GenerationMode:
            _probe(operation, mode, address, headers, order_id, examples)


def _probe(
    operation: Any, mode: GenerationMode, address: str, headers: dict[str, str], order_id: str, examples: int
) -> None:
    asked = False

    @given(operation.as_strategy(mode), st.booleans())
    @settings(
        max_examples=examples,
        phases=(Phase.generate,),
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def run(case: schemathesis.Case, exists: bool) -> None:
        nonlocal asked
        asked = True
        # No generator finds the id of an order, or the name of a token.
        if exists and "order_id" in case.path_parameters:
            case.path_parameters["order_id"] = order_id
        if exists and isinstance(case.body, dict) and "tokenIn" in case.body:
            case.body |= {"tokenIn": "SOL", "tokenOut": "USDC"}
        if exists and isinstance(case.query, dict) and "tokenIn" in case.query:
            case.query |= {"tokenIn": "SOL", "tokenOut": "USDC"}
        _ask(case, address, headers)

    # Where any text is a parameter, or there is none, nothing can be wrong.
    with contextlib.suppress(Unsatisfiable):
        run()
    assert asked or mode is GenerationMode.NEGATIVE


def _ask(case: schemathesis.Case, address: str, headers: dict[str, str]) -> None:
    request = case.as_transport_kwargs(address)
    # A connection of its own: that of an event stream has no end.
    with requests.request(
        **request | {"headers": {**request["headers"], **headers}}, stream=True, timeout=30
    ) as answer:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            # How it begins is what counts here.
            answer._content = b""
        case.validate_response(answer, checks=CHECKS)
