"""All checks of an installation, side by side."""

import asyncio
import time
from collections.abc import Sequence
from itertools import chain

from deploy.doctor.finding import Finding, examined
from deploy.local.settings import StackSettings

_TEMPORAL = "start Temporal, or correct TEMPORAL_ADDRESS"


async def examine(settings: StackSettings) -> list[Finding]:
    """What is found with these settings and those of the worker in the environment."""
    from deploy.doctor.servers import examine_api, examine_postgres, examine_redis, examine_trading
    from deploy.doctor.temporal import examine_temporal
    from deploy.local import environment, postgres, valkey

    database, relay = "start PostgreSQL, or correct ORDER_ENGINE_DATABASE_URL", "start Redis or Valkey, or correct"
    found = await asyncio.gather(
        examined("postgres", database, lambda: examine_postgres(postgres.url(settings), time.time)),
        examined(
            "trading", f"{database}, and run order-engine migrate", lambda: examine_trading(postgres.url(settings))
        ),
        examined("redis", f"{relay} ORDER_ENGINE_REDIS_URL", lambda: examine_redis(valkey.url(settings))),
        examined(
            "temporal",
            _TEMPORAL,
            lambda: examine_temporal(
                environment.temporal_address(settings), settings.temporal_namespace, _schedules(), time.time
            ),
        ),
        _of_worker(),
        examined("api", "start it: order-engine api", lambda: examine_api(environment.api_url(settings))),
    )
    return list(chain.from_iterable(found))


def _schedules() -> Sequence[str]:
    """The schedules that the settings of `order-engine setup` make."""
    from pydantic import ValidationError

    from deploy.registry import RegistrySettings
    from workflows.names import RECONCILE_ID, REFRESH_POOLS_ID

    try:
        settings = RegistrySettings()
    except ValidationError:
        return ()
    pauses = {REFRESH_POOLS_ID: settings.pool_refresh_seconds, RECONCILE_ID: settings.reconcile_seconds}
    return tuple(name for name, seconds in pauses.items() if seconds)


async def _of_worker() -> Sequence[Finding]:
    """What only the worker's settings tell: its nodes and its wallets."""
    from activities.settings import WorkerSettings
    from activities.solana.rpc import SolanaRpc
    from deploy.doctor.chain import Endpoint, examine_chain
    from deploy.doctor.settings import examine_settings
    from deploy.doctor.wallets import examine_wallets
    from workflows.domain.clusters import CLUSTERS

    problems = list(examine_settings("worker", WorkerSettings))
    if problems:
        return problems
    settings = WorkerSettings()
    endpoints = [Endpoint(url, SolanaRpc(url)) for url in (settings.solana_rpc_url, *settings.further_rpc_urls)]
    nodes = "start the node, or correct ORDER_ENGINE_SOLANA_RPC_URL"
    try:
        found = await asyncio.gather(
            examined("rpc", nodes, lambda: examine_chain(CLUSTERS[settings.cluster], endpoints, time.time)),
            examined("wallets", "correct the settings of wallets", lambda: examine_wallets(settings, endpoints[0].rpc)),
        )
    finally:
        for endpoint in endpoints:
            await endpoint.rpc.close()
    return list(chain.from_iterable(found))
