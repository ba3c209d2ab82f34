"""The token list, and what the chain says about it."""

from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from activities.solana.rpc import ChainUnavailable
from activities.token_list import ListedToken, TokenListError, load_tokens, read_token_list
from tests.activities.registry_world import BONK, SOL, USDC, Chain, Tokens, genesis_chain

SOL_MINT = Pubkey.from_string(SOL.mint)
USDC_MINT = Pubkey.from_string(USDC.mint)


@pytest.fixture
def chain() -> Chain:
    return genesis_chain()


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    return path


def table(symbol: str, mint: str, decimals: str = "6") -> str:
    return f'[tokens.{symbol}]\nmint = "{mint}"\ndecimals = {decimals}\n'


def test_a_list_names_symbol_mint_and_decimals(tmp_path):
    listed = read_token_list(written(tmp_path, table("SOL", SOL.mint, "9") + table("USDC", USDC.mint)))
    assert listed == [ListedToken("SOL", SOL_MINT, 9), ListedToken("USDC", USDC_MINT, 6)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tokens = ", "Invalid"),
        ("[pools]", "'tokens' is missing"),
        ("tokens = 1", "items"),
        ("[tokens]\nSOL = 9", "subscriptable"),
        ('[tokens.SOL]\nmint = "x"\ndecimals = 9', "SOL: 'x' is not an address"),
        (f'[tokens.SOL]\nmint = "{SOL.mint}"', "'decimals' is missing"),
        (table("SOL", SOL.mint, '"9"'), "SOL: decimals must be a whole number"),
        (table("SOL", SOL.mint) + table("sol", USDC.mint), "sol shares its symbol"),
        (table("SOL", SOL.mint) + table("WSOL", SOL.mint), "WSOL shares its symbol or its mint"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(tmp_path, text, said):
    with pytest.raises(TokenListError, match=said):
        read_token_list(written(tmp_path, text))


def test_a_list_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(TokenListError, match=r"absent\.toml"):
        read_token_list(tmp_path / "absent.toml")


async def test_tokens_are_stored_as_their_mints_are(chain):
    store = Tokens([])
    loaded = await load_tokens([ListedToken("SOL", SOL_MINT, 9), ListedToken("USDC", USDC_MINT, 6)], chain, store)
    assert loaded == store.tokens == [SOL, USDC]


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (ListedToken("SOL", SOL_MINT, 8), "SOL: the mint has 9 decimals, not 8"),
        (ListedToken("NEW", Pubkey.new_unique(), 6), "NEW: mint .* does not exist on this cluster"),
        (ListedToken("usdc", SOL_MINT, 9), f"usdc: the symbol belongs to mint {USDC.mint} already"),
    ],
)
async def test_a_list_that_contradicts_the_chain_stores_nothing(chain, token, said):
    store = Tokens([USDC])
    with pytest.raises(TokenListError, match=said):
        await load_tokens([token], chain, store)
    assert store.tokens == [USDC]


async def test_an_account_that_is_no_mint_is_refused(chain):
    pool = chain.pool("cpmm", first=BONK)
    with pytest.raises(TokenListError, match=r"POOL: .*belongs to program CPMM"):
        await load_tokens([ListedToken("POOL", pool, 6)], chain, Tokens([]))


async def test_more_tokens_than_one_request_takes(chain):
    mints = [Pubkey.new_unique() for _ in range(150)]
    chain.accounts_by_key |= dict.fromkeys(mints, chain.accounts_by_key[USDC_MINT])
    store = Tokens([])
    await load_tokens([ListedToken(f"T{number}", mint, 6) for number, mint in enumerate(mints)], chain, store)
    assert (len(store.tokens), chain.reads) == (150, 2)


async def test_a_node_out_of_reach_is_no_token_list_error(chain):
    chain.out_of_reach = True
    with pytest.raises(ChainUnavailable):
        await load_tokens([ListedToken("SOL", SOL_MINT, 9)], chain, Tokens([]))
