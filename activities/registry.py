"""Keep the registry of pools in step with the chain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from solders.pubkey import Pubkey

from activities.finding.examine import Examined, Examiner
from activities.finding.source import PoolSource
from activities.solana.rpc import SolanaRpc
from activities.token_list import TokenStore
from workflows.domain.pools import REMOVED, RegisteredPool


class PoolStore(Protocol):
    """Where pools are kept; `db.registry.PoolRepository` provides it."""

    async def all(self) -> Sequence[RegisteredPool]: ...
    async def upsert(self, pools: Sequence[RegisteredPool]) -> None: ...
    async def add(self, pools: Sequence[RegisteredPool]) -> None: ...


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh left in the registry: every pool it looked at, how many of them are new, what went wrong."""

    pools: tuple[RegisteredPool, ...]
    new: int
    problems: tuple[str, ...]


class Registry:
    """The pools of the known tokens, each as it is on the chain."""

    def __init__(self, rpc: SolanaRpc, tokens: TokenStore, pools: PoolStore) -> None:
        self._rpc = rpc
        self._tokens = tokens
        self._pools = pools

    async def refresh(self, source: PoolSource) -> Refreshed:
        """Look at every listed pool again, and at those that the source finds, and store what they are now.

        A pool that is gone or cannot be traded stays listed with the reason; one removed by hand is not looked at.
        A source that fails is a problem, no failure. Raises ConnectionError when chain or database does not answer.
        """
        tokens = await self._tokens.all()
        found = await source.find(tokens)
        listed = {pool.address: pool for pool in await self._pools.all()}
        removed = {address for address, pool in listed.items() if pool.excluded_reason == REMOVED}
        addresses = dict.fromkeys([*map(Pubkey.from_string, listed), *found.pools])
        examined = await Examiner(self._rpc, [token.mint for token in tokens], listed).examine(
            [address for address in addresses if str(address) not in removed]
        )
        pools = _with_tables(examined.pools, {str(pool): table for pool, table in found.pools.items()})
        await self._pools.upsert(pools)
        new = sum(pool.address not in listed for pool in pools)
        return Refreshed(pools, new, (*found.problems, *map(str, examined.problems)))

    async def add(self, pools: Mapping[Pubkey, Pubkey | None]) -> Examined:
        """List the pools of these addresses, with a lookup table where one is given; removed ones are back.

        Raises ConnectionError when chain or database does not answer.
        """
        tokens = await self._tokens.all()
        listed = {pool.address: pool for pool in await self._pools.all()}
        examined = await Examiner(self._rpc, [token.mint for token in tokens], listed).examine(list(pools))
        added = _with_tables(examined.pools, {str(pool): table for pool, table in pools.items()})
        await self._pools.add(added)
        return Examined(added, examined.problems)


def _with_tables(pools: Sequence[RegisteredPool], tables: Mapping[str, Pubkey | None]) -> tuple[RegisteredPool, ...]:
    return tuple(
        replace(pool, lookup_table=str(table)) if (table := tables.get(pool.address)) else pool for pool in pools
    )
