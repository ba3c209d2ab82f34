"""Senders that are wrong in one way each; the simulation must notice every one of them."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from solders.signature import Signature

from activities.solana.confirmation import Expired, Landed
from activities.solana.rpc import ChainUnavailable
from activities.swap import SwapActivities
from tests.simulation.life import Engine
from workflows.domain.attempt import OutcomeKind, SwapAttempt, SwapOutcome
from workflows.domain.errors import ErrorCode
from workflows.domain.order import OrderTerms
from workflows.messages import ExecuteSwap, SwapExecuted

_POLL_SECONDS = 1.0


class _Tracker:
    """Sends, asks one node now and then, and concludes as `outcome` does. The shape of many a trading bot."""

    def __init__(self, rpc: Any, poll_seconds: float, **_: Any) -> None:
        self._rpc = rpc

    async def settle(
        self,
        signature: Signature,
        transaction: bytes,
        last_valid_block_height: int,
        on_executed: Callable[[int], None] = lambda _: None,
        **_: Any,
    ) -> Landed | Expired:
        """Send until there is an outcome."""
        asked = 0
        while True:
            with contextlib.suppress(ChainUnavailable):
                await self._rpc.send(transaction)
            await asyncio.sleep(_POLL_SECONDS)
            asked += 1
            try:
                outcome = await self.outcome(signature, last_valid_block_height, asked)
            except ChainUnavailable:
                continue
            if outcome is not None:
                return outcome

    async def outcome(self, signature: Signature, last: int, asked: int) -> Landed | Expired | None:
        """What it takes for the outcome."""
        raise NotImplementedError

    async def landed(self, signature: Signature, search: bool = False) -> Landed | None:
        """As the engine's own."""
        (status,) = (await self._rpc.statuses([signature], search)).values
        return Landed(status.slot, status.error) if status is not None and _is_confirmed(status) else None

    async def close(self) -> None:
        """Nothing runs."""


def _is_confirmed(status: Any) -> bool:
    level = getattr(status, "level", None)
    return bool(status.confirmed if level is None else level > 0)


class GivesUpAfterATime(_Tracker):
    """Thirty seconds without an answer are taken for a failure."""

    async def outcome(self, signature: Signature, last: int, asked: int) -> Landed | Expired | None:
        return await self.landed(signature) or (Expired(0) if asked >= 30 else None)


class BelievesOneNull(_Tracker):
    """A node that does not know the signature is taken at its word."""

    async def outcome(self, signature: Signature, last: int, asked: int) -> Landed | Expired | None:
        return await self.landed(signature) or (Expired(0) if asked >= 5 else None)


class CountsUnfinishedBlocks(_Tracker):
    """The blockhash is dead by the newest block of some node, while another may still take the transaction."""

    async def outcome(self, signature: Signature, last: int, asked: int) -> Landed | Expired | None:
        found = await self.landed(signature)
        finalized = await self._rpc.finalized()
        return found or (Expired(0) if finalized.height + 32 > last else None)


class NeverSearchesHistory(_Tracker):
    """The deadline has passed, and the recent signatures are all that it asks for."""

    async def outcome(self, signature: Signature, last: int, asked: int) -> Landed | Expired | None:
        # It reads the outcome first and the deadline afterwards: what lands between the two is lost.
        found = await self.landed(signature)
        await asyncio.sleep(20)
        finalized = await self._rpc.finalized()
        return found or (Expired(finalized.height) if finalized.height > last else None)


class ReportsBeforeTheVotes(_Tracker):
    """What a node has processed is taken for landed; a fork takes it away."""

    async def outcome(self, signature: Signature, last: int, asked: int) -> Landed | Expired | None:
        (status,) = (await self._rpc.statuses([signature], True)).values
        if status is not None:
            return Landed(status.slot, status.error)
        finalized = await self._rpc.finalized()
        return Expired(finalized.height) if finalized.height > last + 200 else None

    async def settle(self, *arguments: Any, **named: Any) -> Landed | Expired:
        # Once only: what is sent again after a fork lands again.
        signature, transaction, last = arguments[:3]
        with contextlib.suppress(ChainUnavailable):
            await self._rpc.send(transaction)
        while True:
            await asyncio.sleep(0.3)
            try:
                outcome = await self.outcome(signature, last, 0)
            except ChainUnavailable:
                continue
            if outcome is not None:
                return outcome


class GivesUpWhenTheNodeIsAway(_Tracker):
    """An error of the node is taken for a failure of the swap."""

    async def settle(self, *arguments: Any, **named: Any) -> Landed | Expired:
        signature, transaction, last = arguments[:3]
        while True:
            try:
                await self._rpc.send(transaction)
                await asyncio.sleep(_POLL_SECONDS)
                found = await self.landed(signature, search=True)
                if found is None and (await self._rpc.finalized()).height > last:
                    found = await self.landed(signature, search=True)
                    return found or Expired(0)
                if found is not None:
                    return found
            except ChainUnavailable:
                return Expired(0)


class SendsBeforeItRecords(SwapActivities):
    """Saves a round trip to the database, and forgets what it sent when it dies between the two."""

    async def execute_swap(self, request: ExecuteSwap) -> SwapExecuted:
        outcome = await self._outcome(request.terms, request.swap)
        stands = await self._store.record_attempt(request.swap, request.event)
        await self._store.settle_attempt(request.swap, outcome)
        return SwapExecuted(event=stands, outcome=outcome)


class SwallowsFailures(SwapActivities):
    """Whatever goes wrong with the swap is told the workflow as a failed one, which it may try again."""

    async def _follow(self, terms: OrderTerms, swap: SwapAttempt) -> SwapOutcome:
        try:
            async with asyncio.timeout(20):
                return await super()._follow(terms, swap)
        except TimeoutError:
            outcome = SwapOutcome(kind=OutcomeKind.EXPIRED, reason=ErrorCode.BLOCKHASH_EXPIRED, detail="no answer")
            await self._store.settle_attempt(swap, outcome)
            return outcome


MUTANTS = {
    kind.__name__: Engine(make_tracker=kind)
    for kind in (
        GivesUpAfterATime,
        BelievesOneNull,
        CountsUnfinishedBlocks,
        NeverSearchesHistory,
        ReportsBeforeTheVotes,
        GivesUpWhenTheNodeIsAway,
    )
} | {kind.__name__: Engine(make_swap=kind) for kind in (SendsBeforeItRecords, SwallowsFailures)}
