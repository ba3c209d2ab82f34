"""The RPC nodes: are they on the right cluster, with the others, of this minute, and able to prove an expiry?"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from solders.signature import Signature

from activities.solana.rpc import ChainUnavailable, SolanaRpc
from deploy.doctor.clock import Now
from deploy.doctor.finding import Finding, failure, ok, public, told, warning
from deploy.localnet.slots import FIRST_SLOT
from workflows.domain.clusters import Cluster

# getLatestBlockhash came with this version (Solana 1.9 release notes).
_OLDEST_VERSION = (1, 9)

# Slots behind the best node: a blockhash of the best is unknown for as long; beyond the second, for its whole life.
_LAGGING_SLOTS, _LOST_SLOTS = 25, 150

# Age of the newest confirmed block: two seconds on a healthy node, and a blockhash lives for about a minute.
_OLD_SECONDS, _DEAD_SECONDS = 20, 60

# A restart of the engine may take long, and only what the node still has can be found.
_ENOUGH_HISTORY_SLOTS = 50_000

_OTHER_NODE = "use another node, or wait until it has caught up"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One node: what it is called here, and how it is asked."""

    url: str
    rpc: SolanaRpc

    @property
    def name(self) -> str:
        """Its address without what may be its user's key."""
        return public(self.url)


async def examine_chain(cluster: Cluster, endpoints: Sequence[Endpoint], now: Now) -> Sequence[Finding]:
    """All about every node, in the order given."""
    slots = await asyncio.gather(*(_slot(endpoint) for endpoint in endpoints))
    best = max((slot for slot in slots if slot is not None), default=0)
    found = await asyncio.gather(*(_examine(cluster, endpoint, now) for endpoint in endpoints))
    findings = []
    for endpoint, slot, of_one in zip(endpoints, slots, found, strict=True):
        findings += of_one
        if slot is not None and len(endpoints) > 1:
            findings.append(_lag(endpoint, best - slot))
    return findings


async def _slot(endpoint: Endpoint) -> int | None:
    try:
        return await endpoint.rpc.processed_slot()
    except ChainUnavailable:
        return None


async def _examine(cluster: Cluster, endpoint: Endpoint, now: Now) -> list[Finding]:
    try:
        version = await endpoint.rpc.version()
    except ChainUnavailable as error:
        return [failure("rpc", f"{endpoint.name}: {told(error)}", "start the node, or set ORDER_ENGINE_SOLANA_RPC_URL")]
    checks = (_health(endpoint), _genesis(cluster, endpoint), _age(endpoint, now), _history(endpoint))
    return [_version(endpoint, version), *await asyncio.gather(*checks)]


def _version(endpoint: Endpoint, version: str) -> Finding:
    says = f"{endpoint.name} answers, version {version}"
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < _OLDEST_VERSION:
        return failure("rpc", says, f"use a node of version {'.'.join(map(str, _OLDEST_VERSION))} or later")
    return ok("rpc", says)


async def _health(endpoint: Endpoint) -> Finding:
    from deploy.local import health

    try:
        await health.solana_rpc(endpoint.url)
    except Exception as error:
        return failure("rpc health", f"{endpoint.name}: {told(error)}", _OTHER_NODE)
    return ok("rpc health", f"{endpoint.name} calls itself healthy")


async def _genesis(cluster: Cluster, endpoint: Endpoint) -> Finding:
    check = "rpc cluster"
    try:
        genesis = await endpoint.rpc.genesis_hash()
    except ChainUnavailable as error:
        return failure(check, f"{endpoint.name}: {told(error)}", _OTHER_NODE)
    refused = cluster.refusal(genesis)
    if refused is not None:
        mend = "correct ORDER_ENGINE_SOLANA_RPC_URL, or ORDER_ENGINE_CLUSTER"
        return failure(check, f"{endpoint.name}: {refused}", mend)
    return ok(check, f"{endpoint.name} is on {cluster.name} (genesis {genesis})")


async def _age(endpoint: Endpoint, now: Now) -> Finding:
    check = "rpc block time"
    try:
        slot, block_time = await endpoint.rpc.newest_block_time()
    except ChainUnavailable as error:
        return warning(check, f"{endpoint.name}: {told(error)}", "use a node that answers getBlockTime")
    age = now() - block_time
    if abs(age) < _OLD_SECONDS:
        return ok(check, f"{endpoint.name}: block {slot} is of this minute")
    if age > 0:
        says, mend = f"block {slot} is {age:.0f} s old", f"{_OTHER_NODE}; or set this machine's clock by NTP"
    else:
        says, mend = f"block {slot} is {-age:.0f} s in the future", "set this machine's clock by NTP"
    return (warning if abs(age) < _DEAD_SECONDS else failure)(check, f"{endpoint.name}: {says}", mend)


async def _history(endpoint: Endpoint) -> Finding:
    """Without a history that can be searched no transaction is ever proven not to have landed."""
    check = "rpc history"
    mend = "use a node that runs with --enable-rpc-transaction-history: without it no order can be proven expired"
    try:
        await endpoint.rpc.statuses([Signature.default()], search_history=True)
    except ChainUnavailable as error:
        return failure(check, f"{endpoint.name} does not search it: {told(error)}", mend)
    try:
        first = await endpoint.rpc.first_available_block()
        kept = max(0, (await endpoint.rpc.finalized()).slot - first)
    except ChainUnavailable as error:
        return warning(check, f"{endpoint.name} does not tell how much it keeps: {told(error)}", mend)
    # A node that has everything since the beginning, where localnet's is, can keep no more.
    if first > FIRST_SLOT and kept < _ENOUGH_HISTORY_SLOTS:
        return warning(check, f"{endpoint.name} keeps {kept} slots only", "use a node that keeps more")
    return ok(check, f"{endpoint.name} searches what it keeps, {kept} slots")


def _lag(endpoint: Endpoint, behind: int) -> Finding:
    says = f"{endpoint.name} is {behind} slots behind the best"
    if behind < _LAGGING_SLOTS:
        return ok("rpc lag", says)
    return (warning if behind < _LOST_SLOTS else failure)("rpc lag", says, _OTHER_NODE)
