"""Address lookup tables: read from the chain, trusted only while they serve, and worth their bytes."""

import base64
import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from solders.pubkey import Pubkey
from solders.signature import Signature

from activities.in_flight import InFlight
from activities.pools import Pair, PoolReader
from activities.quotes import QuotedPool, Quoter
from activities.solana.confirmation import Confirmations, Landed
from activities.solana.fees import Fees
from activities.solana.fills import read_fill
from activities.solana.lookup_tables import LookupTables, usable_addresses
from activities.solana.rpc import ChainUnavailable, SolanaRpc
from activities.solana.transaction import MAX_TRANSACTION_BYTES
from activities.solana.wallets import Wallets
from activities.swap_builder import SwapBuilder
from activities.venues import kinds
from activities.venues.pool import Account
from deploy.localnet.server import running_localnet
from deploy.localnet.settings import LocalnetSettings
from tests.activities.registry_world import SLOT, SOL, USDC, Chain, genesis_chain, table_account
from tests.samples import order_terms
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.pools import RegisteredPool
from workflows.domain.routing import Route
from workflows.messages import QuoteRequest

TABLE = Pubkey.from_bytes(bytes([7]) * 32)
ADDRESSES = [Pubkey.new_unique() for _ in range(4)]
BOTH = ("clmm", "dlmm")


def test_an_active_table_offers_its_addresses():
    assert usable_addresses(table_account(ADDRESSES), SLOT) == ADDRESSES


def test_addresses_added_in_this_slot_are_not_usable_yet():
    account = table_account(ADDRESSES, extended=SLOT, extended_from=3)
    assert usable_addresses(account, SLOT) == ADDRESSES[:3]
    assert usable_addresses(account, SLOT + 1) == ADDRESSES


@pytest.mark.parametrize(
    "account",
    [
        None,
        table_account(ADDRESSES, deactivated=SLOT),
        table_account(ADDRESSES, deactivated=SLOT + 500),
        replace(table_account(ADDRESSES), owner=Pubkey.new_unique()),
        replace(table_account(ADDRESSES), data=b""),
        replace(table_account(ADDRESSES), data=bytes(56)),
        replace(table_account(ADDRESSES), data=table_account(ADDRESSES).data[:-1]),
    ],
)
def test_what_is_no_active_table_offers_nothing(account):
    assert usable_addresses(account, SLOT) is None


async def test_a_table_is_read_once_and_shared():
    chain = Chain({TABLE: table_account(ADDRESSES)})
    tables = LookupTables(chain)
    (table,) = await tables.of([TABLE, None, TABLE])
    assert (table.key, list(table.addresses)) == (TABLE, ADDRESSES)
    assert await tables.of([TABLE]) == (table,)
    assert chain.reads == 1


async def test_a_table_that_is_gone_or_deactivated_is_left_out_and_logged(caplog):
    gone, ended = Pubkey.new_unique(), Pubkey.new_unique()
    chain = Chain({TABLE: table_account(ADDRESSES), ended: table_account(ADDRESSES, deactivated=3)})
    with caplog.at_level(logging.WARNING):
        tables = await LookupTables(chain).of([gone, TABLE, ended])
    assert [table.key for table in tables] == [TABLE]
    assert {record.args[0] for record in caplog.records if record.args} == {gone, ended}


async def test_without_tables_nothing_is_asked():
    chain = Chain({})
    assert await LookupTables(chain).of([None]) == ()
    assert chain.reads == 0


async def test_a_chain_out_of_reach_is_said():
    with pytest.raises(ChainUnavailable):
        await LookupTables(Chain({}, out_of_reach=True)).of([TABLE])


@dataclass
class Listed:
    """A registry of a few pools of one pair."""

    pools: Sequence[RegisteredPool]

    async def of_pair(self, mint: str, other: str) -> Sequence[RegisteredPool]:
        return self.pools


def listed(kind: str, address: Pubkey, table: Pubkey | None) -> RegisteredPool:
    venue = kinds.by_name(kind).venue
    return RegisteredPool(
        str(address), venue, kind, USDC.mint, SOL.mint, lookup_table=None if table is None else str(table)
    )


def pool_accounts(chain: Chain) -> list[Pubkey]:
    """Everything that swaps of both pools name, their programs' own accounts included."""
    keys: dict[Pubkey, None] = {}
    for name in BOTH:
        kind, address = kinds.by_name(name), chain.pool(name)
        known: dict[Pubkey, Account | None] = {}
        for _ in range(4):
            known |= {key: chain.accounts_by_key.get(key) for key in kind.requirements(address, known)}
        data = chain.accounts_by_key[address].data
        keys |= dict.fromkeys(key for key in known if key not in (Pubkey.from_string(SOL.mint),))
        # Vaults, observation and oracle stand in the pool accounts and nowhere else.
        offsets = {"clmm": (137, 169, 201), "dlmm": (152, 184, 552)}[name]
        keys |= dict.fromkeys(Pubkey.from_bytes(data[at : at + 32]) for at in offsets)
    return list(keys)


@dataclass
class Desk:
    """Localnet, and a builder of swaps on two of its pools that share a lookup table."""

    chain: Chain
    rpc: SolanaRpc
    url: str
    wallets: Path

    def builder(self, table: Pubkey | None) -> tuple[Quoter, SwapBuilder]:
        """A quoter and a builder of their own, for registries that name the table or none."""
        registry = Listed([listed(kind, self.chain.pool(kind), table) for kind in BOTH])
        quoter = Quoter(PoolReader(self.rpc, registry, 0.2), InFlight())
        return quoter, SwapBuilder(self.rpc, quoter, Wallets(self.wallets), Fees(1_000, 15), 0.2)

    async def parts(self, quoter: Quoter) -> list[QuotedPool]:
        """Both pools, each for one SOL."""
        request = QuoteRequest(token_in=SOL, token_out=USDC, amount_in=10**9)
        return [await quoter.one(self.chain.pool(kind), request) for kind in BOTH]

    async def put(self, key: Pubkey, account: Account) -> None:
        """Overwrite an account of the cluster."""
        dumped = {
            "lamports": account.lamports,
            "data": [base64.b64encode(account.data).decode(), "base64"],
            "owner": str(account.owner),
            "executable": False,
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": "localnet_setAccount", "params": [str(key), dumped]}
        async with httpx.AsyncClient() as client:
            answer = await client.post(self.url, content=json.dumps(body))
        assert answer.json()["result"] is True


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    chain = genesis_chain()
    async with running_localnet(LocalnetSettings(port=0, data_dir=tmp_path, slot_ms=50)) as url:
        rpc = SolanaRpc(url)
        desk = Desk(chain, rpc, url, tmp_path / "wallets")
        await desk.put(TABLE, table_account(pool_accounts(chain), extended=0))
        try:
            yield desk
        finally:
            await rpc.close()


async def test_two_legs_fit_one_transaction_with_the_table_of_their_pools_only(desk):
    terms = order_terms(amount_in=2 * 10**9)
    quoter, builder = desk.builder(None)
    parts = await desk.parts(quoter)
    assert not await builder.fits(terms, parts)
    with pytest.raises(EngineError, match=f"of at most {MAX_TRANSACTION_BYTES} bytes") as refused:
        await builder.prepare(terms, 1, Route(legs=tuple(part.report() for part in parts)))
    assert refused.value.code is ErrorCode.TRANSACTION_TOO_LARGE
    quoter, builder = desk.builder(TABLE)
    assert await builder.fits(terms, await desk.parts(quoter))


async def test_a_split_order_finds_the_tables_of_its_pools(desk):
    quoter, builder = desk.builder(TABLE)
    request = QuoteRequest(token_in=SOL, token_out=USDC, amount_in=10_000 * 10**9)
    parts = await quoter.split(request)
    assert parts is not None
    assert [part.lookup_table for part in parts] == [TABLE, TABLE]
    assert await builder.fits(order_terms(amount_in=request.amount_in), parts)


async def test_a_deactivated_table_is_done_without(desk, caplog):
    await desk.put(TABLE, table_account(pool_accounts(desk.chain), deactivated=1))
    quoter, builder = desk.builder(TABLE)
    with caplog.at_level(logging.WARNING):
        assert not await builder.fits(order_terms(amount_in=2 * 10**9), await desk.parts(quoter))
    assert f"{TABLE} is no active address lookup table" in caplog.text


async def test_a_swap_through_a_lookup_table_lands_as_quoted(desk):
    terms = order_terms(amount_in=2 * 10**9)
    quoter, builder = desk.builder(TABLE)
    route = Route(legs=tuple(part.report() for part in await desk.parts(quoter)))
    prepared = (await builder.prepare(terms, 1, route)).swap
    transaction = base64.b64decode(prepared.transaction)
    assert len(transaction) <= MAX_TRANSACTION_BYTES
    confirmations = Confirmations(desk.rpc, 0.02)
    signature = Signature.from_string(prepared.signature)
    try:
        outcome = await confirmations.settle(signature, transaction, prepared.last_valid_block_height)
    finally:
        await confirmations.close()
    assert isinstance(outcome, Landed)
    assert outcome.error is None
    landed = await desk.rpc.transaction(signature)
    assert landed is not None
    wallet = Pubkey.from_string(prepared.wallet_address)
    fill = read_fill(landed, wallet, Pubkey.from_string(SOL.mint), Pubkey.from_string(USDC.mint))
    assert (fill.amount_in, fill.amount_out) == (2 * 10**9, prepared.quoted_out)


async def test_a_pool_of_an_unknown_kind_does_not_take_its_pair_away(desk, caplog):
    stranger = replace(listed("clmm", Pubkey.new_unique(), None), kind="orderbook")
    reader = PoolReader(desk.rpc, Listed([stranger, listed("dlmm", desk.chain.pool("dlmm"), None)]), 0.2)
    state = await reader.read(Pair.of(SOL.mint, USDC.mint))
    assert [pool.ref.kind.name for pool in state.pools] == ["dlmm"]
    assert "unknown kind orderbook" in caplog.text
