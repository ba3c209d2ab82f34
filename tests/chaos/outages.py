"""A server goes away in the middle of a hundred orders: the outages that every installation will see one day."""

import asyncio
import contextlib
import random
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from tests.chaos import facts, processes
from tests.chaos.run import Report, concluded
from tests.chaos.traffic import Answer, Clients
from tests.e2e.stack import Stack

ORDERS = 100

Blow = Callable[[Stack, float], Awaitable[None]]


async def postgres_stopped(stack: Stack, seconds: float) -> None:
    """PostgreSQL is gone for so long: nobody listens on its port, and it cannot come back before."""
    port = urlsplit(facts.environment(stack)["ORDER_ENGINE_DATABASE_URL"]).port
    assert port is not None
    with contextlib.ExitStack() as held:
        while True:
            processes.kill(stack, "postgres")
            try:
                # Bound and not listening: connections are refused, and the next server cannot take it.
                held.enter_context(_bound(port))
                break
            except OSError:
                await asyncio.sleep(0.05)
        await asyncio.sleep(seconds)


def _bound(port: int) -> socket.socket:
    held = socket.socket()
    # As servers do: what is left of old connections is no obstacle.
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind(("127.0.0.1", port))
    except OSError:
        held.close()
        raise
    return held


async def valkey_restarted_empty(stack: Stack, _: float) -> None:
    """Valkey is killed; it keeps nothing, so that the one that follows is empty."""
    assert processes.kill(stack, "redis")


async def temporal_restarted(stack: Stack, _: float) -> None:
    """Temporal is killed and started again on what it had written."""
    assert processes.kill(stack, "temporal")


async def everything_killed(stack: Stack, _: float) -> None:
    """Every process of the stack but `up` dies at once."""
    for name in ("worker-1", "worker-2", "api", "temporal", "postgres", "redis", "localnet"):
        processes.kill(stack, name)


# The hardest of all, for `make chaos`: the short run of the tests kills as much, two at a time.
EVERYTHING = "everything killed"

OUTAGES: dict[str, Blow] = {
    "PostgreSQL stopped": postgres_stopped,
    "Valkey restarted empty": valkey_restarted_empty,
    "Temporal killed": temporal_restarted,
    EVERYTHING: everything_killed,
}


async def outage(stack: Stack, clients: Clients, name: str, seconds: float, orders: int = ORDERS) -> Report:
    """Strike when some orders are through and most are not; report when all have ended."""
    begun, draw = time.monotonic(), random.Random(name)
    async with clients.http() as client:
        placed = await asyncio.gather(*(clients.place(client, draw) for _ in range(orders)))
    accepted = [each for each in placed if each.answer is Answer.ACCEPTED]
    ending = [asyncio.create_task(clients.ended(each)) for each in accepted]
    await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
    await OUTAGES[name](stack, seconds)
    await asyncio.gather(*ending)
    return await concluded(stack, clients, name, begun, Counter({"kill": 1}))
