"""What is measured between the engine and its nodes: each call, how each endpoint stands, and what wallets hold."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from prometheus_client import Counter, Gauge, Histogram
from solana_keychain.core.signer import TransactionSigner
from solders.pubkey import Pubkey

from activities.solana.errors import Outcome
from activities.solana.observer import Circuit
from activities.solana.rpc import MAX_ACCOUNTS, ChainUnavailable
from activities.solana.signers.keys import KeyUnusable
from activities.venues.pool import Account

log = logging.getLogger(__name__)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

# One small request for up to 100 wallets.
_BALANCES_SECONDS = 15.0

CALLS = Counter(
    "order_engine_rpc_requests_total",
    "Requests to a Solana node by method, host of the node and outcome.",
    ("method", "endpoint", "outcome"),
)
CALL_TIME = Histogram(
    "order_engine_rpc_request_duration_seconds",
    "Time of a request to a Solana node, without the wait for a turn.",
    ("method", "endpoint"),
    buckets=_SECONDS,
)
CIRCUIT = Gauge(
    "order_engine_rpc_endpoint_circuit",
    "1 for how an endpoint stands: closed (asked), open, half_open (probed) or resting (it asked for it).",
    ("endpoint", "circuit"),
)
COST = Gauge(
    "order_engine_rpc_endpoint_cost_seconds",
    "Latency of an endpoint with penalties for failures and lag; the lowest is asked first.",
    ("endpoint",),
)
BEHIND = Gauge("order_engine_rpc_endpoint_slots_behind", "Slots that an endpoint is behind the best.", ("endpoint",))
VANISHED = Counter("order_engine_swaps_vanished_total", "Swaps that were confirmed and left the chain with a fork.")
BALANCE = Gauge(
    "order_engine_wallet_balance_lamports", "Native SOL of a wallet, in lamports, by its name.", ("wallet",)
)


class RpcMetrics:
    """Counts what happens to requests; an observer of the RPC endpoints."""

    def called(self, method: str, host: str, outcome: Outcome, seconds: float) -> None:
        """A call has ended."""
        CALLS.labels(method, host, outcome).inc()
        CALL_TIME.labels(method, host).observe(seconds)

    def health(self, host: str, circuit: Circuit, cost: float, slots_behind: int) -> None:
        """How an endpoint stands after a call."""
        for each in Circuit:
            CIRCUIT.labels(host, each).set(each is circuit)
        COST.labels(host).set(cost)
        BEHIND.labels(host).set(slots_behind)

    def vanished(self, signature: str) -> None:
        """A swap that was confirmed is not on the chain any more."""
        VANISHED.inc()


class AccountReader(Protocol):
    """Where balances are read."""

    async def accounts(self, keys: Sequence[Pubkey]) -> tuple[int, Mapping[Pubkey, Account | None]]:
        """At most 100 accounts; raises ChainUnavailable."""


@contextlib.asynccontextmanager
async def measured_balances(rpc: AccountReader, signers: Mapping[str, TransactionSigner]) -> AsyncIterator[None]:
    """Measure what the wallets hold every few seconds while inside."""
    task = asyncio.create_task(_measure(rpc, signers))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _measure(rpc: AccountReader, signers: Mapping[str, TransactionSigner]) -> None:
    while True:
        addresses = _addresses(signers)
        for start in range(0, len(addresses), MAX_ACCOUNTS):
            names = list(addresses)[start : start + MAX_ACCOUNTS]
            try:
                _, found = await rpc.accounts([addresses[name] for name in names])
            except ChainUnavailable as error:
                log.info("balances of wallets are not known: %s", error)
                break
            for name in names:
                account = found[addresses[name]]
                BALANCE.labels(name).set(account.lamports if account else 0)
        await asyncio.sleep(_BALANCES_SECONDS)


def _addresses(signers: Mapping[str, TransactionSigner]) -> dict[str, Pubkey]:
    addresses = {}
    for name in signers:
        with contextlib.suppress(KeyError, KeyUnusable):
            addresses[name] = signers[name].pubkey
    return addresses
