"""Nodes of the wrong cluster are noticed at the start, and when they are swapped later."""

import asyncio
from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from activities.settings import WorkerSettings
from activities.solana import clusters
from activities.solana.clusters import RECHECK_SECONDS, ClusterGuard, WrongCluster, check_cluster
from activities.solana.rpc import ChainUnavailable
from activities.worker import _check_cluster, order_activities
from tests.activities.signing_services import NodeHandler, serving
from tests.activities.test_wallets import key_file, unsigned
from tests.domain.test_clusters import DEVNET, MAINNET, OWN
from workflows.domain.clusters import CLUSTERS, ClusterName
from workflows.domain.errors import EngineError, ErrorCode

LOCALNET = CLUSTERS[ClusterName.LOCALNET]


class ScriptedNode:
    """A node whose genesis hash the test sets; None is silence."""

    def __init__(self, genesis: str | None = OWN) -> None:
        self.genesis = genesis
        self.asked = 0

    async def genesis_hash(self) -> str:
        self.asked += 1
        if self.genesis is None:
            raise ChainUnavailable("refused")
        return self.genesis


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


async def reason(guard: ClusterGuard) -> ErrorCode | None:
    """Why the guard does not allow, None when it does."""
    try:
        await guard.allow()
    except EngineError as error:
        return error.code
    return None


async def test_nodes_of_one_cluster_are_good() -> None:
    checked = await check_cluster(LOCALNET, [ScriptedNode(), ScriptedNode()])
    assert (checked.genesis, checked.some_silent) == (OWN, False)


async def test_one_wrong_node_among_good_ones_is_too_much() -> None:
    with pytest.raises(WrongCluster, match="is on mainnet"):
        await check_cluster(LOCALNET, [ScriptedNode(), ScriptedNode(None), ScriptedNode(MAINNET)])


async def test_nodes_of_two_own_clusters_are_not_mixed() -> None:
    with pytest.raises(WrongCluster, match="different clusters"):
        await check_cluster(LOCALNET, [ScriptedNode(), ScriptedNode(str(Pubkey.new_unique()))])


async def test_a_silent_node_is_no_reason_to_stop_and_known_as_silent() -> None:
    assert (await check_cluster(LOCALNET, [ScriptedNode(None), ScriptedNode()])).some_silent


async def test_silence_alone_proves_nothing() -> None:
    with pytest.raises(ChainUnavailable):
        await check_cluster(LOCALNET, [ScriptedNode(None)])


async def test_a_node_that_hangs_counts_as_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging:
        async def genesis_hash(self) -> str:
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr(clusters, "_ANSWER_SECONDS", 0.01)
    assert (await check_cluster(LOCALNET, [Hanging(), ScriptedNode()])).some_silent


async def test_the_guard_asks_once_a_minute() -> None:
    node, clock = ScriptedNode(), Clock()
    guard = ClusterGuard(LOCALNET, [node], clock)
    await asyncio.gather(*(guard.allow() for _ in range(20)))
    clock.seconds += RECHECK_SECONDS - 1
    await guard.allow()
    assert node.asked == 1
    clock.seconds += 1
    await guard.allow()
    assert node.asked == 2


async def test_a_node_that_moves_to_a_public_cluster_is_noticed_and_taken_back_when_it_returns() -> None:
    node, clock = ScriptedNode(), Clock()
    guard = ClusterGuard(LOCALNET, [node], clock)
    await guard.verify()
    node.genesis = DEVNET
    clock.seconds += RECHECK_SECONDS
    assert await reason(guard) is ErrorCode.CLUSTER_MISMATCH
    assert await reason(guard) is ErrorCode.CLUSTER_MISMATCH
    node.genesis = OWN
    assert await reason(guard) is None


async def test_another_cluster_of_ones_own_is_another_cluster() -> None:
    node, clock = ScriptedNode(), Clock()
    guard = ClusterGuard(LOCALNET, [node], clock)
    await guard.allow()
    node.genesis = str(Pubkey.new_unique())
    clock.seconds += RECHECK_SECONDS
    assert await reason(guard) is ErrorCode.CLUSTER_MISMATCH


async def test_silence_forbids_once_the_last_answer_is_old() -> None:
    node, clock = ScriptedNode(), Clock()
    guard = ClusterGuard(LOCALNET, [node], clock)
    await guard.allow()
    node.genesis = None
    assert await reason(guard) is None
    clock.seconds += RECHECK_SECONDS
    assert await reason(guard) is ErrorCode.CHAIN_UNAVAILABLE


async def test_a_node_that_was_silent_is_asked_again_soon() -> None:
    silent, clock = ScriptedNode(None), Clock()
    guard = ClusterGuard(CLUSTERS[ClusterName.DEVNET], [ScriptedNode(DEVNET), silent], clock)
    await guard.allow()
    silent.genesis = MAINNET
    clock.seconds += RECHECK_SECONDS / 2
    assert await reason(guard) is ErrorCode.CLUSTER_MISMATCH


async def test_a_worker_waits_for_no_node_but_signs_nothing_before_it_has_answered() -> None:
    node = ScriptedNode(None)
    guard = ClusterGuard(LOCALNET, [node])
    await _check_cluster(guard)
    assert await reason(guard) is ErrorCode.CHAIN_UNAVAILABLE
    node.genesis = OWN
    assert await reason(guard) is None


async def test_a_worker_does_not_start_on_the_wrong_cluster() -> None:
    with pytest.raises(WrongCluster):
        await _check_cluster(ClusterGuard(LOCALNET, [ScriptedNode(MAINNET)]))


async def test_a_running_worker_signs_nothing_for_a_node_that_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "RECHECK_SECONDS", 0)
    key, answers = key_file(tmp_path, "desk").pubkey(), {"getGenesisHash": OWN}
    servers = {"database_url": "postgresql://127.0.0.1/x", "redis_url": "redis://127.0.0.1"}
    with serving(type("Node", (NodeHandler,), {"answers": answers})) as node:
        settings = WorkerSettings(**servers, solana_rpc_url=node.url, wallet_dir=tmp_path)  # type: ignore[arg-type]
        async with order_activities(settings) as activities:
            (prepare,) = [each for each in activities if each.__name__ == "prepare_swap"]
            wallets = prepare.__self__._builder._wallets  # type: ignore[attr-defined]
            await wallets.sign("desk", unsigned(key))
            answers["getGenesisHash"] = MAINNET
            with pytest.raises(EngineError) as raised:
                await wallets.sign("desk", unsigned(key))
    assert raised.value.code is ErrorCode.CLUSTER_MISMATCH
