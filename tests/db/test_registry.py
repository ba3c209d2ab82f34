"""Tokens and pools."""

import pytest
from sqlalchemy.exc import IntegrityError

from db.database import Database
from db.registry import PoolRepository, RegisteredPool, TokenRepository
from tests.samples import SOL, USDC


@pytest.fixture
def tokens(database: Database) -> TokenRepository:
    return TokenRepository(database)


@pytest.fixture
def pools(database: Database) -> PoolRepository:
    return PoolRepository(database)


def pool(address: str, **changes: str | None) -> RegisteredPool:
    facts = {"venue": "raydium", "kind": "cpmm", "mint_a": USDC.mint, "mint_b": SOL.mint}
    return RegisteredPool(address=address, **facts | changes)


async def test_tokens_are_replaced_by_mint(tokens):
    await tokens.upsert([USDC, SOL])
    renamed = SOL.model_copy(update={"symbol": "WSOL"})
    await tokens.upsert([renamed])
    assert await tokens.all() == [USDC, renamed]


async def test_two_tokens_cannot_share_a_symbol_in_any_case(tokens):
    await tokens.upsert([USDC])
    with pytest.raises(IntegrityError):
        await tokens.upsert([USDC.model_copy(update={"mint": "another", "symbol": "uSDc"})])
    assert await tokens.all() == [USDC]


async def test_pools_of_a_pair_in_either_direction_without_the_excluded(pools):
    excluded = pool("c", excluded_reason="transfer_hook", excluded_detail="mint x has a hook")
    await pools.upsert([pool("b"), pool("a", venue="meteora", kind="damm_v2"), excluded, pool("d", mint_b="another")])
    found = await pools.of_pair(SOL.mint, USDC.mint)
    assert [each.address for each in found] == ["a", "b"]
    assert await pools.of_pair(USDC.mint, SOL.mint) == found
    assert [each.address for each in await pools.all()] == ["a", "b", "c", "d"]
    assert found[1] == pool("b", mint_a=USDC.mint, mint_b=SOL.mint)


async def test_a_pool_can_be_excluded_and_taken_back(pools):
    await pools.upsert([pool("a")])
    await pools.upsert([pool("a", excluded_reason="paused")])
    assert await pools.of_pair(SOL.mint, USDC.mint) == []
    await pools.upsert([pool("a")])
    assert len(await pools.of_pair(SOL.mint, USDC.mint)) == 1


async def test_a_removed_pool_stays_removed_when_it_is_found_again(pools):
    await pools.upsert([pool("a"), pool("b")])
    assert await pools.remove(["b", "unknown", "a"]) == ["a", "b"]
    await pools.upsert([pool("a"), pool("b", excluded_reason="paused")])
    assert await pools.of_pair(SOL.mint, USDC.mint) == []
    assert {each.excluded_reason for each in await pools.all()} == {"removed"}


async def test_a_removed_pool_comes_back_when_it_is_added(pools):
    await pools.upsert([pool("a"), pool("b")])
    await pools.remove(["a", "b"])
    await pools.add([pool("a")])
    assert [each.address for each in await pools.of_pair(SOL.mint, USDC.mint)] == ["a"]


async def test_nothing_to_remove_is_no_error(pools):
    assert await pools.remove([]) == []
    assert await pools.remove(["unknown"]) == []


async def test_a_lookup_table_stays_until_another_is_given(pools):
    await pools.upsert([pool("a", lookup_table="first"), pool("b")])
    await pools.upsert([pool("a"), pool("b")])
    assert [each.lookup_table for each in await pools.of_pair(SOL.mint, USDC.mint)] == ["first", None]
    await pools.add([pool("a", lookup_table="second")])
    assert [each.lookup_table for each in await pools.all()] == ["second", None]


async def test_more_pools_than_one_statement_takes(pools):
    await pools.upsert([pool(f"{number:05}") for number in range(9_000)])
    assert len(await pools.of_pair(SOL.mint, USDC.mint)) == 9_000


async def test_nothing_to_store_is_no_error(tokens, pools):
    await tokens.upsert([])
    await pools.upsert([])
    assert (await tokens.all(), await pools.all()) == ([], [])
