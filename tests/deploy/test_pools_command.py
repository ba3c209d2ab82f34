"""`order-engine pools` on a real database and a running localnet."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from solders.pubkey import Pubkey

from deploy.cli import main
from deploy.localnet.server import running_localnet
from deploy.localnet.settings import LocalnetSettings
from deploy.registry import RegistrySettings, fill
from tests.activities.registry_world import BONK, SOL, USDC, genesis_chain, table_account

CHAIN = genesis_chain()
CPMM, DLMM, BONK_POOL = str(CHAIN.pool("cpmm")), str(CHAIN.pool("dlmm")), str(CHAIN.pool("cpmm", first=BONK))
TABLE = Pubkey.from_bytes(bytes([9]) * 32)


@dataclass
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


Run = Callable[..., Awaitable[Said]]


@pytest.fixture(scope="module")
async def chain_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A localnet with a lookup table."""
    directory = tmp_path_factory.mktemp("localnet")
    account = table_account([CHAIN.pool("cpmm")], extended=0)
    dump = {
        "pubkey": str(TABLE),
        "account": {
            "lamports": account.lamports,
            "data": [base64.b64encode(account.data).decode(), "base64"],
            "owner": str(account.owner),
            "executable": False,
        },
    }
    path = directory / "table.json"
    path.write_text(json.dumps(dump))
    async with running_localnet(LocalnetSettings(port=0, data_dir=directory, accounts=(path,))) as url:
        yield url


@pytest.fixture
def order_engine(
    chain_url: str,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Run:
    """Runs a command as the console would, with an empty registry at first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORDER_ENGINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ORDER_ENGINE_DATABASE_URL", database_url)
    monkeypatch.setenv("ORDER_ENGINE_SOLANA_RPC_URL", chain_url)

    def run(arguments: tuple[str, ...]) -> Said:
        monkeypatch.setattr("sys.argv", ["order-engine", *arguments])
        with pytest.raises(SystemExit) as end:
            main.main()
        printed = capsys.readouterr()
        return Said(int(end.value.code or 0), printed.out, printed.err)

    # The command has an event loop of its own; this one serves localnet meanwhile.
    return lambda *arguments: asyncio.to_thread(run, arguments)


@pytest.fixture
async def pools(order_engine: Run) -> Run:
    """Runs `order-engine pools …` with the registry that `setup` leaves."""
    refreshed = await fill(RegistrySettings())
    assert refreshed.problems == ()
    return lambda *arguments: order_engine("pools", *arguments)


async def test_list_shows_the_quoted_pools(pools):
    said = await pools("list")
    lines = said.out.splitlines()
    assert lines[0].split() == ["address", "venue", "kind", "pair", "state", "table"]
    row = next(line.split() for line in lines if line.startswith(CPMM))
    assert row == [CPMM, "raydium", "cpmm", "SOL/USDC", "quoted", "-"]
    assert (said.code, said.err) == (0, "")


async def test_list_as_json_tells_everything(pools):
    every = (await pools("list", "--json")).json
    record = next(pool for pool in every if pool["address"] == DLMM)
    assert record == {
        "address": DLMM,
        "venue": "meteora",
        "kind": "dlmm",
        "pair": "SOL/USDC",
        "mintA": USDC.mint,
        "mintB": SOL.mint,
        "excludedReason": None,
        "excludedDetail": None,
        "lookupTable": None,
    }


@pytest.mark.parametrize("pair", ["BONK/USDC", "usdc/bonk", f"{BONK.mint}/usdc"])
async def test_list_of_a_pair_in_any_order_by_symbol_or_mint(pools, pair):
    of_pair = (await pools("list", "--json", "--pair", pair)).json
    assert {pool["pair"] for pool in of_pair} == {"BONK/USDC"}
    assert BONK_POOL in {pool["address"] for pool in of_pair}


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("SOL", "'SOL' is no pair: write two tokens, as SOL/USDC"),
        ("SOL/WIF", "unknown token 'WIF'; known are BONK, FEE, SOL, USDC"),
        ("SOL//USDC", "is no pair"),
    ],
)
async def test_a_pair_that_is_none_is_explained(pools, pair, said):
    answer = await pools("list", "--pair", pair)
    assert answer.code == 1
    assert said in answer.err


async def test_an_empty_registry_says_what_to_do(order_engine):
    said = await order_engine("pools", "list")
    assert (said.code, said.out) == (0, "")
    assert "order-engine pools refresh" in said.err


async def test_a_removed_pool_stays_away_until_it_is_added(pools):
    assert (await pools("remove", CPMM)).out == f"{CPMM} removed\n"
    assert (await pools("refresh")).code == 0
    listed = await pools("list")
    assert CPMM not in listed.out
    assert "1 more are not quoted: --all shows them and why" in listed.err
    row = next(line for line in (await pools("list", "--all")).out.splitlines() if line.startswith(CPMM))
    assert "removed" in row
    assert (await pools("add", CPMM)).out == f"{CPMM} raydium cpmm: quoted\n"
    assert CPMM in (await pools("list")).out


async def test_removing_an_unknown_pool_fails_and_the_known_ones_are_removed(pools):
    unknown = str(Pubkey.new_unique())
    said = await pools("remove", unknown, CPMM)
    assert (said.code, said.out) == (1, f"{CPMM} removed\n")
    assert f"not in the registry: {unknown}; order-engine pools list --all" in said.err


async def test_add_explains_what_is_no_pool(pools):
    unknown = str(Pubkey.new_unique())
    said = await pools("add", unknown, SOL.mint, DLMM)
    assert said.code == 1
    assert f"{DLMM} meteora dlmm: quoted" in said.out
    assert f"{unknown}: there is no such account on this cluster" in said.err
    assert f"{SOL.mint}: no pool: the account belongs to program Token" in said.err
    assert said.err.count("\n") == 1


async def test_add_refuses_what_is_no_address(pools):
    said = await pools("add", "0xdeadbeef")
    assert (said.code, said.err) == (1, "order-engine: '0xdeadbeef' is not an address\n")


async def test_add_says_which_token_is_missing_and_where_to_add_it(order_engine, monkeypatch, tmp_path):
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        "".join(f'[tokens.{t.symbol}]\nmint = "{t.mint}"\ndecimals = {t.decimals}\n' for t in (SOL, USDC))
    )
    monkeypatch.setenv("ORDER_ENGINE_TOKEN_LIST", str(tokens))
    await fill(RegistrySettings())
    said = await order_engine("pools", "add", BONK_POOL)
    assert said.code == 1
    assert f"mint {BONK.mint} is not in the token list: add a [tokens.SYMBOL] table" in said.err
    assert str(tokens) in said.err


async def test_add_gives_pools_their_lookup_table(pools):
    assert (await pools("add", CPMM, "--lookup-table", str(TABLE))).code == 0
    assert (await pools("refresh")).code == 0
    tables = {pool["address"]: pool["lookupTable"] for pool in (await pools("list", "--json")).json}
    assert (tables[CPMM], tables[DLMM]) == (str(TABLE), None)


async def test_add_refuses_a_lookup_table_that_is_none(pools):
    said = await pools("add", CPMM, "--lookup-table", SOL.mint)
    assert said.code == 1
    assert f"{SOL.mint} is no active address lookup table on this cluster" in said.err


async def test_refresh_counts_by_kind(pools, chain_url):
    said = await pools("refresh")
    assert said.out.splitlines()[0].split() == ["kind", "quoted", "not", "quoted"]
    assert said.out.splitlines()[-1] == "12 of 12 pools are quoted, 0 are new"
    assert (said.code, said.err) == (0, "")


async def test_refresh_tells_why_a_pool_is_no_longer_quoted(pools, chain_url):
    data = CHAIN.accounts_by_key[Pubkey.from_string(DLMM)].data
    await set_account(chain_url, DLMM, None)
    try:
        said = await pools("refresh")
        (pool,) = [pool for pool in (await pools("list", "--all", "--json")).json if pool["excludedReason"]]
    finally:
        await set_account(chain_url, DLMM, data)
    assert "not_found 1" in said.out
    assert (pool["address"], pool["excludedReason"]) == (DLMM, "not_found")
    assert "11 of 12 pools are quoted" in said.out


async def set_account(url: str, address: str, data: bytes | None) -> None:
    """Overwrite the data of a pool on localnet, or remove it."""
    old = CHAIN.accounts_by_key[Pubkey.from_string(address)]
    account = data and {
        "lamports": old.lamports,
        "data": [base64.b64encode(data).decode(), "base64"],
        "owner": str(old.owner),
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "localnet_setAccount", "params": [address, account]}
    async with httpx.AsyncClient() as client:
        (await client.post(url, json=body)).raise_for_status()


async def test_refresh_from_a_file(order_engine, tmp_path, monkeypatch):
    monkeypatch.setenv("ORDER_ENGINE_POOL_FILE", str(tmp_path / "pools.txt"))
    monkeypatch.setenv("ORDER_ENGINE_POOL_SOURCE", "file")
    (tmp_path / "pools.txt").write_text("")
    await fill(RegistrySettings())
    path = tmp_path / "own.txt"
    path.write_text(f"{CPMM}\nnonsense\n{Pubkey.new_unique()}\n{DLMM} {TABLE}")
    said = await order_engine("pools", "refresh", "--source", "file", "--file", str(path))
    assert said.out.splitlines()[-1] == "2 of 2 pools are quoted, 2 are new"
    assert [line.partition(":")[0] for line in said.err.splitlines()] == ["warning", "warning"]
    assert said.code == 0
    tables = {pool["address"]: pool["lookupTable"] for pool in (await order_engine("pools", "list", "--json")).json}
    assert tables == {CPMM: None, DLMM: str(TABLE)}


async def test_refresh_through_apis_that_do_not_answer_is_a_warning_each(pools, monkeypatch):
    for name in ("RAYDIUM", "METEORA_DLMM", "METEORA_DAMM_V2", "METEORA_DAMM_V1"):
        monkeypatch.setenv(f"ORDER_ENGINE_{name}_API_URL", "http://127.0.0.1:1")
    said = await pools("refresh", "--source", "api")
    assert said.code == 0
    assert said.out.splitlines()[-1] == "12 of 12 pools are quoted, 0 are new"
    assert len(said.err.splitlines()) == 4


async def test_wrong_usage_is_told_apart(pools, tmp_path):
    assert (await pools("refresh", "--source", "hearsay")).code == 2
    assert (await pools("refresh", "--source", "file", "--file", str(tmp_path / "absent"))).code == 2
    assert (await pools("add")).code == 2
    said = await pools("refresh", "--source", "file")
    assert (said.code, said.err.splitlines()[0][:36]) == (1, "order-engine: ORDER_ENGINE_POOL_FILE")


async def test_a_database_or_a_node_out_of_reach_is_one_line(pools, monkeypatch):
    monkeypatch.setenv("ORDER_ENGINE_SOLANA_RPC_URL", "http://127.0.0.1:1")
    said = await pools("refresh")
    assert (said.code, said.err.count("\n")) == (1, 1)
    monkeypatch.setenv("ORDER_ENGINE_DATABASE_URL", "postgresql://x@127.0.0.1:1/x")
    said = await pools("list")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "PostgreSQL does not answer" in said.err
