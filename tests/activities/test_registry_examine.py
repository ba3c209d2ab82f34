"""What an address turns out to be, and how little it takes to find out."""

import struct
from dataclasses import replace

import pytest
from solders.pubkey import Pubkey

from activities.finding.examine import Examined, Examiner
from activities.solana.rpc import ChainUnavailable
from activities.venues.kinds import KINDS
from activities.venues.pool import Account
from tests.activities.registry_world import BONK, NOW, SOL, USDC, Chain, genesis_chain
from workflows.domain.money import Token
from workflows.domain.pools import NOT_A_POOL, NOT_FOUND, NOT_READABLE, RegisteredPool

KIND_NAMES = [kind.name for kind in KINDS]


@pytest.fixture
def chain() -> Chain:
    return genesis_chain()


async def examine(
    chain: Chain, *addresses: Pubkey, listed: RegisteredPool | None = None, tokens: tuple[Token, ...] = (SOL, USDC)
) -> Examined:
    known = {listed.address: listed} if listed else {}
    return await Examiner(chain, [token.mint for token in tokens], known).examine(addresses)


async def reason(chain: Chain, address: Pubkey) -> str | None:
    examined = await examine(chain, address)
    assert examined.problems == ()
    (pool,) = examined.pools
    return pool.excluded_reason


def listed(address: Pubkey) -> RegisteredPool:
    return RegisteredPool(str(address), "raydium", "cpmm", USDC.mint, SOL.mint, lookup_table="a table")


@pytest.mark.parametrize("name", KIND_NAMES)
async def test_an_address_becomes_a_pool_of_its_owners_kind(chain, name):
    address = chain.pool(name)
    (pool,) = (await examine(chain, address)).pools
    kind = next(kind for kind in KINDS if kind.name == name)
    assert (pool.address, pool.venue, pool.kind) == (str(address), kind.venue, name)
    assert {pool.mint_a, pool.mint_b} == {SOL.mint, USDC.mint}
    assert (pool.excluded_reason, pool.excluded_detail) == (None, None)


async def test_many_pools_take_few_requests(chain):
    every = [chain.pool(name) for name in KIND_NAMES] + [chain.pool("cpmm", first=BONK), chain.pool("damm_v2")]
    addresses = list(dict.fromkeys(every))
    examined = await examine(chain, *addresses, tokens=(SOL, USDC, BONK))
    assert [pool.address for pool in examined.pools] == list(map(str, addresses))
    assert chain.reads == 3


async def test_more_accounts_than_one_request_takes(chain):
    copies = []
    original = chain.accounts_by_key[chain.pool("damm_v2")]
    for _ in range(260):
        copies.append(Pubkey.new_unique())
        chain.accounts_by_key[copies[-1]] = original
    examined = await examine(chain, *copies)
    assert len(examined.pools) == 260
    # Six groups of pools: pool accounts with the clock, then their mints.
    assert chain.reads == 12


# What the programs' own layouts say: see the decoders for the offsets.
@pytest.mark.parametrize(
    ("name", "offset", "data", "expected"),
    [
        ("cpmm", 329, b"\x04", "paused"),
        ("cpmm", 373, struct.pack("<Q", NOW + 1), "not_open"),
        ("amm_v4", 0, struct.pack("<Q", 2), "paused"),
        ("clmm", 389, b"\x10", "paused"),
        ("clmm", 1080, struct.pack("<Q", NOW + 60), "not_open"),
        ("dlmm", 82, b"\x01", "paused"),
        ("damm_v1", 233, b"\x00", "paused"),
        ("damm_v2", 481, b"\x01", "paused"),
        ("damm_v2", 480, b"\x02", NOT_READABLE),
        ("damm_v2", 696, b"\x02", "unknown_layout_version"),
        ("dlmm", 882, b"\x02", "unknown_layout_version"),
    ],
)
async def test_a_pool_that_takes_no_swaps_is_excluded_with_the_reason(chain, name, offset, data, expected):
    address = chain.pool(name)
    chain.patch(address, offset, data)
    assert await reason(chain, address) == expected


async def test_a_pool_without_reserves_is_empty(chain):
    address = chain.pool("cpmm")
    vault = Pubkey.from_bytes(chain.accounts_by_key[address].data[72:104])
    chain.patch(vault, 64, bytes(8))
    assert await reason(chain, address) == "empty"


async def test_a_mint_that_the_engine_does_not_trade_excludes_its_pools(chain):
    mint = Pubkey.from_string(USDC.mint)
    old = chain.accounts_by_key[mint]
    hook = Pubkey.new_unique()
    extension = struct.pack("<HH", 14, 64) + bytes(32) + bytes(hook)
    token_2022 = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
    chain.accounts_by_key[mint] = Account(token_2022, old.lamports, old.data + bytes(83) + b"\x01" + extension)
    (pool,) = (await examine(chain, chain.pool("damm_v2"))).pools
    assert (pool.excluded_reason, pool.excluded_detail) == ("mint_transfer_hook", str(hook))
    assert {pool.mint_a, pool.mint_b} == {SOL.mint, USDC.mint}


async def test_a_stable_pool_is_excluded_by_name(chain):
    address = chain.pool("damm_v1")
    chain.patch(address, 874, b"\x01")
    (pool,) = (await examine(chain, address)).pools
    assert pool.excluded_reason is not None
    assert "stable" in pool.excluded_reason


async def test_a_pool_of_an_unknown_layout_version_is_excluded_or_refused(chain):
    address = chain.pool("clmm")
    old = chain.accounts_by_key[address]
    chain.accounts_by_key[address] = replace(old, data=old.data + bytes(8))
    (problem,) = (await examine(chain, address)).problems
    assert "no pool of two tokens of the list: raydium_clmm" in str(problem)
    (pool,) = (await examine(chain, address, listed=listed(address))).pools
    assert pool.excluded_reason == NOT_READABLE
    assert pool.excluded_detail is not None
    assert "raydium_clmm" in pool.excluded_detail


async def test_one_unreadable_pool_does_not_spoil_the_rest(chain):
    broken, vaultless, sound = chain.pool("dlmm"), chain.pool("cpmm"), chain.pool("clmm")
    chain.accounts_by_key[broken] = replace(chain.accounts_by_key[broken], data=b"\x21")
    del chain.accounts_by_key[Pubkey.from_bytes(chain.accounts_by_key[vaultless].data[72:104])]
    examined = await examine(chain, broken, vaultless, sound)
    assert {pool.address: pool.excluded_reason for pool in examined.pools} == {
        str(vaultless): NOT_READABLE,
        str(sound): None,
    }
    assert [problem.address for problem in examined.problems] == [str(broken)]


async def test_an_address_that_does_not_exist_is_a_problem(chain):
    unknown = Pubkey.new_unique()
    (problem,) = (await examine(chain, unknown)).problems
    assert str(problem) == f"{unknown}: there is no such account on this cluster"


async def test_an_account_that_is_no_pool_is_a_problem(chain):
    mint = Pubkey.from_string(SOL.mint)
    config = Pubkey.from_bytes(chain.accounts_by_key[chain.pool("cpmm")].data[8:40])
    not_owned, not_pool = (await examine(chain, mint, config)).problems
    assert "no pool: the account belongs to program Token" in str(not_owned)
    assert "no pool of two tokens of the list: raydium_cpmm" in str(not_pool)


async def test_a_pool_of_an_unlisted_token_is_a_problem_that_names_the_mint(chain):
    address = chain.pool("cpmm", first=BONK)
    (problem,) = (await examine(chain, address)).problems
    assert problem.unknown_mint == BONK.mint
    assert f"mint {BONK.mint} is not in the token list" in str(problem)


async def test_a_listed_pool_stays_listed_whatever_became_of_it(chain):
    gone, reused = Pubkey.new_unique(), Pubkey.from_string(SOL.mint)
    for address, expected in ((gone, NOT_FOUND), (reused, NOT_A_POOL)):
        (pool,) = (await examine(chain, address, listed=listed(address))).pools
        assert replace(pool, excluded_reason=None, excluded_detail=None) == listed(address)
        assert pool.excluded_reason == expected
        assert pool.excluded_detail


async def test_a_listed_pool_of_a_token_that_left_the_list_stays(chain):
    address = chain.pool("cpmm", first=BONK)
    (pool,) = (await examine(chain, address, listed=listed(address))).pools
    assert {pool.mint_a, pool.mint_b} == {BONK.mint, USDC.mint}


async def test_a_node_that_does_not_answer_is_no_verdict(chain):
    chain.out_of_reach = True
    with pytest.raises(ChainUnavailable):
        await examine(chain, chain.pool("cpmm"))


async def test_nothing_to_examine_takes_no_request(chain):
    assert await examine(chain) == Examined()
    assert chain.reads == 0
