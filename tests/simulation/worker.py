"""One worker process of a simulated life: the engine's own activities on faulty servers, until it dies.

Whatever it does to the world passes a gate, and behind each gate it may die: between any two awaits that anyone
outside could tell apart.
"""

import asyncio
import base64
import inspect
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from temporalio.testing import ActivityEnvironment

from activities.in_flight import InFlight
from activities.solana.confirmation import Confirmations
from activities.solana.rpc import ChainUnavailable, SolanaRpc
from activities.solana.transaction import MEMO_PROGRAM
from activities.swap import SwapActivities
from tests.memory_store import MemoryRelay, MemoryStore
from tests.samples import swap_attempt
from tests.simulation.weather import Weather, within
from tests.simulation.wire import Node
from tests.workflows.scripted import Script, ScriptedActivities, pays, unreadable
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.ids import memo
from workflows.domain.order import OrderTerms
from workflows.domain.routing import Route
from workflows.messages import PreparedSwap

WALLET = Keypair.from_seed(bytes(32))

# Once a second is enough for a chain whose slots are counted.
_POLL_SECONDS = 1.0

# How many workers end at a moment that has nothing to do with what they do, and after how long on average.
_DIES_BY_TIME = 0.4
_LIVES_SECONDS = 20.0

MakeTracker = Callable[..., Any]


class Gate:
    """Where a worker meets the world.

    Once it is `fenced`, Temporal takes nothing from it any more; once it is closed, nobody does. A worker that only
    seemed dead has a while between the two, beside the one that came after it.
    """

    def __init__(self, chance: Random, weather: Weather, deaths: "Deaths") -> None:
        self._chance = chance
        self._weather = weather
        self._deaths = deaths
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._over = False
        self._held: list[asyncio.Future[None]] = []
        self.fenced = False
        self.died: asyncio.Future[str] = self._loop.create_future()
        if deaths.left and chance.random() < _DIES_BY_TIME:
            # Wherever it is by then: asleep, most often.
            self._loop.call_later(chance.expovariate(1 / _LIVES_SECONDS), self._die, "at a moment of no meaning")

    async def passed(self, where: str) -> None:
        """Go on, or die here."""
        if not self._closed and not self.fenced and self.dies(where):
            self.kill()
        if self._over:
            raise asyncio.CancelledError
        if self._closed:
            # Whoever is dead does not come back; the life goes on without it. Kept, lest it be collected as garbage.
            self._held.append(self._loop.create_future())
            await self._held[-1]

    def dies(self, where: str) -> bool:
        """Whether the worker ends here; answers yes only so many times in a life."""
        if self._deaths.left and self._chance.random() < self._weather.worker_dies:
            self._deaths.left -= 1
            self._deaths.where.append(where)
            return True
        return False

    def kill(self) -> None:
        """End the worker, or let it seem so."""
        if self.fenced:
            return
        self.fenced = True
        if self._chance.random() < self._weather.worker_lingers:
            self._loop.call_later(self._chance.uniform(0, 90), self._close)
        else:
            self._close()
        self.died.set_result("")

    def end(self) -> None:
        """The life is over: let go of whoever waits."""
        self._closed = self._over = self.fenced = True

    def _die(self, where: str) -> None:
        if not self.fenced and self._deaths.left:
            self._deaths.left -= 1
            self._deaths.where.append(where)
            self.kill()

    def _close(self) -> None:
        self._closed = True


class Deaths:
    """How often workers still die in this life, and where they did."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.where: list[str] = []


class GatedStore:
    """The store of all workers as one of them sees it: away at times, or silent after it has done its work."""

    def __init__(self, store: MemoryStore, gate: Gate, chance: Random, weather: Weather) -> None:
        self._store = store
        self._gate = gate
        self._chance = chance
        self._weather = weather

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*arguments: Any, **named: Any) -> Any:
            await self._gate.passed(f"before {name}")
            await asyncio.sleep(self._chance.uniform(0.0005, 0.01))
            now, weather = asyncio.get_running_loop().time(), self._weather
            if within(now, weather.database_away):
                raise ConnectionError("the database is away")
            result = await method(*arguments, **named)
            await self._gate.passed(f"after {name}")
            if now < weather.lasts and self._chance.random() < weather.database_breaks:
                raise ConnectionError("the connection broke before the answer")
            return result

        return call


class GatedNode:
    """A node as one worker reaches it."""

    def __init__(self, node: Node, gate: Gate) -> None:
        self._node = node
        self._gate = gate

    async def answer(self, body: str, patience: float) -> tuple[int, dict[str, str], str]:
        """The node's answer."""
        method = body.split('"method":"', 1)[1].split('"', 1)[0]
        await self._gate.passed(f"before {method}")
        result = await self._node.answer(body, patience)
        await self._gate.passed(f"after {method}")
        return result


class SimulatedBuilder:
    """Signs real transactions that carry nothing but the memo of their attempt."""

    def __init__(self, rpc: SolanaRpc) -> None:
        self._rpc = rpc

    async def prepare(self, terms: OrderTerms, attempt: int, route: Route) -> PreparedSwap:
        """A signed swap; raises EngineError."""
        try:
            recent = await self._rpc.latest_blockhash()
        except ChainUnavailable as error:
            raise EngineError(ErrorCode.CHAIN_UNAVAILABLE, str(error)) from error
        text = Instruction(MEMO_PROGRAM, memo(terms.order_id, attempt).encode(), [])
        message = MessageV0.try_compile(WALLET.pubkey(), [text], [], Hash.from_bytes(bytes(recent.blockhash)))
        transaction = VersionedTransaction(message, [WALLET])
        swap = swap_attempt(
            terms.order_id,
            attempt,
            venue=route.venue,
            kind=route.kind,
            pool=route.pool,
            wallet_address=str(WALLET.pubkey()),
            signature=str(transaction.signatures[0]),
            transaction=base64.b64encode(bytes(transaction)).decode(),
            blockhash=str(recent.blockhash),
            last_valid_block_height=recent.last_valid_block_height,
            quoted_out=route.amount_out,
        )
        return PreparedSwap(swap=swap, compute_unit_limit=100_000, compute_unit_price=1_000, slot=9)


class SimulatedWorker:
    """The steps of an order by name, as `tests.workflows.durable.Runtime` calls them."""

    def __init__(
        self,
        store: MemoryStore,
        addresses: list[str],
        gate: Gate,
        chance: Random,
        weather: Weather,
        make_tracker: MakeTracker = Confirmations,
        make_swap: Callable[..., SwapActivities] = SwapActivities,
    ) -> None:
        gated: Any = GatedStore(store, gate, chance, weather)
        clock = asyncio.get_running_loop().time
        self._rpc = SolanaRpc(addresses[0], addresses[1:], clock=clock, random=chance)
        self._tracker = make_tracker(self._rpc, _POLL_SECONDS, random=chance)
        builder: Any = SimulatedBuilder(self._rpc)
        fails = weather.quotes_fail
        rolls = [chance.random() for _ in range(8)]
        answers = [unreadable() if roll < fails else pays(290_000_000 + n) for n, roll in enumerate(rolls)]
        scripted = ScriptedActivities(Script(raydium=(*answers[:4], pays(1)), meteora=(*answers[4:], pays(2))))
        scripted.store = gated
        swap = make_swap(gated, MemoryRelay(), self._rpc, builder, self._tracker, InFlight())
        own = (swap.prepare_swap, swap.execute_swap, swap.settle_swap)
        self.steps: dict[str, Callable[[Any], Awaitable[Any]]] = {
            step.__name__: _in_activity(step) for step in (*scripted.all(), *own)
        }

    async def close(self) -> None:
        """Stop the tracker."""
        await self._tracker.close()
        await self._rpc.close()


def _in_activity(step: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    async def run(argument: Any) -> Any:
        return await ActivityEnvironment().run(step, argument)

    return run


def wallet_address() -> Pubkey:
    """Who signs."""
    return WALLET.pubkey()
