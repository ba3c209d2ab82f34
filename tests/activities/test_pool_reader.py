"""A pair's pools are read together: all at one slot, however many requests that takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from solders.pubkey import Pubkey

from activities.pools import Pair, PoolReader
from activities.venues import kinds
from activities.venues.pool import Account
from tests.activities.registry_world import SOL, USDC, Chain, genesis_chain
from workflows.domain.pools import RegisteredPool

PAIR = Pair.of(SOL.mint, USDC.mint)


@dataclass
class Listed:
    """A registry that lists what a test says."""

    pools: list[RegisteredPool]

    async def of_pair(self, mint: str, other: str) -> Sequence[RegisteredPool]:
        return [pool for pool in self.pools if pool.excluded_reason is None]


class Moving(Chain):
    """A chain whose slots go by between requests, `steps` at a time while there are any."""

    steps: Sequence[int] = ()
    slot = 1_000

    async def accounts(self, keys: Sequence[Pubkey]) -> tuple[int, dict[Pubkey, Account | None]]:
        _, found = await super().accounts(keys)
        self.slot += self.steps[self.reads - 1] if self.reads <= len(self.steps) else 0
        return self.slot, found


def moving(copies: int, *steps: int) -> tuple[Moving, Listed]:
    """A chain with copies of one pool, and the registry of them."""
    chain = Moving(genesis_chain().accounts_by_key)
    chain.steps = steps
    original = chain.accounts_by_key[chain.pool("damm_v2")]
    addresses = [Pubkey.new_unique() for _ in range(copies)]
    chain.accounts_by_key |= dict.fromkeys(addresses, original)
    return chain, Listed([listed(address) for address in addresses])


def listed(address: Pubkey, kind: str = "damm_v2") -> RegisteredPool:
    return RegisteredPool(str(address), kinds.by_name(kind).venue, kind, USDC.mint, SOL.mint)


async def test_requests_that_met_different_slots_are_repeated():
    chain, registry = moving(150, 0, 1, 0, 1, 0)
    state = await PoolReader(chain, registry, 0).read(PAIR)
    assert len(state.pools) == 150
    assert all(pool.pool is not None for pool in state.pools)


async def test_on_a_chain_that_never_stands_still_the_pools_of_one_slot_are_quoted_and_the_others_named():
    chain, registry = moving(150, *[1] * 100)
    state = await PoolReader(chain, registry, 0).read(PAIR)
    read = [pool for pool in state.pools if pool.pool is not None]
    left = [pool for pool in state.pools if pool.pool is None]
    assert read
    assert {str(pool.refusal) for pool in left} == {"read_at_another_slot"}


async def test_once_known_everything_takes_one_request_per_hundred_accounts():
    chain, registry = moving(10)
    reader = PoolReader(chain, registry, 0)
    await reader.read(PAIR)
    before = chain.reads
    await reader.read(PAIR)
    assert chain.reads == before + 1


async def test_one_unreadable_pool_does_not_spoil_the_pair():
    chain, registry = moving(2)
    broken = Pubkey.from_string(registry.pools[0].address)
    chain.accounts_by_key[broken] = replace(chain.accounts_by_key[broken], data=b"")
    first, second = (await PoolReader(chain, registry, 0).read(PAIR)).pools
    assert (first.pool, str(first.refusal)[:7]) == (None, "meteora")
    assert second.pool is not None


async def test_pools_that_are_added_and_excluded_are_taken_up(monkeypatch):
    monkeypatch.setattr("activities.pools._REGISTRY_MAX_AGE_SECONDS", 0)
    chain, registry = moving(2)
    reader = PoolReader(chain, registry, 0)
    assert len((await reader.read(PAIR)).pools) == 2
    registry.pools[0] = replace(registry.pools[0], excluded_reason="removed")
    registry.pools.append(listed(chain.pool("cpmm"), "cpmm"))
    state = await reader.read(PAIR)
    assert [pool.ref.kind.name for pool in state.pools] == ["damm_v2", "cpmm"]
    assert all(pool.pool is not None for pool in state.pools)
