"""When the chain confirmed: localnet's slots follow wall time, so that a slot number is a moment."""

import asyncio
import time
from dataclasses import dataclass

from activities.solana.rpc import SolanaRpc

# A transaction of one slot counts as confirmed when the next one begins (localnet's default).
_CONFIRMED_LAG = 1


@dataclass(frozen=True, slots=True)
class ChainClock:
    """Slot 0 in `time.time` seconds, and the seconds that a slot lasts."""

    origin: float
    slot_seconds: float

    def confirmed_at(self, slot: int) -> float:
        """When a transaction that executed in `slot` was confirmed."""
        return self.origin + (slot + _CONFIRMED_LAG) * self.slot_seconds


async def read_chain_clock(rpc: SolanaRpc) -> ChainClock:
    """Watch a few slots begin; raises ChainUnavailable."""
    first_slot, first_at = await _next_slot(rpc)
    await asyncio.sleep(1)
    last_slot, last_at = await _next_slot(rpc)
    slot_seconds = (last_at - first_at) / (last_slot - first_slot)
    return ChainClock(first_at - first_slot * slot_seconds, slot_seconds)


async def _next_slot(rpc: SolanaRpc) -> tuple[int, float]:
    """The next slot to begin, and the moment it began, to about a millisecond."""
    current = await rpc.processed_slot()
    while True:
        slot = await rpc.processed_slot()
        if slot > current:
            return slot, time.time()
