"""Look at addresses on the chain: which are pools of the known tokens, and can each of them be traded?

Accounts are read for many pools at once and each of them once. They may come from neighbouring slots: enough to
decide whether a pool is quoted at all, while quotes themselves are made from one slot.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from solders.pubkey import Pubkey

from activities.pools import CLOCK_SYSVAR, REQUIREMENT_ROUNDS, read_clock
from activities.solana.rpc import MAX_ACCOUNTS, SolanaRpc
from activities.venues import kinds
from activities.venues.errors import Unsupported, VenueError
from activities.venues.pool import Account, Clock, PoolKind
from workflows.domain.pools import NOT_A_POOL, NOT_FOUND, NOT_READABLE, RegisteredPool

# Pools whose accounts are held in memory together; the large ones (tick and bin arrays) have 10 KB each.
_POOLS_AT_ONCE = 50

_CONCURRENT_REQUESTS = 4


@dataclass(frozen=True, slots=True)
class Problem:
    """An address that is not registered, and why not; `unknown_mint` when all it lacks is a token of the list."""

    address: str
    text: str
    unknown_mint: str | None = None

    def __str__(self) -> str:
        return f"{self.address}: {self.text}"


@dataclass(frozen=True, slots=True)
class Examined:
    """What the addresses turned out to be."""

    pools: tuple[RegisteredPool, ...] = ()
    problems: tuple[Problem, ...] = ()


class Examiner:
    """Examines addresses by what the registry knows: the mints of its tokens, and its pools by address."""

    def __init__(self, rpc: SolanaRpc, mints: Collection[str], listed: Mapping[str, RegisteredPool]) -> None:
        self._rpc = rpc
        self._mints = frozenset(mints)
        self._listed = listed
        self._turns = asyncio.Semaphore(_CONCURRENT_REQUESTS)

    async def examine(self, addresses: Sequence[Pubkey]) -> Examined:
        """Every address as a pool, tradable or with its reason, or as a problem.

        A listed pool is never a problem: it stays listed, whatever became of it. Raises ChainUnavailable.
        """
        pools: list[RegisteredPool] = []
        problems: list[Problem] = []
        for start in range(0, len(addresses), _POOLS_AT_ONCE):
            group = addresses[start : start + _POOLS_AT_ONCE]
            accounts, refusals = await self._read(group)
            clock = read_clock(accounts[CLOCK_SYSVAR])
            for address in group:
                verdict = self._judge(address, accounts, refusals.get(address), clock)
                if isinstance(verdict, Problem):
                    problems.append(verdict)
                else:
                    pools.append(verdict)
        return Examined(tuple(pools), tuple(problems))

    async def _read(self, addresses: Sequence[Pubkey]) -> tuple[dict[Pubkey, Account | None], dict[Pubkey, VenueError]]:
        """Everything that decoding the pools takes, and why that could not be told of some."""
        accounts: dict[Pubkey, Account | None] = {}
        refusals: dict[Pubkey, VenueError] = {}
        wanted = {CLOCK_SYSVAR, *addresses}
        for _ in range(REQUIREMENT_ROUNDS):
            missing = sorted(wanted - accounts.keys(), key=bytes)
            if not missing:
                break
            parts = [missing[start : start + MAX_ACCOUNTS] for start in range(0, len(missing), MAX_ACCOUNTS)]
            for answer in await asyncio.gather(*map(self._fetch, parts)):
                accounts |= answer
            for address in addresses:
                if address not in refusals:
                    try:
                        wanted.update(_requirements(address, accounts))
                    except VenueError as error:
                        refusals[address] = error
        return accounts, refusals

    async def _fetch(self, keys: list[Pubkey]) -> dict[Pubkey, Account | None]:
        async with self._turns:
            _, found = await self._rpc.accounts(keys)
        return found

    def _judge(
        self, address: Pubkey, accounts: Mapping[Pubkey, Account | None], refusal: VenueError | None, clock: Clock
    ) -> RegisteredPool | Problem:
        account, listed = accounts[address], self._listed.get(str(address))
        if account is None:
            return _excluded(address, listed, NOT_FOUND, "there is no such account on this cluster")
        kind = kinds.by_program(account.owner)
        if kind is None:
            return _excluded(address, listed, NOT_A_POOL, f"no pool: the account belongs to program {account.owner}")
        try:
            if refusal is not None:
                raise refusal
            pool = kind.decode(address, accounts)
            reason = pool.unavailable(clock)
        except VenueError as error:
            return self._undecoded(address, kind, account, error)
        pair = str(pool.mint_a.address), str(pool.mint_b.address)
        unknown = [mint for mint in pair if mint not in self._mints]
        if unknown and listed is None:
            return Problem(str(address), f"mint {unknown[0]} is not in the token list", unknown[0])
        return RegisteredPool(str(address), kind.venue, kind.name, *pair, reason)

    def _undecoded(
        self, address: Pubkey, kind: PoolKind, account: Account, error: VenueError
    ) -> RegisteredPool | Problem:
        listed = self._listed.get(str(address))
        if listed is None:
            pair = self._pair_of(kind, account.data)
            if pair is None:
                return Problem(str(address), f"no pool of two tokens of the list: {error}")
            listed = RegisteredPool(str(address), kind.venue, kind.name, *pair)
        if isinstance(error, Unsupported):
            return _excluded(address, listed, error.reason, error.detail)
        return _excluded(address, listed, NOT_READABLE, str(error))

    def _pair_of(self, kind: PoolKind, data: bytes) -> tuple[str, str] | None:
        """The two known mints that the kind's own search would find these bytes by."""
        for pair in combinations(sorted(self._mints), 2):
            first, second = map(Pubkey.from_string, pair)
            if any(query.matches(data) for query in kind.filters(first, second)):
                return pair
        return None


def _requirements(address: Pubkey, accounts: Mapping[Pubkey, Account | None]) -> Sequence[Pubkey]:
    account = accounts[address]
    kind = kinds.by_program(account.owner) if account else None
    return kind.requirements(address, accounts) if kind else ()


def _excluded(address: Pubkey, listed: RegisteredPool | None, reason: str, detail: str) -> RegisteredPool | Problem:
    if listed is None:
        return Problem(str(address), detail or reason)
    return replace(listed, excluded_reason=reason, excluded_detail=detail or None)
