"""A tracker of signatures and the nodes it asks, on a chain whose slots pass in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from solders.signature import Signature

from activities.solana.confirmation import Confirmations, Expired, Landed
from activities.solana.observer import SilentObserver
from tests.activities.scripted_chain import FIRST_SLOT, ScriptedNode, ScriptedRpc, VirtualTime, World

LIFE = 150
POLL = 0.2

Result = TypeVar("Result")


def in_virtual_time(scenario: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run it in a loop of its own whose time passes at once; no more than some hours of it."""
    with asyncio.Runner(loop_factory=VirtualTime) as runner:
        return runner.run(asyncio.wait_for(scenario(), 10_000))


class Scene:
    """A tracker on a chain with nodes."""

    def __init__(self, nodes: int, **options: Any) -> None:
        self.world = World()
        self.nodes = [ScriptedNode(self.world, f"node-{at}") for at in range(nodes)]
        self.gone: list[str] = []
        observer = SilentObserver()
        observer.vanished = self.gone.append  # type: ignore[method-assign]
        self.confirmations = Confirmations(ScriptedRpc(self.world), POLL, observer=observer, **options)

    def settle(self, signature: Signature, signing_slot: int | None = FIRST_SLOT) -> "asyncio.Task[Landed | Expired]":
        """Follow bytes that were signed at the first slot."""
        last_valid = self.world.height(FIRST_SLOT) + LIFE
        waiting = self.confirmations.settle(signature, bytes(signature), last_valid, signing_slot=signing_slot)
        return asyncio.create_task(waiting)


@asynccontextmanager
async def scene(nodes: int, **options: Any) -> AsyncIterator[Scene]:
    """A scene whose slots pass."""
    made = Scene(nodes, **options)
    passing = asyncio.create_task(made.world.run())
    try:
        yield made
    finally:
        passing.cancel()
        await made.confirmations.close()


async def stays_open(waiting: Awaitable[object], world: World, slot: int) -> None:
    """Nothing is decided before a slot."""
    await world.reach(slot)
    assert not asyncio.ensure_future(waiting).done()
