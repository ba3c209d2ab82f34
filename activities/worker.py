"""Composition root of the worker: settings, then clients, then activities, then the Temporal worker."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any

import uvloop
from redis.asyncio import Redis
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from activities.finding.sources import pool_source
from activities.in_flight import InFlight
from activities.persist import PersistActivities
from activities.pools import PoolReader
from activities.publish import PublishActivities, RedisRelay
from activities.quotes import QuoteActivities, Quoter
from activities.refresh import RefreshActivities
from activities.registry import Registry
from activities.route import RouteActivities
from activities.router import Router, SplitPolicy
from activities.settings import WorkerSettings
from activities.solana.confirmation import Confirmations
from activities.solana.rpc import SolanaRpc
from activities.solana.wallets import Wallets
from activities.survey import SurveyActivities
from activities.swap import SwapActivities
from activities.swap_builder import Fees, SwapBuilder
from db.database import Database
from db.orders import OrderRepository
from db.registry import PoolRepository, TokenRepository
from workflows import names
from workflows.order import OrderWorkflow
from workflows.plugin import order_engine_plugin
from workflows.quote import QuoteWorkflow
from workflows.refresh import RefreshPoolsWorkflow
from workflows.survey import SurveyWorkflow

log = logging.getLogger(__name__)

# The server may come up after the worker, or be restarted: how often to try to reach it.
_CONNECT_RETRY_SECONDS = 0.5

# Time for running activities to reach a good moment; their next worker goes on with the same bytes.
_GRACEFUL_SHUTDOWN = timedelta(seconds=2)

# A workflow task runs its local activities before it is done. What waits for a turn waits at the server, where no
# task timeout runs; too many at once in one process and all of them are late, and done again.
_CONCURRENT_WORKFLOW_TASKS = 40

# A cached workflow costs 55 to 90 KB; beyond this the oldest is replayed when its turn comes.
_CACHED_WORKFLOWS = 1_000


@contextlib.asynccontextmanager
async def order_activities(settings: WorkerSettings) -> AsyncIterator[Sequence[Callable[..., Any]]]:
    """All activities on real clients, which are closed in order afterwards."""
    max_age = settings.pool_max_age_ms / 1_000
    database = Database(settings)
    redis = Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=2, socket_connect_timeout=2)
    rpc = SolanaRpc(settings.solana_rpc_url)
    store, relay, in_flight = OrderRepository(database), RedisRelay(redis), InFlight()
    confirmations = Confirmations(rpc, settings.status_poll_ms / 1_000)
    pools = PoolRepository(database)
    reader = PoolReader(rpc, pools, max_age)
    quoter = Quoter(reader, in_flight)
    fees = Fees(settings.compute_unit_price, settings.compute_unit_margin_percent)
    builder = SwapBuilder(rpc, quoter, Wallets(settings.wallet_dir), fees, max_age)
    router = Router(quoter, builder, SplitPolicy(settings.split_orders, settings.split_least_gain_bps))
    persist, publish = PersistActivities(store, relay), PublishActivities(store, relay)
    quotes, route = QuoteActivities(quoter), RouteActivities(store, relay, router)
    swap = SwapActivities(store, relay, rpc, builder, confirmations, in_flight)
    refresh = RefreshActivities(Registry(rpc, TokenRepository(database), pools), pool_source(settings, rpc))
    try:
        yield (
            persist.persist_order,
            quotes.fetch_raydium_quote,
            quotes.fetch_meteora_quote,
            quotes.compare_quotes,
            SurveyActivities(reader, in_flight).survey_pair,
            route.choose_route,
            swap.prepare_swap,
            swap.execute_swap,
            swap.settle_swap,
            publish.publish_status,
            refresh.refresh_pools,
        )
    finally:
        await confirmations.close()
        await rpc.close()
        await redis.aclose()
        await database.close()


async def run(settings: WorkerSettings, stop: asyncio.Event) -> None:
    """Work until `stop` is set."""
    client = await _connect(stop)
    if client is None:
        return
    async with order_activities(settings) as activities:
        worker = Worker(
            client,
            task_queue=names.TASK_QUEUE,
            workflows=[OrderWorkflow, QuoteWorkflow, SurveyWorkflow, RefreshPoolsWorkflow],
            activities=activities,
            max_cached_workflows=_CACHED_WORKFLOWS,
            max_concurrent_workflow_tasks=_CONCURRENT_WORKFLOW_TASKS,
            max_concurrent_activities=settings.max_concurrent_orders,
            sticky_queue_schedule_to_start_timeout=names.STICKY_TIMEOUT,
            graceful_shutdown_timeout=_GRACEFUL_SHUTDOWN,
        )
        async with worker:
            log.info("working on task queue %s", names.TASK_QUEUE)
            await stop.wait()


async def _connect(stop: asyncio.Event) -> Client | None:
    config = ClientConfig.load_client_connect_config()
    # Where Temporal's own tools look when nothing is configured.
    config.setdefault("target_host", "127.0.0.1:7233")
    while not stop.is_set():
        try:
            return await Client.connect(**config, plugins=[order_engine_plugin()])
        except RuntimeError as error:
            log.warning("Temporal at %s: %s", config.get("target_host"), error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _CONNECT_RETRY_SECONDS)
    return None


def main() -> None:
    """Run a worker with the settings of the environment until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # One line per RPC call would drown everything else.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    # A worker is mostly small messages: uvloop spends less on each.
    uvloop.run(_until_signalled(WorkerSettings()))


async def _until_signalled(settings: WorkerSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)
