"""The pools of a cluster, led through its landed swaps once more: what each swap had to pay in the state it met."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from solana.rpc.async_api import AsyncClient
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues import kinds
from activities.venues.mint import NATIVE_MINT
from activities.venues.pool import Clock, Pool, Swap
from deploy.localnet.base58 import decode
from tests.e2e.stack import Stack
from tests.localnet.chain import BONK, FEE, USDC, Chain
from workflows.domain.ids import parse_memo

_PAIRS = ((NATIVE_MINT, USDC), (BONK, USDC), (FEE, NATIVE_MINT))


@asynccontextmanager
async def chain_of(stack: Stack) -> AsyncIterator[Chain]:
    """The stack's cluster."""
    async with AsyncClient(stack.rpc) as client, httpx.AsyncClient(timeout=30) as http:
        yield Chain(stack.rpc, stack.data_dir / "localnet", client, http)


class MarketReplay:
    """Pools at one moment without traffic, and every swap of one wallet that landed later, in the chain's order."""

    def __init__(self, chain: Chain, pools: dict[Pubkey, Pool], newest: str | None) -> None:
        self._chain = chain
        self._pools = pools
        self._newest = newest
        self.kinds: Counter[str] = Counter()

    @classmethod
    async def begin(cls, chain: Chain) -> "MarketReplay":
        """Remember every pool as it is now."""
        pools = {
            pool.address: pool for kind in kinds.KINDS for pair in _PAIRS for pool in await chain.pools(kind, *pair)
        }
        newest = await chain.rpc("getSignaturesForAddress", str(chain.wallet().pubkey()), {"limit": 1})
        return cls(chain, pools, newest[0]["signature"] if newest else None)

    async def outputs(self, selling: dict[str, Pubkey]) -> dict[str, int]:
        """What each landed order had to receive, base units, by order id; `selling` names the mint each order sells."""
        outputs = {}
        for signature, order_id in await self._landed():
            options = {"maxSupportedTransactionVersion": 0, "commitment": "confirmed", "encoding": "json"}
            outputs[order_id] = self._apply(
                await self._chain.rpc("getTransaction", signature, options), selling[order_id]
            )
        return outputs

    async def _landed(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        before: str | None = None
        while True:
            options = {"limit": 1000, "commitment": "confirmed", "before": before, "until": self._newest}
            named = {key: value for key, value in options.items() if value is not None}
            page = await self._chain.rpc("getSignaturesForAddress", str(self._chain.wallet().pubkey()), named)
            for entry in page:
                memo = parse_memo(entry["memo"] or "")
                if memo and entry["err"] is None:
                    found.append((entry["signature"], memo[0]))
            if len(page) < 1000:
                return found[::-1]
            before = page[-1]["signature"]

    def _apply(self, landed: Any, sold: Pubkey) -> int:
        clock = Clock(landed["slot"], landed["slot"] // 432_000, landed["blockTime"])
        received = 0
        for instruction in _instructions(landed):
            kind = kinds.by_program(instruction.program_id)
            call = kind.parse(instruction) if kind else None
            if kind is None or call is None:
                continue
            pool = self._pools[call.pool]
            swap = Swap(pool.mint_a.address == sold, call.mode, call.amount, None, call.sqrt_price_limit)
            quote = pool.quote(swap, clock)
            self._pools[call.pool] = pool.after(quote, clock)
            self.kinds[kind.name] += 1
            received += quote.amount_out
        return received


def _instructions(landed: Any) -> list[Instruction]:
    message = landed["transaction"]["message"]
    loaded = landed["meta"].get("loadedAddresses") or {"writable": [], "readonly": []}
    keys = [Pubkey.from_string(key) for key in (*message["accountKeys"], *loaded["writable"], *loaded["readonly"])]
    return [
        Instruction(
            keys[each["programIdIndex"]],
            decode(each["data"]),
            [AccountMeta(keys[index], is_signer=index == 0, is_writable=True) for index in each["accounts"]],
        )
        for each in message["instructions"]
    ]
