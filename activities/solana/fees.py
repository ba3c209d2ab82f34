"""What a swap pays to land: the price of its compute from recent fees, within a floor and a cap; a tip if one is set.

Pure but for `PriorityFees`, which asks the node. Prices are micro-lamports per compute unit, everything else lamports.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from solders.instruction import Instruction
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from activities.solana.rpc import ChainUnavailable
from activities.solana.shared import Shared
from activities.solana.transaction import MICRO_LAMPORTS

log = logging.getLogger(__name__)

# `getRecentPrioritizationFees` refuses more (Solana RPC documentation).
MAX_FEE_ACCOUNTS = 128

# The fee is worth less than the price that moves meanwhile.
_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Tip:
    """Lamports that a swap transfers to an account of whoever brings it into a block, in its own transaction."""

    account: Pubkey
    lamports: int

    def instruction(self, wallet: Pubkey) -> Instruction:
        """The transfer from the wallet."""
        return transfer(TransferParams(from_pubkey=wallet, to_pubkey=self.account, lamports=self.lamports))


@dataclass(frozen=True, slots=True)
class Fees:
    """How swaps are priced to land.

    `compute_unit_price` is the floor, also where nothing is known of recent fees; `price_cap` bounds the price and
    `lamports_cap` what a transaction pays at it, both win over the floor. `percentile` of the recent slots' fees is
    the price of a first attempt, each further one bids `bump_percent` more than the one before. `margin_percent` is
    asked for above the compute that the simulation took. Recent fees are shared for `max_age` seconds.
    """

    compute_unit_price: int
    margin_percent: int
    price_cap: int = 2_000_000
    lamports_cap: int = 1_000_000
    percentile: int = 75
    bump_percent: int = 50
    max_age: float = 2.0
    tip: Tip | None = None

    @property
    def tip_lamports(self) -> int:
        """What a swap pays as a tip, 0 without one."""
        return self.tip.lamports if self.tip else 0

    def price(self, recent: Sequence[int], attempt: int) -> int:
        """The price of an attempt, 1 for the first, after the `recent` slots' fees in any order."""
        market = max(self.compute_unit_price, percentile(recent, self.percentile))
        bid = min(market, self.price_cap)
        for _ in range(attempt - 1):
            bid = min(bid * (100 + self.bump_percent) // 100, self.price_cap)
        return bid

    def affordable(self, price: int, units: int) -> int:
        """The price, or the highest one at which a limit of `units` costs no more than `lamports_cap`."""
        return min(price, self.lamports_cap * MICRO_LAMPORTS // units) if units else price


def percentile(values: Sequence[int], percent: int) -> int:
    """The smallest of the values that at least `percent` of a hundred do not exceed (nearest rank); 0 without any."""
    if not values:
        return 0
    rank = -(-percent * len(values) // 100)
    return sorted(values)[max(rank, 1) - 1]


class RecentFees(Protocol):
    """Where recent fees are asked for; `activities.solana.rpc.SolanaRpc` provides it."""

    async def recent_fees(self, accounts: Sequence[Pubkey]) -> list[int]:
        """For each recent slot the price that got a transaction in which writes all the accounts.

        Raises ChainUnavailable.
        """


class PriorityFees:
    """Prices for the accounts that swaps write, from answers that the orders of a short while share."""

    def __init__(self, rpc: RecentFees, fees: Fees) -> None:
        self._rpc = rpc
        self._fees = fees
        self._recent: Shared[frozenset[Pubkey], list[int]] = Shared(self._read, fees.max_age)

    async def price(self, written: Iterable[Pubkey], attempt: int) -> int:
        """The price of an attempt that writes these accounts; the floor's when the node does not tell."""
        return self._fees.price(await self._recent.get(frozenset(written)), attempt)

    async def _read(self, written: frozenset[Pubkey]) -> list[int]:
        accounts = sorted(written, key=bytes)[:MAX_FEE_ACCOUNTS]
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._rpc.recent_fees(accounts)
        except (ChainUnavailable, TimeoutError) as error:
            log.warning("recent priority fees: %s; swaps bid from the floor", str(error) or "no answer in time")
            return []
