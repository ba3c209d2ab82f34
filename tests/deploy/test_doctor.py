"""Every way of a broken set-up: doctor names the fault and the mend, on real servers."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from solders.keypair import Keypair
from temporalio import activity
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.solana.rpc import SolanaRpc
from deploy.doctor.chain import Endpoint, examine_chain
from deploy.doctor.finding import Finding, Verdict, examined, public
from deploy.doctor.servers import examine_api, examine_postgres, examine_redis
from deploy.doctor.temporal import examine_temporal
from deploy.local.postgres import libpq_url
from deploy.localnet.server import running_localnet
from deploy.localnet.settings import LocalnetSettings
from deploy.temporal.provision import provision
from tests.activities.signing_services import NodeHandler, serving
from tests.servers import PostgresServer, RedisServer, free_port
from workflows.domain.clusters import CLUSTERS, ClusterName
from workflows.names import REFRESH_POOLS_ID, TASK_QUEUE
from workflows.plugin import order_engine_plugin
from workflows.quote import QuoteWorkflow

OK, WARNING, FAILURE = Verdict.OK, Verdict.WARNING, Verdict.FAILURE


def verdicts(findings: Sequence[Finding]) -> dict[str, Verdict]:
    """The verdict of each check."""
    return {each.check: each.verdict for each in findings}


def found(findings: Sequence[Finding], check: str) -> Finding:
    """What one check found; a fault always comes with its mend."""
    (finding,) = [each for each in findings if each.check == check]
    assert bool(finding.mend) == (finding.verdict is not OK)
    return finding


def ahead(seconds: float) -> Any:
    """A machine whose clock is wrong by so many seconds."""
    return lambda: time.time() + seconds


class TestPostgres:
    """The database."""

    async def test_a_good_one_is_ok(self, postgres_server: PostgresServer) -> None:
        findings = await examine_postgres(postgres_server.url(), time.time)
        assert set(verdicts(findings).items()) == {("postgres", OK), ("schema", OK), ("clock of postgres", OK)}

    async def test_a_schema_that_was_never_made(self, postgres_server: PostgresServer) -> None:
        async with database(postgres_server, "doctor_empty") as url:
            finding = found(await examine_postgres(url, time.time), "schema")
        assert (finding.verdict, finding.mend) == (FAILURE, "run order-engine migrate")
        assert "migrations are missing" in finding.says

    async def test_a_schema_of_a_newer_version(self, postgres_server: PostgresServer) -> None:
        async with database(postgres_server, "doctor_newer") as url:
            async with await psycopg.AsyncConnection.connect(libpq_url(url), autocommit=True) as connection:
                await connection.execute("CREATE TABLE alembic_version (version_num varchar(32))")
                await connection.execute("INSERT INTO alembic_version VALUES ('9999')")
            finding = found(await examine_postgres(url, time.time), "schema")
        assert finding.verdict is FAILURE
        assert "revision 9999" in finding.says
        assert "newer" in finding.mend

    async def test_nobody_there(self) -> None:
        url = f"postgresql://postgres:s3cret@127.0.0.1:{free_port()}/x"
        (finding,) = await examined("postgres", "start it", lambda: examine_postgres(url, time.time))
        assert (finding.verdict, finding.mend) == (FAILURE, "start it")
        assert "s3cret" not in finding.says

    @pytest.mark.parametrize(("seconds", "verdict"), [(10, WARNING), (-10, WARNING), (60, FAILURE), (-60, FAILURE)])
    async def test_a_clock_that_is_wrong(
        self, postgres_server: PostgresServer, seconds: float, verdict: Verdict
    ) -> None:
        finding = found(await examine_postgres(postgres_server.url(), ahead(seconds)), "clock of postgres")
        assert finding.verdict is verdict
        assert f"s {'behind' if seconds > 0 else 'ahead of'} this machine" in finding.says
        assert "NTP" in finding.mend


@asynccontextmanager
async def database(server: PostgresServer, name: str) -> AsyncIterator[str]:
    """An empty database beside the engine's."""
    async with await psycopg.AsyncConnection.connect(libpq_url(server.url("postgres")), autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        try:
            yield server.url(name)
        finally:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


class TestRedisAndApi:
    """What answers, or does not."""

    async def test_a_good_one_is_ok(self, redis_server: RedisServer) -> None:
        assert found(await examine_redis(redis_server.url), "redis").verdict is OK

    async def test_nobody_there(self) -> None:
        address = f"127.0.0.1:{free_port()}"
        (redis,) = await examined("redis", "start it", lambda: examine_redis(f"redis://:s3cret@{address}"))
        (api,) = await examined("api", "start it", lambda: examine_api(f"http://{address}"))
        assert (redis.verdict, api.verdict) == (FAILURE, FAILURE)
        assert "s3cret" not in redis.says


class TestTemporal:
    """The namespace and what has to be in it."""

    async def test_nobody_there(self) -> None:
        address = f"127.0.0.1:{free_port()}"
        (finding,) = await examined("temporal", "start it", lambda: examine_temporal(address, "x", (), time.time))
        assert (finding.verdict, finding.mend) == (FAILURE, "start it")

    async def test_no_namespace(self, temporal_server: WorkflowEnvironment) -> None:
        findings = await examine_temporal(address_of(temporal_server), "never-made", (), time.time)
        assert verdicts(findings) == {"temporal": OK, "temporal namespace": FAILURE}
        finding = found(findings, "temporal namespace")
        assert (finding.says, finding.mend) == ("there is no namespace never-made", "run order-engine setup")

    async def test_a_namespace_with_nothing_in_it(self, temporal_server: WorkflowEnvironment) -> None:
        name = await namespace(temporal_server)
        findings = await examine_temporal(address_of(temporal_server), name, (REFRESH_POOLS_ID,), time.time)
        attributes, schedule, worker = (
            found(findings, check) for check in ("search attributes", "schedule refresh-pools", "worker")
        )
        assert attributes.verdict is schedule.verdict is worker.verdict is FAILURE
        assert "OrderStatus" in attributes.says
        assert attributes.mend == schedule.mend == "run order-engine setup"
        assert worker.mend == "start one: order-engine worker"

    async def test_search_attributes_of_another_type(self, temporal_server: WorkflowEnvironment) -> None:
        name = await namespace(temporal_server)
        kinds = dict.fromkeys(
            ("OrderStatus", "OrderPair", "OrderAccount", "OrderVenue", "OrderReason"),
            IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
        )
        await temporal_server.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=name, search_attributes=kinds | {"OrderType": IndexedValueType.INDEXED_VALUE_TYPE_INT}
            )
        )
        finding = found(await examine_temporal(address_of(temporal_server), name, (), time.time), "search attributes")
        assert finding.verdict is FAILURE
        assert "OrderType is INDEXED_VALUE_TYPE_INT" in finding.says

    async def test_after_setup_and_with_a_worker_all_is_ok_until_the_schedule_is_paused(
        self, temporal_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name, address = f"doctor-{uuid4()}", address_of(temporal_server)
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        monkeypatch.setenv("TEMPORAL_NAMESPACE", name)
        await provision(timedelta(hours=1), timedelta(minutes=1))
        client = await Client.connect(address, namespace=name, plugins=[order_engine_plugin()])
        async with Worker(client, task_queue=TASK_QUEUE, workflows=[QuoteWorkflow], activities=[_nothing]):
            findings = await examine_temporal(address, name, (REFRESH_POOLS_ID,), time.time)
            while verdicts(findings)["worker"] is not OK:
                findings = await examine_temporal(address, name, (REFRESH_POOLS_ID,), time.time)
            assert set(verdicts(findings).values()) == {OK}
            await client.get_schedule_handle(REFRESH_POOLS_ID).pause()
            finding = found(
                await examine_temporal(address, name, (REFRESH_POOLS_ID,), time.time), "schedule refresh-pools"
            )
            assert finding.verdict is WARNING
            assert "--unpause" in finding.mend
            await client.get_schedule_handle(REFRESH_POOLS_ID).delete()

    @pytest.mark.parametrize(("seconds", "verdict"), [(-20, WARNING), (20, WARNING), (200, FAILURE)])
    async def test_a_clock_that_is_wrong(
        self, temporal_server: WorkflowEnvironment, seconds: float, verdict: Verdict
    ) -> None:
        findings = await examine_temporal(address_of(temporal_server), "default", (), ahead(seconds))
        assert found(findings, "clock of temporal").verdict is verdict


def address_of(server: WorkflowEnvironment) -> str:
    return server.client.service_client.config.target_host


async def namespace(server: WorkflowEnvironment) -> str:
    """A new namespace without anything in it."""
    name, retention = f"doctor-{uuid4()}", Duration()
    retention.FromTimedelta(timedelta(days=1))
    await server.client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=retention)
    )
    return name


@activity.defn
async def _nothing() -> None:
    """An activity, so that the worker polls for some."""


GENESIS = str(Keypair().pubkey())
GOOD: Mapping[str, Any] = {
    "getVersion": {"solana-core": "3.1.8", "feature-set": 1},
    "getHealth": "ok",
    "getGenesisHash": GENESIS,
    "getSlot": 400_000,
    "getFirstAvailableBlock": 1_000,
    "getSignatureStatuses": {"context": {"slot": 400_000}, "value": [None]},
    "getEpochInfo": {
        "absoluteSlot": 399_968,
        "blockHeight": 380_000,
        "epoch": 1,
        "slotIndex": 0,
        "slotsInEpoch": 432_000,
        "transactionCount": 1,
    },
}
NOT_KEPT = {"code": -32011, "message": "Transaction history is not available from this node"}
BEHIND = {"code": -32005, "message": "Node is behind by 200 slots", "data": {"numSlotsBehind": 200}}


@contextmanager
def node(**answers: Any) -> Any:
    """A node that is good but for these answers."""
    now = {"getBlockTime": int(time.time())}
    with serving(type("Node", (NodeHandler,), {"answers": {**GOOD, **now, **answers}})) as service:
        yield service.url


async def asked(*urls: str, cluster: ClusterName = ClusterName.LOCALNET) -> Sequence[Finding]:
    """What is found about these nodes."""
    endpoints = [Endpoint(url, SolanaRpc(url)) for url in urls]
    try:
        return await examine_chain(CLUSTERS[cluster], endpoints, time.time)
    finally:
        for endpoint in endpoints:
            await endpoint.rpc.close()


class TestNodes:
    """The RPC nodes."""

    async def test_localnet_is_ok(self, tmp_path: Path) -> None:
        async with running_localnet(LocalnetSettings(port=0, data_dir=tmp_path)) as url, httpx.AsyncClient() as http:
            # In its very first slot a cluster has no confirmed block.
            await http.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "localnet_warpSlots", "params": [2]})
            findings = await asked(url)
        assert len(findings) == 5
        assert set(verdicts(findings).values()) == {OK}

    async def test_nobody_there(self) -> None:
        (finding,) = await asked(f"http://127.0.0.1:{free_port()}/?api-key=s3cret")
        assert finding.verdict is FAILURE
        assert "ORDER_ENGINE_SOLANA_RPC_URL" in finding.mend
        assert "s3cret" not in finding.says

    @pytest.mark.parametrize(
        ("fault", "check", "verdict", "said"),
        [
            ({"getVersion": {"solana-core": "1.8.5", "feature-set": 1}}, "rpc", FAILURE, "version 1.8.5"),
            ({"getHealth": BEHIND}, "rpc health", FAILURE, "getHealth"),
            ({"getGenesisHash": CLUSTERS[ClusterName.MAINNET].genesis}, "rpc cluster", FAILURE, "is on mainnet"),
            ({"getBlockTime": int(time.time()) - 3_000}, "rpc block time", FAILURE, "s old"),
            ({"getBlockTime": int(time.time()) + 3_000}, "rpc block time", FAILURE, "in the future"),
            ({"getBlockTime": None}, "rpc block time", WARNING, "does not tell the time"),
            ({"getSignatureStatuses": NOT_KEPT}, "rpc history", FAILURE, "does not search it"),
            ({"getFirstAvailableBlock": 399_000}, "rpc history", WARNING, "keeps 968 slots only"),
        ],
    )
    async def test_a_fault_is_named(self, fault: dict[str, Any], check: str, verdict: Verdict, said: str) -> None:
        with node(**fault) as url:
            findings = await asked(f"{url}/v1/s3cret")
        finding = found(findings, check)
        assert (finding.verdict, said in finding.says) == (verdict, True), finding
        assert "s3cret" not in "".join(each.says for each in findings)
        assert [each.verdict for each in findings if each is not finding] == [OK] * 4

    @pytest.mark.parametrize(("slots", "verdict"), [(0, OK), (40, WARNING), (400, FAILURE)])
    async def test_a_node_behind_the_others(self, slots: int, verdict: Verdict) -> None:
        with node() as good, node(getSlot=400_000 - slots) as other:
            findings = [each for each in await asked(good, other) if each.check == "rpc lag"]
        assert [each.verdict for each in findings] == [OK, verdict]
        assert f"is {slots} slots behind" in findings[1].says

    async def test_a_node_that_is_dead_does_not_hide_the_others(self) -> None:
        with node() as good:
            findings = await asked(f"http://127.0.0.1:{free_port()}", good)
        assert [each.verdict for each in findings] == [FAILURE, OK, OK, OK, OK, OK, OK]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("url='https://node.example/v2/s3cret'", "url='https://node.example'"),
        ("redis://:s3cret@127.0.0.1:6379/0 refused", "redis://127.0.0.1:6379 refused"),
        ("https://u:s3cret@node.example:8899?key=s3cret", "https://node.example:8899"),
        ("no address", "no address"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(text: str, shown: str) -> None:
    assert public(text) == shown


async def test_a_check_that_fails_in_a_way_nobody_thought_of_is_a_failure() -> None:
    async def broken() -> Sequence[Finding]:
        raise KeyError("what")

    (finding,) = await examined("thing", "look at it", broken)
    assert (finding.verdict, finding.says, finding.mend) == (FAILURE, "KeyError: 'what'", "look at it")
