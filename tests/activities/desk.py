"""All that a swap needs on a simulated cluster: quotes, signed bytes, their sender. No Temporal and no PostgreSQL."""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from temporalio.testing import ActivityEnvironment

from activities.in_flight import InFlight
from activities.pools import PoolReader
from activities.quotes import Quoter
from activities.solana.confirmation import Confirmations
from activities.solana.fees import Fees
from activities.solana.rpc import SolanaRpc
from activities.solana.wallets import Wallets
from activities.swap import SwapActivities
from activities.swap_builder import SwapBuilder
from activities.venues import kinds
from activities.venues.mint import NATIVE_MINT
from tests.localnet.chain import USDC, Chain, ata, running
from tests.memory_store import MemoryRelay, MemoryStore
from tests.samples import first_events, order_event, order_terms
from workflows.domain.attempt import SwapAttempt, SwapOutcome
from workflows.domain.lifecycle import Status
from workflows.domain.money import Token
from workflows.domain.order import OrderTerms
from workflows.domain.pools import RegisteredPool
from workflows.domain.routing import Route
from workflows.messages import (
    ExecuteSwap,
    PreparedSwap,
    PrepareSwap,
    QuoteRequest,
    SettleSwap,
    SwapExecuted,
    SwapSettled,
)

FEES = Fees(compute_unit_price=1_000, margin_percent=15)

# What an attempt's bytes can be read for: pool states must not be older than the test's last transaction.
_ALWAYS_FRESH = 0.0


class Pools:
    """A registry of all pools of the cluster's main pair; `away` is an outage."""

    def __init__(self, pools: Sequence[RegisteredPool]) -> None:
        self.pools = list(pools)
        self.away = False

    async def of_pair(self, mint: str, other: str) -> Sequence[RegisteredPool]:
        """Every pool of the two mints."""
        if self.away:
            raise ConnectionError("the database is away")
        return self.pools


async def registered(chain: Chain) -> list[RegisteredPool]:
    """The pools of SOL and USDC, found on the chain."""
    return [
        RegisteredPool(str(pool.address), kind.venue, kind.name, str(NATIVE_MINT), str(USDC))
        for kind in kinds.KINDS
        for pool in await chain.pools(kind, NATIVE_MINT, USDC)
    ]


class Worker:
    """One worker's activities; a second one on the same desk is what comes after a crash."""

    def __init__(self, chain: Chain, wallet_dir: Path, pools: Pools, store: MemoryStore, fees: Fees = FEES) -> None:
        self.rpc = SolanaRpc(chain.url)
        in_flight = InFlight()
        self.quoter = Quoter(PoolReader(self.rpc, pools, _ALWAYS_FRESH), in_flight)
        self.builder = SwapBuilder(self.rpc, self.quoter, Wallets(wallet_dir), fees, _ALWAYS_FRESH)
        self.confirmations = Confirmations(self.rpc, poll_seconds=0.01)
        self.swap = SwapActivities(store, MemoryRelay(), self.rpc, self.builder, self.confirmations, in_flight)

    async def close(self) -> None:
        """End without a word to anyone."""
        await self.confirmations.close()
        await self.rpc.close()


class Desk:
    """A cluster, its pools, the order book of the test, and a worker."""

    def __init__(self, chain: Chain, wallet_dir: Path, pools: Pools) -> None:
        self.chain = chain
        self.wallet_dir = wallet_dir
        self.pools = pools
        self.store = MemoryStore()
        self.worker = self.new_worker()

    def new_worker(self, fees: Fees = FEES) -> Worker:
        """A worker with nothing in its memory."""
        return Worker(self.chain, self.wallet_dir, self.pools, self.store, fees)

    async def restart(self) -> None:
        """End the worker and go on with a new one."""
        await self.worker.close()
        self.worker = self.new_worker()

    async def accept(self, **changes: Any) -> OrderTerms:
        """A new order that has come as far as being decided on."""
        terms = order_terms(**changes)
        await self.store.create_order(terms, (*first_events(), order_event(3, Status.BUILDING)))
        return terms

    async def route(self, terms: OrderTerms, kind: str) -> Route:
        """The route over the best pool of a kind."""
        request = QuoteRequest(
            token_in=terms.token_in, token_out=terms.token_out, amount_in=terms.amount_in, amount_out=terms.amount_out
        )
        venue = kinds.by_name(kind).venue
        answer = await self.worker.quoter.venue(venue, request)
        assert answer.reason is None, answer.detail
        return Route(legs=(next(quote for quote in answer.quotes if quote.kind == kind),))

    async def prepare(
        self, terms: OrderTerms, route: Route, attempt: int = 1, worker: Worker | None = None
    ) -> PreparedSwap:
        """The signed swap; raises ApplicationError with the reason."""
        request = PrepareSwap(terms=terms, attempt=attempt, route=route)
        return await ActivityEnvironment().run((worker or self.worker).swap.prepare_swap, request)

    async def execute(
        self, terms: OrderTerms, swap: SwapAttempt, seq: int = 4, worker: Worker | None = None
    ) -> SwapExecuted:
        """Send the swap and find out what became of it."""
        event = order_event(seq, Status.SUBMITTED, attempt=swap.attempt, signature=swap.signature)
        request = ExecuteSwap(terms=terms, swap=swap, event=event)
        return await ActivityEnvironment().run((worker or self.worker).swap.execute_swap, request)

    async def settle(self, terms: OrderTerms, swap: SwapAttempt) -> SwapSettled:
        """Find out what became of a swap that another history of the order had recorded."""
        event = order_event(4, Status.SUBMITTED, attempt=swap.attempt, signature=swap.signature)
        request = SettleSwap(terms=terms, event=event)
        return await ActivityEnvironment().run(self.worker.swap.settle_swap, request)

    async def outcome(self, terms: OrderTerms, swap: SwapAttempt) -> SwapOutcome:
        """What became of the swap, which nothing stood in the way of."""
        executed = await self.execute(terms, swap)
        assert executed.outcome is not None
        return executed.outcome

    async def holding(self, wallet: Pubkey, token: Token) -> int:
        """Base units that the wallet holds; lamports for SOL."""
        mint, program = Pubkey.from_string(token.mint), Pubkey.from_string(token.program)
        if mint == NATIVE_MINT:
            return await self.chain.lamports(wallet)
        return await self.chain.tokens(ata(wallet, mint, program))


def transaction_of(swap: SwapAttempt) -> VersionedTransaction:
    """The signed bytes, read."""
    return VersionedTransaction.from_bytes(base64.b64decode(swap.transaction))


@asynccontextmanager
async def open_desk(data_dir: Path, **settings: Any) -> AsyncIterator[Desk]:
    """A desk on a new cluster with its data in the directory."""
    async with running(data_dir, **settings) as chain:
        desk = Desk(chain, data_dir / "wallets", Pools(await registered(chain)))
        try:
            yield desk
        finally:
            await desk.worker.close()
