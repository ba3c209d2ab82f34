"""Crash points: each is passed in an order's life, the process really dies there, and nothing is there by default."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from activities.crash_points import (
    Chance,
    CrashPlan,
    CrashPoint,
    CrashSettings,
    crash_plan,
    parse,
    plant,
    refuse_mainnet,
)
from activities.persist import PersistActivities
from activities.publish import PublishActivities
from activities.route import RouteActivities
from activities.router import Router, SplitPolicy
from activities.settings import WorkerSettings
from activities.swap import SwapActivities
from activities.worker import order_activities
from tests.activities.desk import Desk, open_desk
from tests.memory_store import MemoryRelay, MemoryStore
from tests.samples import first_events, order_event, order_terms
from tests.servers import RedisServer
from workflows.domain.clusters import CLUSTERS, ClusterName
from workflows.domain.lifecycle import Status
from workflows.domain.risk import Limits
from workflows.domain.routing import recorded
from workflows.messages import (
    ChooseRoute,
    ExecuteSwap,
    PersistOrder,
    PrepareSwap,
    PublishStatus,
    QuoteRequest,
)

ALL = ",".join(f"{point}:1" for point in CrashPoint)


@pytest.fixture(scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """A simulated cluster."""
    async with open_desk(tmp_path_factory.mktemp("localnet")) as desk:
        yield desk


class Life:
    """An order's life, step by step as its workflow takes them, on the activities that a worker runs."""

    def __init__(self, desk: Desk, plan: CrashPlan) -> None:
        worker, store, relay = desk.new_worker(), MemoryStore(), MemoryRelay()
        self._worker, self.store = worker, store
        confirmations, rpc, builder = worker.confirmations, worker.rpc, worker.builder
        plant(plan, store=store, relay=relay, builder=builder, confirmations=confirmations, rpc=rpc)
        router = Router(worker.quoter, builder, SplitPolicy(False, 1), Limits())
        self._persist, self._publish = PersistActivities(store, relay, lambda _: None), PublishActivities(store, relay)
        self._route = RouteActivities(store, relay, router)
        self._swap = SwapActivities(store, relay, rpc, builder, confirmations, worker.swap._in_flight)

    async def live(self) -> None:
        """From the first write to the last event."""
        try:
            await self._live()
        finally:
            await self._worker.close()

    async def _live(self) -> None:
        run, terms = ActivityEnvironment().run, order_terms()
        await run(self._persist.persist_order, PersistOrder(terms=terms, events=first_events()))
        request = QuoteRequest(token_in=terms.token_in, token_out=terms.token_out, amount_in=terms.amount_in)
        venues = tuple([await self._worker.quoter.venue(venue, request) for venue in ("raydium", "meteora")])
        decided = await run(
            self._route.choose_route,
            ChooseRoute(terms=terms, venues=venues, event=order_event(3, Status.BUILDING)),
        )
        route = recorded(decided.data).route
        ready = await run(self._swap.prepare_swap, PrepareSwap(terms=terms, attempt=1, route=route))
        submitted = order_event(4, Status.SUBMITTED, signature=ready.swap.signature)
        executed = await run(self._swap.execute_swap, ExecuteSwap(terms=terms, swap=ready.swap, event=submitted))
        assert executed.outcome is not None
        confirmed = order_event(5, Status.CONFIRMED, fill=executed.outcome.fill)
        last = PublishStatus(order_id=terms.order_id, account=terms.account, event=confirmed)
        await run(self._publish.publish_status, last)


async def test_an_order_passes_every_point_in_this_order(desk: Desk) -> None:
    passed: list[CrashPoint] = []
    await Life(desk, CrashPlan(parse(ALL), die=passed.append)).live()
    first_time = list(dict.fromkeys(passed))
    assert set(first_time) == set(CrashPoint)
    # Announcements come again and again, and the answer to a send may come after the news that it has landed.
    beside = {CrashPoint.BEFORE_RELAY, CrashPoint.AFTER_RELAY, CrashPoint.AFTER_FIRST_SEND}
    assert [point for point in first_time if point not in beside] == [
        point for point in CrashPoint if point not in beside
    ]
    assert passed.index(CrashPoint.AFTER_FIRST_SEND) > passed.index(CrashPoint.BEFORE_FIRST_SEND)
    # One announcement for each of: the first events, the decision, the swap, the end.
    assert passed.count(CrashPoint.BEFORE_RELAY) == passed.count(CrashPoint.AFTER_RELAY) == 4


class Died(BaseException):
    """Stands for the end of the process: nothing in the activities may catch it."""


def _die(_: CrashPoint) -> None:
    raise Died


async def test_what_lies_after_the_point_of_death_does_not_happen(desk: Desk) -> None:
    plan = CrashPlan({CrashPoint.AFTER_RECORD: Chance(1)}, die=_die)
    life = Life(desk, plan)
    with pytest.raises(Died):
        await life.live()
    (order,) = life.store.orders.values()
    (swap,) = order.swaps
    assert swap.outcome is None
    answer = await desk.chain.rpc("getSignatureStatuses", [swap.swap.signature], {"searchTransactionHistory": True})
    assert answer["value"] == [None]


def test_points_and_chances_are_read_from_text() -> None:
    assert parse("after-first-send:0.1, before-settle:once,before-publish:0.5:3,") == {
        CrashPoint.AFTER_FIRST_SEND: Chance(0.1),
        CrashPoint.BEFORE_SETTLE: Chance(1, 1),
        CrashPoint.BEFORE_PUBLISH: Chance(0.5, 3),
    }
    assert parse("") == {}


@pytest.mark.parametrize("text", ["after-lunch:1", "before-settle", "before-settle:often", "before-settle:2"])
def test_a_plan_that_cannot_be_read_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDER_ENGINE_CRASH_POINTS", text)
    with pytest.raises(ValueError, match="crash_points"):
        CrashSettings()


def test_the_same_seed_dies_at_the_same_passings() -> None:
    def deaths(seed: int) -> list[int]:
        died: list[int] = []
        passed: list[int] = []
        plan = CrashPlan({CrashPoint.BEFORE_SETTLE: Chance(0.3)}, seed, die=lambda _: died.append(len(passed)))
        for passing in range(100):
            passed.append(passing)
            plan.reach(CrashPoint.BEFORE_SETTLE)
            plan.reach(CrashPoint.AFTER_SETTLE)
        return died

    assert deaths(7) == deaths(7) != deaths(8)
    assert 10 < len(deaths(7)) < 60


def test_once_is_once_over_the_lives_of_all_workers(tmp_path: Path) -> None:
    died: list[CrashPoint] = []
    for _ in range(3):
        plan = CrashPlan(parse("before-settle:once,after-settle:1:2"), directory=tmp_path, die=died.append)
        for _ in range(3):
            plan.reach(CrashPoint.BEFORE_SETTLE)
            plan.reach(CrashPoint.AFTER_SETTLE)
    assert sorted(died) == [CrashPoint.AFTER_SETTLE] * 2 + [CrashPoint.BEFORE_SETTLE]


def test_a_process_dies_of_sigkill_at_its_point() -> None:
    program = (
        "from activities.crash_points import *\n"
        "plan = crash_plan(CrashSettings())\n"
        "plan.reach(CrashPoint.BEFORE_SETTLE)\n"
        "print('still here', flush=True)\n"
        "plan.reach(CrashPoint.AFTER_SETTLE)\n"
        "print('immortal', flush=True)\n"
    )
    environment = {**os.environ, "ORDER_ENGINE_CRASH_POINTS": "after-settle:once"}
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False
    )
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "still here\n")


def test_nothing_is_planted_unless_the_environment_names_a_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORDER_ENGINE_CRASH_POINTS", raising=False)
    assert crash_plan(CrashSettings()) is None
    monkeypatch.setenv("ORDER_ENGINE_CRASH_POINTS", "before-settle:once")
    assert crash_plan(CrashSettings()) is not None


async def test_a_worker_with_crash_points_does_not_start_on_mainnet(
    desk: Desk, redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = WorkerSettings(
        database_url="postgresql://nobody@127.0.0.1:1/none",
        redis_url=redis_server.url,
        solana_rpc_url=desk.chain.url,
        wallet_dir=tmp_path,
    )
    monkeypatch.setattr("activities.worker._check_cluster", _nothing_checked)
    monkeypatch.setattr("activities.solana.rpc.SolanaRpc.genesis_hash", _mainnet)
    async with order_activities(settings):
        pass
    monkeypatch.setenv("ORDER_ENGINE_CRASH_POINTS", "before-settle:once")
    with pytest.raises(ValueError, match="mainnet"):
        async with order_activities(settings):
            pass
    monkeypatch.undo()
    refuse_mainnet(await desk.worker.rpc.genesis_hash())


async def _nothing_checked(_: object) -> None:
    await asyncio.sleep(0)


async def _mainnet(_: object) -> str:
    await asyncio.sleep(0)
    genesis = CLUSTERS[ClusterName.MAINNET].genesis
    assert genesis is not None
    return genesis
