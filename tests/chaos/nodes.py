"""The nodes of the cluster as the engine's workers know them: one chain, and what stands between it and who asks."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx

from tests.e2e.stack import MAIN, Stack

# The node on the bare address, and those that workers fall back on.
FALLBACKS = ("north", "south")
NODES = (MAIN, *FALLBACKS)

# A fault as localnet_setFaults takes it.
Fault = dict[str, Any]
FaultsByNode = Mapping[str, Sequence[Fault]]


def everywhere(faults: Sequence[Fault]) -> FaultsByNode:
    """The same faults at every node: signed bytes go to all of them, and the copy that meets none lands."""
    return dict.fromkeys(NODES, faults)


async def set_faults(stack: Stack, faults: FaultsByNode, seed: int | None = None) -> bool:
    """Let each node have these faults and no others; whether all of them heard that.

    A cluster that was killed comes back without any.
    """
    async with httpx.AsyncClient(timeout=2) as client:
        return all([await _set(client, stack.node(name), faults.get(name, ()), seed) for name in NODES])


async def _set(client: httpx.AsyncClient, url: str, faults: Iterable[Fault], seed: int | None) -> bool:
    body = {"jsonrpc": "2.0", "id": 1, "method": "localnet_setFaults", "params": [list(faults), seed]}
    try:
        answer = (await client.post(url, json=body)).json()
    except (httpx.TransportError, ValueError):
        return False
    assert "error" not in answer, answer
    return True


async def mend(stack: Stack) -> None:
    """Clear every node's faults; whatever is dead is being started again by `up`."""
    while True:
        if await set_faults(stack, {}):
            return
        await asyncio.sleep(0.1)
