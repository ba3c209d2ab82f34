"""Prepare and execute the swap of one attempt. Preparing never sends; executing only ever sends what was prepared."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator

from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from temporalio import activity

from activities.in_flight import InFlight
from activities.refusal import refusal
from activities.solana.confirmation import Confirmations, Expired
from activities.solana.failures import explain
from activities.solana.fill_reader import FillReader, Traded
from activities.solana.rpc import SolanaRpc
from activities.solana.statuses import ChainError, UnreadableError
from activities.store import OrderStore, Relay
from activities.swap_builder import SwapBuilder
from activities.takeover import release_workflow
from workflows.domain.attempt import OutcomeKind, SwapAttempt, SwapOutcome
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.ids import memo
from workflows.domain.lifecycle import Status
from workflows.domain.order import OrderTerms
from workflows.messages import ExecuteSwap, PreparedSwap, PrepareSwap, SettleSwap, SwapExecuted, SwapSettled

# Well below the heartbeat timeout, so that a slow moment of the worker is not taken for its death. The start counts as
# a sign of life too, and each further one is a write of Temporal's: a swap that lands soon needs none.
_FIRST_HEARTBEAT_SECONDS = 1.0
_HEARTBEAT_SECONDS = 0.35


class SwapActivities:
    """The two steps that deal with signed bytes."""

    def __init__(
        self,
        store: OrderStore,
        relay: Relay,
        rpc: SolanaRpc,
        builder: SwapBuilder,
        confirmations: Confirmations,
        in_flight: InFlight,
    ) -> None:
        self._store = store
        self._relay = relay
        self._fills = FillReader(rpc)
        self._builder = builder
        self._confirmations = confirmations
        self._in_flight = in_flight

    @activity.defn
    async def prepare_swap(self, request: PrepareSwap) -> PreparedSwap:
        """Re-read the chosen pool, build, simulate and sign. Sends nothing.

        Raises ApplicationError typed with an error code when the swap would fail or cannot be made.
        """
        try:
            return await self._builder.prepare(request.terms, request.attempt, request.route)
        except EngineError as error:
            self._in_flight.remove(memo(request.terms.order_id, request.attempt))
            raise refusal(error) from error

    @activity.defn
    async def execute_swap(self, request: ExecuteSwap) -> SwapExecuted:
        """Record the attempt, relay its event, send the signed bytes until the chain's answer is proven."""
        async with _beating():
            return await self._execute(request)

    async def _execute(self, request: ExecuteSwap) -> SwapExecuted:
        swap, terms = request.swap, request.terms
        try:
            stands = await self._store.record_attempt(swap, request.event)
        except EngineError as error:
            self._in_flight.remove(memo(swap.order_id, swap.attempt))
            return SwapExecuted(event=request.event, outcome=None, halted=error.detail)
        if stands.status is not Status.SUBMITTED or stands.signature != swap.signature:
            self._in_flight.remove(memo(swap.order_id, swap.attempt))
            return SwapExecuted(event=stands, outcome=None)
        await self._relay.publish(terms.order_id, terms.account, (stands,))
        outcome = None
        if activity.info().attempt > 1:
            # A worker that was taken for dead may have followed it to the end.
            _, outcome = await self._store.recorded_swap(swap.order_id, swap.signature)
        return SwapExecuted(event=stands, outcome=outcome or await self._follow(terms, swap))

    @activity.defn
    async def settle_swap(self, request: SettleSwap) -> SwapSettled:
        """Send a swap's recorded bytes, signed by a try whose history is lost, until the chain's answer is proven."""
        signature = request.event.signature
        assert signature is not None
        async with _beating():
            swap, outcome = await self._store.recorded_swap(request.terms.order_id, signature)
            return SwapSettled(swap=swap, outcome=outcome or await self._follow(request.terms, swap))

    async def _follow(self, terms: OrderTerms, swap: SwapAttempt) -> SwapOutcome:
        """Send the bytes until their outcome is known, and record it; the outcome that stands in the log."""
        outcome = await self._store.settle_attempt(swap, await self._outcome(terms, swap))
        self._in_flight.remove(memo(swap.order_id, swap.attempt))
        return outcome

    async def _outcome(self, terms: OrderTerms, swap: SwapAttempt) -> SwapOutcome:
        transaction = base64.b64decode(swap.transaction)
        signature = Signature.from_string(swap.signature)
        purpose = memo(swap.order_id, swap.attempt)
        while True:
            settled = await self._confirmations.settle(
                signature,
                transaction,
                swap.last_valid_block_height,
                on_executed=lambda slot: self._in_flight.executed(purpose, slot),
                signing_slot=swap.signing_slot,
            )
            if isinstance(settled, Expired):
                last, finalized = swap.last_valid_block_height, settled.finalized_height
                detail = f"not landed by block {last}, finalized is {finalized}"
                return SwapOutcome(kind=OutcomeKind.EXPIRED, reason=ErrorCode.BLOCKHASH_EXPIRED, detail=detail)
            if settled.error is not None:
                reason, detail = _explain(settled.error, transaction)
                return SwapOutcome(kind=OutcomeKind.REVERTED, slot=settled.slot, reason=reason, detail=detail)
            fill = await self._fills.read(signature, _traded(terms, swap))
            if fill is not None:
                return SwapOutcome(kind=OutcomeKind.LANDED, slot=settled.slot, fill=fill)
            # It has landed, and nobody can show it: a fork may have taken it away before anything was reported.


@contextlib.asynccontextmanager
async def _beating() -> AsyncIterator[None]:
    """Tell Temporal that this worker lives, also while PostgreSQL keeps it waiting.

    Where an earlier try ended with its worker, the workflow is to go on without that one.
    """
    heartbeat = asyncio.create_task(_beat())
    releasing = asyncio.create_task(release_workflow()) if activity.info().attempt > 1 else None
    try:
        yield
        if releasing is not None:
            await releasing
    finally:
        heartbeat.cancel()
        if releasing is not None:
            releasing.cancel()


async def _beat() -> None:
    await asyncio.sleep(_FIRST_HEARTBEAT_SECONDS)
    while True:
        activity.heartbeat()
        await asyncio.sleep(_HEARTBEAT_SECONDS)


def _traded(terms: OrderTerms, swap: SwapAttempt) -> Traded:
    return Traded(
        wallet=Pubkey.from_string(swap.wallet_address),
        sold=Pubkey.from_string(terms.token_in.mint),
        bought=Pubkey.from_string(terms.token_out.mint),
    )


def _explain(error: ChainError, transaction: bytes) -> tuple[ErrorCode, str]:
    if isinstance(error, UnreadableError):
        return ErrorCode.SWAP_REVERTED, f"an error that this version does not know: {error}"
    message = VersionedTransaction.from_bytes(transaction).message
    programs = [message.account_keys[instruction.program_id_index] for instruction in message.instructions]
    return explain(error, programs)
