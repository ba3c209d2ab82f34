"""A chain and a registry in memory: the accounts of localnet's genesis, to be bent into any shape."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from solders.address_lookup_table_account import ID as LOOKUP_TABLE_PROGRAM
from solders.pubkey import Pubkey

from activities.finding.source import Found
from activities.pools import CLOCK_SYSVAR
from activities.solana.rpc import MAX_ACCOUNTS, ChainUnavailable
from activities.venues.kinds import KINDS
from activities.venues.pool import Account, AccountFilter
from deploy.localnet.genesis import Genesis
from deploy.localnet.settings import DEFAULT_GENESIS
from workflows.domain.money import Token
from workflows.domain.pools import REMOVED, RegisteredPool

NOW = 1_800_000_000
SLOT = 1_000
TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
SOL = Token(mint="So11111111111111111111111111111111111111112", symbol="SOL", decimals=9, program=TOKEN_PROGRAM)
USDC = Token(mint="EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", symbol="USDC", decimals=6, program=TOKEN_PROGRAM)
BONK = Token(mint="DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", symbol="BONK", decimals=5, program=TOKEN_PROGRAM)


@dataclass
class Chain:
    """Stands in for `SolanaRpc`: the accounts as they are, and how often it was asked."""

    accounts_by_key: dict[Pubkey, Account]
    reads: int = 0
    searches: int = 0
    refused_programs: set[Pubkey] = field(default_factory=set)
    out_of_reach: bool = False

    async def accounts(self, keys: Sequence[Pubkey]) -> tuple[int, dict[Pubkey, Account | None]]:
        """`getMultipleAccounts`."""
        self.reads += 1
        if self.out_of_reach:
            raise ChainUnavailable("the node is down")
        assert 0 < len(set(keys)) == len(keys) <= MAX_ACCOUNTS
        return SLOT, {key: self.accounts_by_key.get(key) for key in keys}

    async def program_addresses(self, program: Pubkey, query: AccountFilter) -> list[Pubkey]:
        """`getProgramAccounts`."""
        self.searches += 1
        if program in self.refused_programs:
            raise ChainUnavailable("method not enabled on this node")
        return [
            key
            for key, account in self.accounts_by_key.items()
            if account.owner == program and query.matches(account.data)
        ]

    def patch(self, key: Pubkey, offset: int, data: bytes) -> None:
        """Overwrite bytes of an account."""
        old = self.accounts_by_key[key]
        self.accounts_by_key[key] = replace(old, data=old.data[:offset] + data + old.data[offset + len(data) :])

    def pool(self, kind: str, *, first: Token = SOL, second: Token = USDC) -> Pubkey:
        """The first pool of a kind on a pair."""
        of_kind = next(each for each in KINDS if each.name == kind)
        queries = of_kind.filters(Pubkey.from_string(first.mint), Pubkey.from_string(second.mint))
        return min(
            (
                key
                for key, account in self.accounts_by_key.items()
                if account.owner == of_kind.program_id and any(query.matches(account.data) for query in queries)
            ),
            key=str,
        )


@cache
def _genesis() -> dict[Pubkey, Account]:
    genesis = Genesis(DEFAULT_GENESIS)
    accounts = dict(genesis.accounts({name: Pubkey.new_unique() for name in genesis.wallets}))
    clock = struct.pack("<QqQQq", SLOT, 0, 2, 3, NOW)
    accounts[CLOCK_SYSVAR] = Account(Pubkey.default(), 1, clock)
    return accounts


def genesis_chain() -> Chain:
    """The first state of localnet, at a moment of ours."""
    return Chain(dict(_genesis()))


@dataclass
class Tokens:
    """Stands in for `TokenRepository`."""

    tokens: list[Token]

    async def all(self) -> list[Token]:
        return sorted(self.tokens, key=lambda token: token.symbol)

    async def upsert(self, tokens: Sequence[Token]) -> None:
        new = {token.mint for token in tokens}
        self.tokens = [token for token in self.tokens if token.mint not in new] + list(tokens)


@dataclass
class Pools:
    """Stands in for `PoolRepository`, and keeps its promises."""

    pools: dict[str, RegisteredPool] = field(default_factory=dict)

    async def all(self) -> list[RegisteredPool]:
        return sorted(self.pools.values(), key=lambda pool: pool.address)

    async def upsert(self, pools: Sequence[RegisteredPool]) -> None:
        await self.add([pool for pool in pools if self.reason(pool.address) != REMOVED])

    async def add(self, pools: Sequence[RegisteredPool]) -> None:
        assert len({pool.address for pool in pools}) == len(pools)
        for pool in pools:
            known = self.pools.get(pool.address, pool)
            self.pools[pool.address] = replace(pool, lookup_table=pool.lookup_table or known.lookup_table)

    def remove(self, address: str) -> None:
        self.pools[address] = replace(self.pools[address], excluded_reason=REMOVED)

    def reason(self, address: object) -> str | None:
        """Why a pool is excluded; None also for an unknown one."""
        pool = self.pools.get(str(address))
        return pool.excluded_reason if pool else None

    @property
    def quoted(self) -> set[str]:
        """Addresses of the pools that the engine trades on."""
        return {address for address, pool in self.pools.items() if pool.excluded_reason is None}


class Named:
    """A source that names what it is told."""

    def __init__(self, *pools: Pubkey, tables: dict[Pubkey, Pubkey] | None = None, problems: Iterable[str] = ()):
        self._found = Found(dict.fromkeys(pools) | (tables or {}), tuple(problems))

    async def find(self, tokens: Sequence[Token]) -> Found:
        return self._found


def table_account(
    addresses: Sequence[Pubkey], *, deactivated: int = 2**64 - 1, extended: int = 1, extended_from: int = 0
) -> Account:
    """An address lookup table as its program writes it: type u32, LookupTableMeta padded to 56 bytes, addresses."""
    meta = struct.pack("<IQQBB32xH", 1, deactivated, extended, extended_from, 1, 0)
    return Account(LOOKUP_TABLE_PROGRAM, 10**9, meta + b"".join(map(bytes, addresses)))
