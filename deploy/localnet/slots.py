"""Time, slots, block heights and blockhashes, all computed from the wall clock when somebody asks.

A slot number follows from the time that passed since an anchor, so idle slots cost nothing and a
restarted cluster goes on where the wall clock puts it. A new anchor is set when the slot length changes
or when slots are skipped on request. Every slot has a block, but block height stays behind the slot by a
constant, as on a real cluster where some slots have no block: a client that confuses the two fails here.
"""

import hashlib
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import NamedTuple

FIRST_SLOT = 1_000
_HEIGHT_BEHIND_SLOT = 100
SLOTS_PER_EPOCH = 432_000
# A transaction is accepted while its blockhash is at most this many blocks old (MAX_PROCESSING_AGE).
MAX_BLOCKHASH_AGE = 150
# How many hashes a node remembers (MAX_RECENT_BLOCKHASHES).
REMEMBERED_BLOCKHASHES = 300


class Commitment(StrEnum):
    """How final an answer must be."""

    PROCESSED = "processed"
    CONFIRMED = "confirmed"
    FINALIZED = "finalized"


def steady_time() -> Callable[[], float]:
    """Unix time in seconds that goes on from now with the machine's uptime, whatever is done to its wall clock.

    A cluster whose time stood still would confirm nothing until the wall clock had caught up.
    """
    started = time.time() - time.monotonic()
    return lambda: started + time.monotonic()


class Anchor(NamedTuple):
    """From `time` (Unix seconds) on, slot `slot` began and slots last `slot_ms`."""

    time: float
    slot: int
    slot_ms: int


class SlotClock:
    """Where the cluster stands in time.

    `anchors` continue an earlier run; without any a new cluster starts now. The clock never goes back.
    """

    def __init__(
        self,
        genesis_hash: bytes,
        slot_ms: int,
        anchors: list[Anchor],
        lags: dict[Commitment, int],
        now: Callable[[], float] | None = None,
    ) -> None:
        self._genesis_hash = genesis_hash
        self._now = now or steady_time()
        self._lags = lags
        self._latest = FIRST_SLOT
        self._stopped: int | None = None
        self._slot_of: OrderedDict[bytes, int] = OrderedDict()
        self._hashed_to = 0
        self.anchors = anchors
        if not anchors:
            anchors.append(Anchor(self._now(), FIRST_SLOT, slot_ms))
        elif anchors[-1].slot_ms != slot_ms:
            anchors.append(Anchor(self._now(), self.slot(), slot_ms))

    def slot(self) -> int:
        """The slot in progress, in which transactions land."""
        if self._stopped is not None:
            return self._stopped
        anchor = self.anchors[-1]
        elapsed_ms = (self._now() - anchor.time) * 1000
        current = anchor.slot + max(0, int(elapsed_ms // anchor.slot_ms))
        self._latest = max(self._latest, current)
        return self._latest

    @contextmanager
    def stopped_at(self, slot: int) -> Iterator[None]:
        """Meanwhile `slot` is the slot in progress: the clock of a node that is behind."""
        self._stopped = slot
        try:
            yield
        finally:
            self._stopped = None

    def until_next_slot(self) -> float:
        """The seconds until the slot in progress ends."""
        anchor = self.anchors[-1]
        ends = anchor.time + (self.slot() + 1 - anchor.slot) * anchor.slot_ms / 1000
        return max(0.0, ends - self._now())

    def slot_at(self, commitment: Commitment) -> int:
        """The newest slot that has reached `commitment`."""
        return max(0, self.slot() - self._lags[commitment])

    def lag(self, commitment: Commitment) -> int:
        """How many slots behind the one in progress `commitment` is reached."""
        return self._lags[commitment]

    def commitment_of(self, slot: int) -> Commitment:
        """How final `slot` is now."""
        age = self.slot() - slot
        if age >= self._lags[Commitment.FINALIZED]:
            return Commitment.FINALIZED
        return Commitment.CONFIRMED if age >= self._lags[Commitment.CONFIRMED] else Commitment.PROCESSED

    def skip(self, slots: int) -> None:
        """Let `slots` slots pass at once; the wall time does not change."""
        current = self.slot()
        self.anchors.append(Anchor(self._now(), current + slots, self.anchors[-1].slot_ms))

    def unix_time(self, slot: int) -> int:
        """The Unix time at which `slot` began, in whole seconds."""
        at = bisect_right(self.anchors, slot, key=lambda anchor: anchor.slot) - 1
        anchor = self.anchors[max(0, at)]
        return int(anchor.time + (slot - anchor.slot) * anchor.slot_ms / 1000)

    def blockhash(self, slot: int) -> bytes:
        """The hash of the block in `slot`."""
        return hashlib.sha256(self._genesis_hash + slot.to_bytes(8, "little")).digest()

    def slot_of_blockhash(self, blockhash: bytes) -> int | None:
        """The slot of a remembered blockhash, None for one that is unknown or too old."""
        newest = self.slot()
        for slot in range(max(self._hashed_to, newest - REMEMBERED_BLOCKHASHES) + 1, newest + 1):
            self._slot_of[self.blockhash(slot)] = slot
        self._hashed_to = max(self._hashed_to, newest)
        while len(self._slot_of) > REMEMBERED_BLOCKHASHES:
            self._slot_of.popitem(last=False)
        slot_or_none = self._slot_of.get(blockhash)
        if slot_or_none is None or slot_or_none <= newest - REMEMBERED_BLOCKHASHES:
            return None
        return slot_or_none

    def accepts(self, blockhash: bytes, bank_slot: int) -> bool:
        """Whether a block in `bank_slot` may hold a transaction that names `blockhash`."""
        slot = self.slot_of_blockhash(blockhash)
        return slot is not None and slot <= bank_slot <= slot + MAX_BLOCKHASH_AGE

    def last_slot_for(self, blockhash: bytes, slot: int) -> int:
        """The last slot that accepts the blockhash of a transaction that landed in `slot`; any age is known."""
        return next(at for at in range(slot, -1, -1) if self.blockhash(at) == blockhash) + MAX_BLOCKHASH_AGE


def block_height(slot: int) -> int:
    """The number of blocks below the block of `slot`."""
    return max(0, slot - _HEIGHT_BEHIND_SLOT)


def last_valid_block_height(slot: int) -> int:
    """The height of the last block that accepts the blockhash of `slot`."""
    return block_height(slot) + MAX_BLOCKHASH_AGE
