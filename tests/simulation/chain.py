"""A cluster in memory: slots, blocks and their hashes, the window of a blockhash, forks, and what landed.

The oracle of the simulation: it alone knows what executed, whatever the nodes say about it.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from solders.hash import Hash
from solders.transaction import VersionedTransaction

from tests.simulation.weather import Weather
from workflows.domain.ids import parse_memo

SLOT_SECONDS = 0.4

# A blockhash is accepted in the block after it and 149 more (MAX_PROCESSING_AGE).
_LIFETIME_BLOCKS = 150

CONFIRMED_AFTER = 2
FINALIZED_AFTER = 32

# The chain is older than the order.
_FIRST_SLOT = 1_000
_FIRST_HEIGHT = 900

# Slots that a transaction waits with the leaders for a block before it is forgotten.
_WAITS = 2


@dataclass(frozen=True, slots=True)
class Executed:
    """A transaction in a block. `error` as JSON-RPC writes it, None when it traded."""

    signature: str
    transaction: VersionedTransaction
    order_id: str
    attempt: int
    slot: int
    error: Any


@dataclass(frozen=True, slots=True)
class Block:
    """A slot that has a block."""

    slot: int
    height: int
    hash: str
    signatures: tuple[str, ...] = ()


class SimulatedChain:
    """The blocks up to now; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float], chance: Random, weather: Weather) -> None:
        self._clock = clock
        self._chance = chance
        self._weather = weather
        self._slot = _FIRST_SLOT
        past = range(_FIRST_SLOT - 300, _FIRST_SLOT)
        self._blocks = [Block(slot, slot - _FIRST_SLOT + _FIRST_HEIGHT, _hash(slot, 0)) for slot in past]
        self._heights = {block.hash: block.height for block in self._blocks}
        self._generation = 0
        self._arriving: list[tuple[int, int, bytes]] = []
        self._arrivals = 0
        self.executed: dict[str, Executed] = {}
        self.vanished = 0
        self.sent: set[str] = set()

    @property
    def calm(self) -> bool:
        """Whether the weather is over."""
        return self._clock() >= self._weather.lasts

    def slot(self) -> int:
        """The slot in progress, every earlier one decided."""
        now = _FIRST_SLOT + int(self._clock() / SLOT_SECONDS)
        while self._slot < now:
            self._produce(self._slot)
            self._slot += 1
        return self._slot

    def block_at(self, slot: int) -> Block:
        """The last block at or before the slot."""
        return next(block for block in reversed(self._blocks) if block.slot <= slot)

    def latest_blockhash(self, slot: int) -> tuple[str, int]:
        """The hash of the last block at or before the slot, and its last valid block height."""
        block = self.block_at(slot)
        return block.hash, block.height + _LIFETIME_BLOCKS

    def submit(self, transaction: bytes) -> None:
        """Take the bytes that a node forwards; whether they reach a leader is the weather's business."""
        chance, weather = self._chance, self._weather
        self.sent.add(str(VersionedTransaction.from_bytes(transaction).signatures[0]))
        for _ in range(2 if not self.calm and chance.random() < weather.doubles else 1):
            if not self.calm and chance.random() < weather.drops:
                continue
            delay = chance.randint(0, 1)
            if not self.calm and chance.random() < weather.delays:
                delay = chance.randint(1, weather.longest_delay)
            self._arrivals += 1
            heapq.heappush(self._arriving, (self.slot() + delay, self._arrivals, transaction))

    def landed(self) -> list[Executed]:
        """Everything that traded."""
        return [each for each in self.executed.values() if each.error is None]

    def _produce(self, slot: int) -> None:
        self._fork_perhaps(slot)
        due = []
        while self._arriving and self._arriving[0][0] <= slot:
            due.append(heapq.heappop(self._arriving))
        if not self.calm and self._chance.random() < self._weather.skips:
            for arrival in due:
                if arrival[0] > slot - _WAITS:
                    heapq.heappush(self._arriving, arrival)
            return
        height = self._blocks[-1].height + 1
        signatures = [signature for _, _, wire in due if (signature := self._execute(wire, slot, height))]
        block = Block(slot, height, _hash(slot, self._generation), tuple(signatures))
        self._blocks.append(block)
        self._heights[block.hash] = height

    def _execute(self, wire: bytes, slot: int, height: int) -> str | None:
        transaction = VersionedTransaction.from_bytes(wire)
        signature = str(transaction.signatures[0])
        born = self._heights.get(str(transaction.message.recent_blockhash))
        if signature in self.executed or born is None or height > born + _LIFETIME_BLOCKS:
            return None
        reverts = not self.calm and self._chance.random() < self._weather.reverts
        error = {"InstructionError": [0, {"Custom": 6001}]} if reverts else None
        memo = parse_memo(transaction.message.instructions[-1].data.decode())
        assert memo is not None
        self.executed[signature] = Executed(signature, transaction, *memo, slot, error)
        return signature

    def _fork_perhaps(self, slot: int) -> None:
        """Drop the last block while no supermajority has voted for it."""
        last = self._blocks[-1]
        recent = slot - last.slot < CONFIRMED_AFTER
        if self.calm or not recent or self._chance.random() >= self._weather.forks:
            return
        self._blocks.pop()
        del self._heights[last.hash]
        self._generation += 1
        for signature in last.signatures:
            gone = self.executed.pop(signature)
            self.vanished += 1
            # Some leader may have it still.
            if self._chance.random() < 0.5:
                self._arrivals += 1
                heapq.heappush(self._arriving, (slot + 1, self._arrivals, bytes(gone.transaction)))


def _hash(slot: int, generation: int) -> str:
    return str(Hash(slot.to_bytes(16, "little") + generation.to_bytes(16, "little")))
