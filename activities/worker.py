"""Composition root of the worker: settings, then clients, then activities, then the Temporal worker."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any

import uvloop
from redis.asyncio import Redis
from solders.pubkey import Pubkey
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.balances import BalanceReader
from activities.chain_history import ChainHistory
from activities.crash_points import CrashSettings, crash_plan, plant, refuse_mainnet
from activities.dead_mans_switch import DeadMansSwitchActivities
from activities.finding.sources import pool_source
from activities.findings import Patience
from activities.halt import TradingGate
from activities.hooks import UNWATCHED, WorkerHooks
from activities.in_flight import InFlight
from activities.persist import PersistActivities
from activities.pools import PoolReader
from activities.publish import PublishActivities, RedisRelay
from activities.quotes import QuoteActivities, Quoter
from activities.reconcile import ReconcileActivities
from activities.refresh import RefreshActivities
from activities.registry import Registry
from activities.reporting import WorkerReporter
from activities.risk import RiskActivities, RiskDesk
from activities.route import RouteActivities
from activities.router import Router, SplitPolicy
from activities.settings import WorkerSettings
from activities.solana.clusters import ClusterGuard
from activities.solana.confirmation import Confirmations
from activities.solana.fees import Fees, Tip
from activities.solana.metrics import measured_balances
from activities.solana.rpc import ChainUnavailable, SolanaRpc
from activities.solana.signers.opened import open_signers
from activities.solana.statuses import Level
from activities.solana.subscriptions import Hints, NoHints, SignatureHints, pubsub_url
from activities.solana.wallets import Wallets
from activities.survey import SurveyActivities
from activities.swap import SwapActivities
from activities.swap_builder import SwapBuilder
from activities.valuation import Valuer
from activities.watch import WatchActivities, start_watchers
from activities.watch_log import WatchLog
from db.database import Database
from db.live_orders import LiveOrderReader
from db.open_orders import OpenOrderReader
from db.orders import OrderRepository
from db.reconciliation import ReconciliationRepository
from db.registry import PoolRepository, TokenRepository
from db.risk import HaltRepository, ReservationRepository
from workflows import names
from workflows.dead_mans_switch import DeadMansSwitchWorkflow
from workflows.domain.clusters import CLUSTERS
from workflows.order import OrderWorkflow
from workflows.plugin import order_engine_plugin
from workflows.quote import QuoteWorkflow
from workflows.reconcile import ReconcileWorkflow
from workflows.refresh import RefreshPoolsWorkflow
from workflows.survey import SurveyWorkflow
from workflows.watch import WatchWorkflow

log = logging.getLogger(__name__)

# The server may come up after the worker, or be restarted: how often to try to reach it.
_CONNECT_RETRY_SECONDS = 0.5

# Time for running activities to reach a good moment; their next worker goes on with the same bytes.
_GRACEFUL_SHUTDOWN = timedelta(seconds=2)

# After a stop signal the process ends within this, whatever it still waits for: a write repeats for ever while
# PostgreSQL is away. Its end is then a worker's death like any other, which loses nothing.
_LAST_MOMENT_SECONDS = 6.0

# A workflow task runs its local activities before it is done. What waits for a turn waits at the server, where no
# task timeout runs; too many at once in one process and all of them are late, and done again.
_CONCURRENT_WORKFLOW_TASKS = 40

# A cached workflow costs 55 to 90 KB; beyond this the oldest is replayed when its turn comes.
_CACHED_WORKFLOWS = 1_000


@contextlib.asynccontextmanager
async def order_activities(
    settings: WorkerSettings, hooks: WorkerHooks = UNWATCHED, worker: str | None = None
) -> AsyncIterator[Sequence[Callable[..., Any]]]:
    """All activities on real clients, which are closed in order afterwards; `worker` reports under that name.

    Raises WalletsFileError or WrongCluster when a key cannot be used, or must not be used with this node.
    """
    max_age = settings.pool_max_age_ms / 1_000
    keys = contextlib.AsyncExitStack()
    signers = await keys.enter_async_context(open_signers(settings.wallets_file, settings.wallet_dir, settings.cluster))
    database = Database(settings)
    redis = Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=2, socket_connect_timeout=2)
    rpc = SolanaRpc(
        settings.solana_rpc_url,
        settings.further_rpc_urls,
        genesis_hash=CLUSTERS[settings.cluster].genesis,
        observer=hooks.observer,
    )
    store, relay, in_flight = OrderRepository(database), RedisRelay(redis), InFlight()
    # The kill switch must not wait for a connection behind orders.
    switch = Database(settings.model_copy(update={"database_pool_size": 1}))
    gate, limits = TradingGate(HaltRepository(switch), settings.risk_halt_poll_ms / 1_000), settings.limits
    confirmations = Confirmations(
        rpc,
        settings.status_poll_ms / 1_000,
        may_broadcast=gate.may_broadcast,
        hints=_hints(settings),
        landed_at=Level[settings.landed_at.name],
        observer=hooks.observer,
    )
    pools = PoolRepository(database)
    reader = PoolReader(rpc, pools, max_age)
    quoter = Quoter(reader, in_flight)
    guard = ClusterGuard(CLUSTERS[settings.cluster], [rpc])
    wallets, tokens = Wallets(signers, guard), TokenRepository(database)
    fees = _fees(settings)
    builder = SwapBuilder(rpc, quoter, wallets, fees, max_age)
    router = Router(quoter, builder, SplitPolicy(settings.split_orders, settings.split_least_gain_bps), limits)
    balances = BalanceReader(rpc, fees, max_age)
    valuer = Valuer(quoter, tokens, settings.risk_reference_token)
    desk = RiskDesk(limits, gate, valuer, wallets, balances, ReservationRepository(database))
    persist, publish = PersistActivities(store, relay, desk.admit), PublishActivities(store, relay)
    quotes, route = QuoteActivities(quoter), RouteActivities(store, relay, router)
    swap = SwapActivities(store, relay, rpc, builder, confirmations, in_flight)
    watchers = WatchLog()
    watch = WatchActivities(OpenOrderReader(database), reader, settings.watch_interval_ms / 1_000, watchers)
    patience = Patience(
        timedelta(seconds=settings.reconcile_quiet_seconds), timedelta(seconds=settings.reconcile_stuck_seconds)
    )
    reconcile = ReconcileActivities(ReconciliationRepository(database), ChainHistory(rpc), None, relay, patience)
    refresh = RefreshActivities(Registry(rpc, tokens, pools), pool_source(settings, rpc))
    gate.open()
    reports = contextlib.AsyncExitStack()
    if worker is not None:
        await reports.enter_async_context(WorkerReporter(redis, worker, rpc, watchers).running())
    if hooks.balances:
        await keys.enter_async_context(measured_balances(rpc, signers))
    try:
        await _check_cluster(guard)
        if crashes := crash_plan(CrashSettings()):
            refuse_mainnet(await rpc.genesis_hash())
            plant(crashes, store=store, relay=relay, builder=builder, confirmations=confirmations, rpc=rpc)
        yield (
            persist.persist_order,
            quotes.fetch_raydium_quote,
            quotes.fetch_meteora_quote,
            quotes.compare_quotes,
            SurveyActivities(reader, in_flight).survey_pair,
            route.choose_route,
            RiskActivities(desk, in_flight).check_risk,
            swap.prepare_swap,
            swap.execute_swap,
            swap.settle_swap,
            publish.publish_status,
            publish.record_cancel_request,
            watch.ensure_watched,
            watch.watch_pair,
            DeadMansSwitchActivities(LiveOrderReader(database)).cancel_orders,
            refresh.refresh_pools,
            reconcile.begin_reconciliation,
            reconcile.reconcile_orders,
            reconcile.reconcile_workflows,
            reconcile.reconcile_swaps,
            reconcile.finish_reconciliation,
        )
    finally:
        await reports.aclose()
        await confirmations.close()
        await gate.close()
        await rpc.close()
        await redis.aclose()
        await switch.close()
        await database.close()
        await keys.aclose()


async def _check_cluster(guard: ClusterGuard) -> None:
    try:
        await guard.verify()
    except ChainUnavailable as error:
        # Orders are taken up all the same, and some can be cancelled; nothing is signed before the node has answered.
        log.warning("the cluster of the node is not known yet: %s", error)


def _fees(settings: WorkerSettings) -> Fees:
    account, lamports = settings.tip_account, settings.tip_lamports
    return Fees(
        compute_unit_price=settings.compute_unit_price,
        margin_percent=settings.compute_unit_margin_percent,
        price_cap=settings.compute_unit_price_cap,
        lamports_cap=settings.priority_fee_cap,
        percentile=settings.priority_fee_percentile,
        bump_percent=settings.priority_fee_bump_percent,
        max_age=settings.priority_fee_max_age_ms / 1_000,
        tip=Tip(Pubkey.from_string(account), lamports) if account is not None else None,
    )


def _hints(settings: WorkerSettings) -> Hints:
    chosen = settings.solana_ws_url
    url = pubsub_url(settings.solana_rpc_url) if chosen is None else chosen.get_secret_value()
    return SignatureHints(url) if url else NoHints()


async def run(settings: WorkerSettings, stop: asyncio.Event, hooks: WorkerHooks = UNWATCHED) -> None:
    """Work until `stop` is set."""
    client = await _connect(stop, hooks)
    if client is None:
        return
    async with order_activities(settings, hooks, client.identity) as activities:
        worker = Worker(
            client,
            task_queue=names.TASK_QUEUE,
            workflows=[
                OrderWorkflow,
                QuoteWorkflow,
                SurveyWorkflow,
                RefreshPoolsWorkflow,
                ReconcileWorkflow,
                WatchWorkflow,
                DeadMansSwitchWorkflow,
            ],
            activities=activities,
            max_cached_workflows=_CACHED_WORKFLOWS,
            max_concurrent_workflow_tasks=_CONCURRENT_WORKFLOW_TASKS,
            max_concurrent_activities=settings.max_concurrent_orders,
            sticky_queue_schedule_to_start_timeout=names.STICKY_TIMEOUT,
            graceful_shutdown_timeout=_GRACEFUL_SHUTDOWN,
        )
        async with worker:
            log.info("working on task queue %s", names.TASK_QUEUE)
            watching = asyncio.create_task(_restore_watchers(client, settings))
            await stop.wait()
            watching.cancel()


async def _restore_watchers(client: Client, settings: WorkerSettings) -> None:
    """Give every pair with open orders its watcher, should a server that lost its state have lost it."""
    database = Database(settings)
    try:
        while True:
            try:
                await start_watchers(client, OpenOrderReader(database))
                return
            except (ConnectionError, RPCError) as error:
                log.warning("watchers are not looked after yet: %s", error)
                await asyncio.sleep(_CONNECT_RETRY_SECONDS)
    finally:
        await database.close()


async def _connect(stop: asyncio.Event, hooks: WorkerHooks) -> Client | None:
    config = ClientConfig.load_client_connect_config()
    # Where Temporal's own tools look when nothing is configured.
    config.setdefault("target_host", "127.0.0.1:7233")
    while not stop.is_set():
        try:
            return await Client.connect(**config, interceptors=hooks.interceptors, plugins=[order_engine_plugin()])
        except RuntimeError as error:
            log.warning("Temporal at %s: %s", config.get("target_host"), error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _CONNECT_RETRY_SECONDS)
    return None


def main(hooks: WorkerHooks = UNWATCHED) -> None:
    """Run a worker with the settings of the environment until SIGTERM or SIGINT.

    Raises WalletsFileError or WrongCluster when it must not start with these.
    """
    # What is loaded by now stays for good. Looking through it again and again took a busy worker a thirtieth of its
    # time, and each look held every order up for a tenth of a second.
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    # A worker is mostly small messages: uvloop spends less on each.
    uvloop.run(_until_signalled(WorkerSettings(), hooks))


async def _until_signalled(settings: WorkerSettings, hooks: WorkerHooks) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        # A thread, so that it comes even when the event loop is stuck.
        last_moment = threading.Timer(_LAST_MOMENT_SECONDS, _end_now)
        last_moment.daemon = True
        last_moment.start()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await run(settings, stop, hooks)


def _end_now() -> None:
    log.warning("still busy %g s after the stop signal: ending at once", _LAST_MOMENT_SECONDS)
    os._exit(0)
