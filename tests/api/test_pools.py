"""The pools of a pair over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from temporalio import activity
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from db.database import Database
from db.registry import PoolRepository
from tests.api.running import Api
from tests.samples import SOL, USDC
from workflows.domain.errors import ErrorCode
from workflows.domain.pools import RegisteredPool
from workflows.messages import PairSurvey, SurveyedPool, SurveyPair
from workflows.survey import SurveyWorkflow

SURVEY = PairSurvey(
    slot=7,
    sizes=(100_000_000, 1_330_000_000),
    pools=(
        SurveyedPool(
            venue="raydium",
            kind="cpmm",
            pool="good",
            price=Decimal("0.1500000001"),
            reserve_in=2_000_000_000_001,
            reserve_out=300_000_000_000,
            fee_bps=Decimal("25.00"),
            amounts_out=(15_000_000, None),
        ),
        SurveyedPool(venue="meteora", kind="dlmm", pool="shut", amounts_out=(None, None), reason="paused"),
    ),
)


@pytest.fixture
def surveying(temporal_server: WorkflowEnvironment, task_queue: str):
    """Runs a worker that answers surveys with what it is given."""

    @asynccontextmanager
    async def run(answer: PairSurvey) -> AsyncIterator[list[SurveyPair]]:
        asked: list[SurveyPair] = []

        @activity.defn
        async def survey_pair(request: SurveyPair) -> PairSurvey:
            asked.append(request)
            return answer

        client = temporal_server.client
        async with Worker(client, task_queue=task_queue, workflows=[SurveyWorkflow], activities=[survey_pair]):
            yield asked

    return run


async def test_pools_are_told_in_token_units(api: Api, database: Database, surveying):
    registered = RegisteredPool("good", "raydium", "cpmm", SOL.mint, USDC.mint)
    out = RegisteredPool("odd", "meteora", "dlmm", SOL.mint, USDC.mint, "frozen", "the mint")
    await PoolRepository(database).upsert([registered, out])
    async with surveying(SURVEY) as asked:
        answer = await api.http.get("/api/pools?tokenIn=sol&tokenOut=USDC")
    told = answer.json()
    assert answer.status_code == 200
    assert asked == [SurveyPair(token_in=SOL, token_out=USDC)]
    assert (told["tokenIn"], told["tokenOut"], told["slot"], told["sizes"]) == ("SOL", "USDC", 7, ["0.1", "1.33"])
    good, shut = told["pools"]
    assert (good["price"], good["depthIn"], good["depthOut"]) == ("150.0000001", "2000.000000001", "300000")
    assert (good["feeBps"], good["amountsOut"], good["reason"]) == ("25.00", ["15", None], None)
    assert good["knownSince"] is not None
    assert (shut["price"], shut["reason"], shut["knownSince"]) == (None, "paused", None)
    assert [(pool["pool"], pool["reason"], pool["detail"]) for pool in told["excluded"]] == [
        ("odd", "frozen", "the mint")
    ]


async def test_a_pair_that_cannot_be_read_is_a_problem(api: Api, surveying):
    async with surveying(PairSurvey(reason=ErrorCode.CHAIN_UNAVAILABLE, detail="the node is away")):
        answer = await api.http.get("/api/pools?tokenIn=SOL&tokenOut=USDC")
    assert (answer.status_code, answer.json()["code"]) == (503, "chain_unavailable")
    assert answer.json()["detail"] == "the node is away"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("tokenIn=SOL&tokenOut=sol", "tokens_identical"),
        ("tokenIn=SOL&tokenOut=WIF", "token_unknown"),
        ("tokenIn=SOL", "request_invalid"),
        (f"tokenIn=SOL&tokenOut={'x' * 65}", "request_invalid"),
    ],
)
async def test_a_pair_must_be_two_known_tokens(api: Api, query: str, code: str):
    answer = await api.http.get(f"/api/pools?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_without_a_worker_there_is_no_survey(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("api.engine._QUOTE_TIMEOUT_SECONDS", 1.0)
    answer = await api.http.get("/api/pools?tokenIn=SOL&tokenOut=USDC")
    assert (answer.status_code, answer.json()["code"]) == (503, "engine_unavailable")
