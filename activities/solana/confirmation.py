"""What became of each broadcast signature: one tracker per worker asks for all of them together.

The tracker sends the bytes it is given, again and again the same ones, until the chain's answer is a fact:
landed or failed in a confirmed block, or proven never to land. It counts blocks and slots, never seconds.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from solders.signature import Signature
from solders.transaction_status import TransactionErrorType

from activities.solana.rpc import MAX_STATUSES, BlockPosition, ChainUnavailable, SignatureStatus, SolanaRpc

log = logging.getLogger(__name__)

# Slots between two broadcasts of the same bytes: a leader holds four slots, so the next one is asked.
RESEND_AFTER_SLOTS = 5


@dataclass(frozen=True, slots=True)
class Landed:
    """In a confirmed block; `error` is None when it executed, else nothing of it but the fee took effect."""

    slot: int
    error: TransactionErrorType | None


@dataclass(frozen=True, slots=True)
class Expired:
    """Proven: finalized block height passed the blockhash's last, and later still no node knew the signature."""

    finalized_height: int


@dataclass(eq=False, slots=True)
class _InFlight:
    signature: Signature
    transaction: bytes
    last_valid_block_height: int
    on_executed: Callable[[int], None]
    settled: "asyncio.Future[Landed | Expired]"
    sent_at_slot: int | None = None
    waiting: int = 0


class Confirmations:
    """All signatures of this worker whose outcome is unknown; `poll_seconds` paces the questions.

    While `may_broadcast` says no nothing is sent, and the outcome of what may have been sent before is still found out.
    """

    def __init__(self, rpc: SolanaRpc, poll_seconds: float, may_broadcast: Callable[[], bool] = lambda: True) -> None:
        self._rpc = rpc
        self._poll_seconds = poll_seconds
        self._may_broadcast = may_broadcast
        self._in_flight: dict[Signature, _InFlight] = {}
        self._task: asyncio.Task[None] | None = None

    async def settle(
        self,
        signature: Signature,
        transaction: bytes,
        last_valid_block_height: int,
        on_executed: Callable[[int], None] = lambda _: None,
    ) -> Landed | Expired:
        """Send the signed bytes until their outcome is known; waits as long as that takes.

        `on_executed(slot)` hears of it as soon as a node has executed them, which is not yet final. Calling it again
        for the same signature, in any worker, any number of times, is safe: the bytes are the same.
        """
        entry = self._in_flight.get(signature)
        is_new = entry is None
        if entry is None:
            settled: asyncio.Future[Landed | Expired] = asyncio.get_running_loop().create_future()
            entry = _InFlight(signature, transaction, last_valid_block_height, on_executed, settled)
            self._in_flight[signature] = entry
        # Counted before anything is awaited: whoever is cancelled first must not take the entry from the others.
        entry.waiting += 1
        try:
            if is_new:
                await self._send(entry)
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run())
            return await asyncio.shield(entry.settled)
        finally:
            entry.waiting -= 1
            if entry.waiting == 0:
                self._in_flight.pop(signature, None)

    async def close(self) -> None:
        """Stop asking; whoever still waits is cancelled."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for entry in self._in_flight.values():
            entry.settled.cancel()

    async def _run(self) -> None:
        while self._in_flight:
            await asyncio.sleep(self._poll_seconds)
            try:
                entries = list(self._in_flight.values())
                for start in range(0, len(entries), MAX_STATUSES):
                    await self._ask(entries[start : start + MAX_STATUSES])
            except ChainUnavailable as error:
                log.warning("signature statuses: %s", error)
            except Exception:
                # The tracker serves every order of the worker: one surprising answer must not end it.
                log.exception("signature statuses")

    async def _ask(self, batch: list[_InFlight]) -> None:
        statuses = await self._rpc.statuses(entry.signature for entry in batch)
        unknown = []
        for entry, status in zip(batch, statuses.values, strict=True):
            if status is None:
                unknown.append(entry)
            else:
                self._take(entry, status)
        if not unknown:
            return
        finalized = await self._rpc.finalized()
        overdue = [entry for entry in unknown if finalized.height > entry.last_valid_block_height]
        if overdue:
            await self._prove_expired(overdue, finalized)
        for entry in unknown:
            if entry not in overdue:
                await self._resend(entry, statuses.slot)

    def _take(self, entry: _InFlight, status: SignatureStatus) -> None:
        if status.error is None:
            entry.on_executed(status.slot)
        if status.confirmed:
            _settle(entry, Landed(status.slot, status.error))

    async def _prove_expired(self, overdue: list[_InFlight], finalized: BlockPosition) -> None:
        """Nothing of them can land after the finalized block; an answer as of its slot or later covers all before."""
        statuses = await self._rpc.statuses((entry.signature for entry in overdue), search_history=True)
        if statuses.slot < finalized.slot:
            log.warning("expiry: a node answers as of slot %d, behind %d: no proof", statuses.slot, finalized.slot)
            return
        for entry, status in zip(overdue, statuses.values, strict=True):
            if status is None:
                _settle(entry, Expired(finalized.height))
            else:
                self._take(entry, status)

    async def _resend(self, entry: _InFlight, slot: int) -> None:
        if not self._may_broadcast():
            # Due as soon as it may be sent again.
            entry.sent_at_slot = slot - RESEND_AFTER_SLOTS
        elif entry.sent_at_slot is None:
            entry.sent_at_slot = slot
        elif slot >= entry.sent_at_slot + RESEND_AFTER_SLOTS:
            entry.sent_at_slot = slot
            await self._send(entry)

    async def _send(self, entry: _InFlight) -> None:
        if not self._may_broadcast():
            return
        # A send error proves nothing: the bytes may have reached the leader all the same.
        try:
            await self._rpc.send(entry.transaction)
        except ChainUnavailable as error:
            log.warning("sending %s: %s", entry.signature, error)


def _settle(entry: _InFlight, outcome: Landed | Expired) -> None:
    if not entry.settled.done():
        entry.settled.set_result(outcome)
