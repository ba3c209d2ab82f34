"""The engine's own worker on real servers, a database to damage, and a reconciler that waits for nobody."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from activities.audit import Audit, audit
from activities.chain_history import ChainHistory
from activities.findings import Patience
from activities.order_workflows import OrderWorkflows
from activities.reconcile import ReconcileActivities
from activities.settings import WorkerSettings
from activities.solana.rpc import SolanaRpc
from activities.worker import order_activities
from db.database import Database
from db.reconciliation import OpenFinding, ReconciliationRepository
from deploy.local.postgres import libpq_url
from deploy.registry import RegistrySettings, fill
from deploy.temporal.provision import provision
from tests.localnet.chain import Chain, running
from tests.samples import order_terms
from tests.servers import RedisServer
from workflows import names
from workflows.domain.order import OrderTerms
from workflows.domain.reconciliation import Finding, FindingKind
from workflows.messages import OrderResult, PartReconciled
from workflows.order import OrderWorkflow
from workflows.plugin import order_engine_plugin
from workflows.reconcile import ReconcileWorkflow
from workflows.starting import start_options

Order = WorkflowHandle[OrderWorkflow, OrderResult]
AT_ONCE = timedelta()

# Slots of 20 ms: the swaps of a test are final after 32 of them.
_SLOTS_TO_FINALITY = 40


@dataclass
class Tally:
    """Counts findings as metrics do."""

    kinds: Counter[tuple[FindingKind, bool]] = field(default_factory=Counter)
    events: int = 0

    def found(self, finding: Finding) -> None:
        """Count."""
        self.kinds[finding.kind, finding.repaired] += 1

    def unrelayed(self, events: int) -> None:
        """Count."""
        self.events += events


@dataclass
class Relay:
    """A relay that says how much it lost."""

    missed: int = 0


class World:
    """One installation."""

    def __init__(self, client: Client, chain: Chain, database: Database, database_url: str, rpc: SolanaRpc) -> None:
        self.client = client
        self.chain = chain
        self.database_url = database_url
        self.store = ReconciliationRepository(database)
        self.tally = Tally()
        self.relay = Relay()
        self._history = ChainHistory(rpc)
        self.activities: Sequence[Callable[..., Any]] = ()
        self.task_queue = f"orders-{uuid4()}"

    @property
    def workflows(self) -> OrderWorkflows:
        """Temporal's side."""
        return OrderWorkflows(self.client, self.task_queue)

    def worker(
        self,
        activities: Sequence[Callable[..., Any]],
        stuck: timedelta = timedelta(hours=1),
        grace: timedelta = timedelta(minutes=1),
    ) -> Worker:
        """The engine's worker, whose reconciliation looks at every order at once."""
        patience = Patience(quiet=AT_ONCE, stuck=stuck, grace=grace)
        ours = ReconcileActivities(self.store, self._history, None, self.relay, patience, self.tally)
        replaced = [each for each in activities if "reconcil" not in each.__name__]
        return Worker(
            self.client,
            task_queue=self.task_queue,
            workflows=[OrderWorkflow, ReconcileWorkflow],
            activities=[
                *replaced,
                ours.begin_reconciliation,
                ours.reconcile_orders,
                ours.reconcile_workflows,
                ours.reconcile_swaps,
                ours.finish_reconciliation,
            ],
            sticky_queue_schedule_to_start_timeout=names.STICKY_TIMEOUT,
        )

    async def start(self, terms: OrderTerms | None = None) -> Order:
        """Accept an order."""
        terms = terms or order_terms(amount_in=10_000_000)
        return await self.client.start_workflow(
            OrderWorkflow.run, terms, task_queue=self.task_queue, **start_options(terms)
        )

    async def trade(self, count: int = 1) -> list[OrderResult]:
        """Orders that were executed."""
        return list(await asyncio.gather(*[(await self.start()).result() for _ in range(count)]))

    async def trade_one(self) -> OrderResult:
        """An order that was executed."""
        (result,) = await self.trade()
        return result

    async def submitted(self) -> tuple[Order, str]:
        """An order whose swap is signed, recorded, and lost on its way to the cluster; and its signature."""
        await self.chain.rpc("localnet_setFaults", [{"kind": "drop"}])
        handle = await self.start()
        while True:
            rows = await self.sql("SELECT signature FROM swap_attempts WHERE outcome IS NULL")
            if rows:
                return handle, rows[0][0]
            await asyncio.sleep(0.02)

    async def heal(self) -> None:
        """Let the cluster take what is sent."""
        await self.chain.rpc("localnet_setFaults", [])

    async def finalize(self) -> None:
        """Let what has landed become final."""
        await self.chain.rpc("localnet_warpSlots", _SLOTS_TO_FINALITY)

    async def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Look at the database, or damage it: its own guards are off."""
        async with await psycopg.AsyncConnection.connect(libpq_url(self.database_url), autocommit=True) as connection:
            await connection.execute("SET session_replication_role = replica")
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchall() if cursor.description else []

    @asynccontextmanager
    async def damaged(self, statement: str) -> AsyncIterator[None]:
        """Damage the orders, and undo it afterwards."""
        tables = ("orders", "order_events", "swap_attempts")
        for table in tables:
            await self.sql(f"CREATE TABLE sound_{table} AS TABLE {table}")
        try:
            await self.sql(statement)
            yield
        finally:
            for table in tables:
                await self.sql(f"DELETE FROM {table}")
                await self.sql(f"INSERT INTO {table} TABLE sound_{table}")
                await self.sql(f"DROP TABLE sound_{table}")

    async def audited(self, grace: timedelta = AT_ONCE) -> Audit:
        """What `order-engine audit` counts."""
        return await audit(self.store, self._history, self.workflows, grace)

    async def reconciled(self) -> PartReconciled:
        """One run of the reconciliation."""
        return await self.client.execute_workflow(
            ReconcileWorkflow.run, id=f"reconcile-{uuid4()}", task_queue=self.task_queue
        )

    async def open_findings(self) -> list[OpenFinding]:
        """What is raised."""
        return await self.store.open_findings(100)


async def new_namespace(target: str, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A Temporal server that knows nothing yet, as far as anyone who works in one namespace can tell."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", target)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", namespace := f"audit-{uuid4()}")
    await provision(timedelta(), timedelta())
    return await Client.connect(target, namespace=namespace, plugins=[order_engine_plugin()])


@asynccontextmanager
async def open_world(
    client: Client, database: Database, database_url: str, redis: RedisServer, data_dir: Path
) -> AsyncIterator[tuple[World, Sequence[Callable[..., Any]]]]:
    """An installation with a cluster of its own, and the activities of its worker."""
    # A blockhash lives for as long as a test takes to lose a server: what was signed is to land, not to expire.
    async with running(data_dir, slot_ms=60) as chain:
        servers: dict[str, Any] = {"database_url": database_url, "solana_rpc_url": chain.url}
        await fill(RegistrySettings(**servers))
        wallets = data_dir / "wallets"
        settings = WorkerSettings(**servers, redis_url=redis.url, wallet_dir=wallets, status_poll_ms=10)
        rpc = SolanaRpc(chain.url)
        try:
            async with order_activities(settings) as activities:
                yield World(client, chain, database, database_url, rpc), activities
        finally:
            await rpc.close()
