"""Find pools by asking an RPC node for the program accounts that hold the two mints of a pair."""

import asyncio
from collections.abc import Sequence
from itertools import combinations

from solders.pubkey import Pubkey

from activities.finding.source import Found
from activities.solana.rpc import ChainUnavailable, SolanaRpc
from activities.venues.kinds import KINDS
from activities.venues.pool import AccountFilter, PoolKind
from workflows.domain.money import Token

# `getProgramAccounts` walks an index of a whole program: nodes limit how many run at once.
_CONCURRENT_QUERIES = 4


class ChainSource:
    """Every pool of every kind; what a node refuses to search is a problem per kind."""

    def __init__(self, rpc: SolanaRpc) -> None:
        self._rpc = rpc

    async def find(self, tokens: Sequence[Token]) -> Found:
        """Pools by the kinds' own filters."""
        mints = [Pubkey.from_string(token.mint) for token in tokens]
        queries = [
            (kind, query)
            for first, second in combinations(mints, 2)
            for kind in KINDS
            for query in kind.filters(first, second)
        ]
        turns = asyncio.Semaphore(_CONCURRENT_QUERIES)
        answers = await asyncio.gather(*(self._ask(kind, query, turns) for kind, query in queries))
        refusals: dict[PoolKind, list[ChainUnavailable]] = {}
        pools: dict[Pubkey, Pubkey | None] = {}
        for (kind, _), answer in zip(queries, answers, strict=True):
            if isinstance(answer, ChainUnavailable):
                refusals.setdefault(kind, []).append(answer)
            else:
                pools |= dict.fromkeys(answer)
        problems = (
            f"{kind.venue} {kind.name}: {len(errors)} searches on the node failed: {errors[0]}"
            for kind, errors in refusals.items()
        )
        return Found(pools, tuple(problems))

    async def _ask(
        self, kind: PoolKind, query: AccountFilter, turns: asyncio.Semaphore
    ) -> Sequence[Pubkey] | ChainUnavailable:
        async with turns:
            try:
                return await self._rpc.program_addresses(kind.program_id, query)
            except ChainUnavailable as error:
                return error
