"""An audit of an installation: its database, its Temporal and its chain, as the settings name them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from pydantic import Field
from temporalio.client import Client
from temporalio.envconfig import ClientConfig

from activities.audit import Audit, audit
from activities.chain_history import ChainHistory
from activities.order_workflows import OrderWorkflows
from activities.solana.rpc import SolanaRpc
from db.database import Database
from db.reconciliation import OpenFinding, Reconciliation, ReconciliationRepository
from db.settings import DatabaseSettings
from workflows.plugin import order_engine_plugin

# Enough to see what is wrong.
_OPEN_TOLD = 100


class AuditSettings(DatabaseSettings):
    """The servers that an audit compares. Temporal's address and namespace come from TEMPORAL_*."""

    solana_rpc_url: str = Field(default="http://127.0.0.1:8899", description="JSON-RPC address of a Solana node.")


@dataclass(frozen=True, slots=True)
class Audited:
    """The audit, and what the engine's own reconciliation last said."""

    audit: Audit
    reconciled: Reconciliation | None
    open_findings: list[OpenFinding]


async def audit_installation(
    settings: AuditSettings,
    grace: timedelta = timedelta(seconds=60),
    wallets: Iterable[str] = (),
    amounts: bool = True,
    temporal: bool = True,
) -> Audited:
    """Compare everything once; changes nothing. Raises ConnectionError when a server is away."""
    database, rpc = Database(settings), SolanaRpc(settings.solana_rpc_url)
    orders = ReconciliationRepository(database)
    try:
        workflows = OrderWorkflows(await _temporal()) if temporal else None
        result = await audit(orders, ChainHistory(rpc), workflows, grace, wallets, amounts)
        return Audited(result, await orders.last(), await orders.open_findings(_OPEN_TOLD))
    finally:
        await rpc.close()
        await database.close()


async def _temporal() -> Client:
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "127.0.0.1:7233")
    try:
        return await Client.connect(**config, plugins=[order_engine_plugin()])
    except RuntimeError as error:
        raise ConnectionError(f"Temporal at {config.get('target_host')}: {error}") from error
