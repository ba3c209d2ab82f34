"""No key meets the wrong cluster: every node is asked for its genesis hash, at the start and again while it is used."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from activities.solana.rpc import ChainUnavailable
from workflows.domain.clusters import Cluster
from workflows.domain.errors import EngineError, ErrorCode

# A load balancer can be pointed elsewhere at any moment; one small request a minute notices it.
RECHECK_SECONDS = 60.0

# A node that gave no answer is asked again this soon: it may come back as another one.
_RECHECK_SILENT_SECONDS = 15.0

# An order waits for this answer; a node that takes longer counts as silent.
_ANSWER_SECONDS = 2.0


class Node(Protocol):
    """What tells its cluster; `activities.solana.rpc.SolanaRpc` does."""

    async def genesis_hash(self) -> str: ...


class WrongCluster(Exception):
    """A node is on another cluster than the profile, or two nodes are on different ones."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The genesis hash that every node told, and whether some told none."""

    genesis: str
    some_silent: bool


async def check_cluster(cluster: Cluster, nodes: Sequence[Node]) -> Checked:
    """Ask all nodes; one answer that the profile allows is enough, one that it does not is too much.

    Raises WrongCluster, or ChainUnavailable when no node answers.
    """
    answers = await asyncio.gather(*(_genesis(node) for node in nodes))
    hashes = sorted({answer for answer in answers if answer is not None})
    for genesis in hashes:
        refused = cluster.refusal(genesis)
        if refused is not None:
            raise WrongCluster(refused)
    if not hashes:
        raise ChainUnavailable("no node tells its cluster")
    if len(hashes) > 1:
        raise WrongCluster(f"the nodes are on different clusters (genesis {', '.join(hashes)})")
    return Checked(hashes[0], some_silent=None in answers)


async def _genesis(node: Node) -> str | None:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await node.genesis_hash()
    except (ChainUnavailable, TimeoutError):
        return None


class ClusterGuard:
    """Lets work go on only while the nodes are on the cluster on which this process began."""

    def __init__(self, cluster: Cluster, nodes: Sequence[Node], now: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._now = now
        self._genesis: str | None = None
        self._good_until = float("-inf")
        self._asking = asyncio.Lock()

    async def verify(self) -> None:
        """Ask every node now; raises WrongCluster, or ChainUnavailable when none answers."""
        started = self._now()
        # Until the answer is here nobody may rely on an older one.
        self._good_until = float("-inf")
        checked = await check_cluster(self._cluster, self._nodes)
        if self._genesis not in (None, checked.genesis):
            raise WrongCluster(f"the node is on another cluster than before (genesis {checked.genesis})")
        self._genesis = checked.genesis
        self._good_until = started + (_RECHECK_SILENT_SECONDS if checked.some_silent else RECHECK_SECONDS)

    async def allow(self) -> None:
        """Return while the last good check is recent, else check first.

        Raises EngineError `cluster_mismatch`, or `chain_unavailable` when no node tells its cluster.
        """
        async with self._asking:
            if self._now() < self._good_until:
                return
            try:
                await self.verify()
            except WrongCluster as error:
                raise EngineError(ErrorCode.CLUSTER_MISMATCH, str(error)) from error
            except ChainUnavailable as error:
                raise EngineError(ErrorCode.CHAIN_UNAVAILABLE, str(error)) from error
