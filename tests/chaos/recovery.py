"""How long orders that wait for the chain stand still after their worker was killed."""

import asyncio
import random
import time
from dataclasses import dataclass

from tests.chaos import processes
from tests.chaos.nodes import everywhere, mend, set_faults
from tests.chaos.schedule import WORKERS
from tests.chaos.traffic import Answer, Clients, Placed
from tests.chaos.wishes import OFFERS, Wish
from tests.e2e.stack import Stack
from workflows.domain.lifecycle import Status

_ORDERS = 24

# Longer than it takes to post the orders and to see them sent: all of them still wait when the worker dies.
_DELAY_SLOTS = 60


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from the death of a worker to each order's end, of those orders that were waiting for the chain."""

    seconds: tuple[float, ...]

    def __str__(self) -> str:
        ordered = sorted(self.seconds)
        return (
            f"{len(ordered)} orders waited for the chain when their worker was killed; ended after"
            f" p50 {ordered[len(ordered) // 2]:.2f} s, longest {ordered[-1]:.2f} s"
        )


async def measure(stack: Stack, clients: Clients, killed: tuple[str, ...] = WORKERS[:1]) -> Recovery:
    """Kill the workers while transactions are on their way, and time the orders' ends."""
    draw = random.Random("recovery")
    await set_faults(stack, everywhere([{"kind": "delay", "slots": _DELAY_SLOTS}]))
    async with clients.http() as client:
        placed = await asyncio.gather(*(clients.place(client, draw, Wish(OFFERS[0])) for _ in range(_ORDERS)))
    accepted = [each for each in placed if each.answer is Answer.ACCEPTED]
    await asyncio.gather(*(_sent(each) for each in accepted[: _ORDERS // 2]))
    waiting, begun = [each for each in accepted if _last(each) == Status.SUBMITTED], time.monotonic()
    for name in killed:
        assert processes.kill(stack, name)

    async def ended(placed: Placed) -> float:
        await clients.ended(placed)
        return time.monotonic() - begun

    seconds = await asyncio.gather(*(ended(placed) for placed in waiting))
    await mend(stack)
    return Recovery(tuple(seconds))


async def _sent(placed: Placed) -> None:
    while True:
        if any(event["status"] == Status.SUBMITTED for event in placed.stream):
            return
        await asyncio.sleep(0.02)


def _last(placed: Placed) -> str:
    return placed.stream[-1]["status"] if placed.stream else ""
