"""The registry follows the chain: new pools, changed ones, vanished ones, and those that a person removed."""

from dataclasses import dataclass, field

import pytest
from solders.pubkey import Pubkey

from activities.finding.chain import ChainSource
from activities.finding.source import Found
from activities.refresh import summary
from activities.registry import Refreshed, Registry
from activities.solana.rpc import ChainUnavailable
from activities.venues.kinds import KINDS, by_name
from tests.activities.registry_world import BONK, SOL, USDC, Chain, Named, Pools, Tokens, genesis_chain
from workflows.domain.pools import NOT_FOUND, REMOVED, RegisteredPool


@dataclass
class World:
    """One installation: chain, tokens, pools and the registry between them."""

    chain: Chain = field(default_factory=genesis_chain)
    tokens: Tokens = field(default_factory=lambda: Tokens([SOL, USDC, BONK]))
    pools: Pools = field(default_factory=Pools)

    @property
    def registry(self) -> Registry:
        return Registry(self.chain, self.tokens, self.pools)

    async def search(self) -> Refreshed:
        return await self.registry.refresh(ChainSource(self.chain))


@pytest.fixture
def world() -> World:
    return World()


async def test_a_search_on_the_chain_finds_every_kind_of_every_pair(world):
    refreshed = await world.search()
    assert {pool.kind for pool in refreshed.pools} == {kind.name for kind in KINDS}
    assert refreshed.new == len(refreshed.pools) == len(world.pools.quoted)
    assert refreshed.problems == ()
    pairs = {frozenset((pool.mint_a, pool.mint_b)) for pool in refreshed.pools}
    assert pairs == {frozenset((SOL.mint, USDC.mint)), frozenset((BONK.mint, USDC.mint))}
    assert world.chain.reads == 3


async def test_a_second_search_finds_nothing_new(world):
    first = await world.search()
    again = await world.search()
    assert (again.new, set(again.pools)) == (0, set(first.pools))


async def test_a_node_that_refuses_some_searches_is_told_by_kind_and_spoils_nothing(world):
    world.chain.refused_programs = {by_name("clmm").program_id}
    refreshed = await world.search()
    assert refreshed.problems == ("raydium clmm: 3 searches on the node failed: method not enabled on this node",)
    assert {pool.kind for pool in refreshed.pools} == {kind.name for kind in KINDS} - {"clmm"}


async def test_a_pool_follows_its_state_on_the_chain(world):
    address = world.chain.pool("damm_v2")
    await world.search()
    world.chain.patch(address, 481, b"\x01")
    await world.search()
    assert world.pools.reason(address) == "paused"
    world.chain.patch(address, 481, b"\x00")
    await world.search()
    assert str(address) in world.pools.quoted


async def test_a_vanished_pool_is_marked_and_comes_back(world):
    address = world.chain.pool("clmm")
    await world.search()
    account = world.chain.accounts_by_key.pop(address)
    refreshed = await world.search()
    assert world.pools.reason(address) == NOT_FOUND
    assert summary(refreshed).excluded == {"clmm": {NOT_FOUND: 1}}
    world.chain.accounts_by_key[address] = account
    await world.search()
    assert str(address) in world.pools.quoted


async def test_a_pool_that_no_source_names_is_still_looked_at(world):
    address = world.chain.pool("dlmm")
    await world.search()
    world.chain.patch(address, 82, b"\x01")
    await world.registry.refresh(Named())
    assert world.pools.reason(address) == "paused"


async def test_a_removed_pool_stays_removed_until_it_is_added(world):
    address = world.chain.pool("cpmm")
    await world.search()
    world.pools.remove(str(address))
    refreshed = await world.search()
    assert world.pools.reason(address) == REMOVED
    assert str(address) not in {pool.address for pool in refreshed.pools}
    examined = await world.registry.add({address: None})
    assert (len(examined.pools), examined.problems) == (1, ())
    assert str(address) in world.pools.quoted


async def test_a_removed_pool_comes_back_as_what_it_is_now(world):
    address = world.chain.pool("cpmm")
    await world.search()
    world.pools.remove(str(address))
    world.chain.patch(address, 329, b"\x04")
    await world.registry.add({address: None})
    assert world.pools.reason(address) == "paused"


async def test_a_source_names_pools_with_their_lookup_tables(world):
    address, table = world.chain.pool("clmm"), Pubkey.new_unique()
    await world.registry.refresh(Named(tables={address: table}))
    await world.search()
    assert world.pools.pools[str(address)].lookup_table == str(table)


async def test_added_pools_get_the_lookup_table_given(world):
    first, second, table = world.chain.pool("clmm"), world.chain.pool("dlmm"), Pubkey.new_unique()
    await world.registry.add({first: table, second: None})
    assert {pool.lookup_table for pool in world.pools.pools.values()} == {str(table), None}


async def test_what_a_source_names_wrongly_is_a_problem_each(world):
    unknown, mint, sound = Pubkey.new_unique(), Pubkey.from_string(USDC.mint), world.chain.pool("amm_v4")
    refreshed = await world.registry.refresh(Named(unknown, mint, sound, problems=["line 7 is no address"]))
    assert set(world.pools.pools) == {str(sound)}
    assert len(refreshed.problems) == 3
    assert refreshed.problems[0] == "line 7 is no address"


async def test_adding_stores_what_is_a_pool_and_tells_of_the_rest(world):
    unknown, sound = Pubkey.new_unique(), world.chain.pool("amm_v4")
    examined = await world.registry.add({unknown: None, sound: None})
    assert [pool.address for pool in examined.pools] == [str(sound)]
    assert [problem.address for problem in examined.problems] == [str(unknown)]
    assert set(world.pools.pools) == {str(sound)}


async def test_a_chain_out_of_reach_changes_nothing(world):
    await world.search()
    before = dict(world.pools.pools)
    world.chain.out_of_reach = True
    with pytest.raises(ChainUnavailable):
        await world.search()
    assert world.pools.pools == before


async def test_a_registry_without_tokens_finds_nothing(world):
    world.tokens.tokens = []
    assert await world.search() == Refreshed((), 0, ())
    assert world.chain.searches == 0


def test_the_summary_counts_by_kind_and_reason():
    def pool(number: int, kind: str, reason: str | None = None) -> RegisteredPool:
        return RegisteredPool(str(number), "meteora", kind, "a", "b", reason)

    pools = (pool(1, "dlmm"), pool(2, "dlmm"), pool(3, "dlmm", "paused"), pool(4, "damm_v2", "empty"))
    told = summary(Refreshed(pools, 3, tuple(f"problem {n}" for n in range(23))))
    assert told.quoted == {"dlmm": 2}
    assert told.excluded == {"dlmm": {"paused": 1}, "damm_v2": {"empty": 1}}
    assert (told.new, len(told.problems), told.more_problems) == (3, 20, 3)


async def test_a_source_is_asked_for_the_pairs_of_the_known_tokens(world):
    asked = []

    class Asked:
        async def find(self, tokens: object) -> Found:
            asked.append(tokens)
            return Found({})

    await world.registry.refresh(Asked())
    assert asked == [[BONK, SOL, USDC]]
