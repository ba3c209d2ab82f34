"""The pools of a pair as they are on the chain now: read together, decoded once, shared by all orders of the slot."""

import asyncio
import logging
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from solders.pubkey import Pubkey

from activities.solana.rpc import MAX_ACCOUNTS, ChainUnavailable, SolanaRpc
from activities.solana.shared import Shared
from activities.venues import kinds
from activities.venues.errors import MissingAccounts, Unsupported, VenueError
from activities.venues.pool import Account, Clock, Pool, PoolKind
from workflows.domain.pools import RegisteredPool

log = logging.getLogger(__name__)

CLOCK_SYSVAR = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")

# slot u64, epoch_start_timestamp i64, epoch u64, leader_schedule_epoch u64, unix_timestamp i64 (solana-clock).
_CLOCK = struct.Struct("<QqQQq")

# Pool, then what it points at, then what those point at: `PoolKind.requirements` needs no more rounds.
REQUIREMENT_ROUNDS = 4

# How often to read again when a pair's accounts, spread over several requests, came from different slots.
_SAME_SLOT_TRIES = 5

# The registry changes by hand or by a refresh in the background; seconds are soon enough.
_REGISTRY_MAX_AGE_SECONDS = 5.0


class PoolRegistry(Protocol):
    """Where the pools of a pair are listed; `db.registry.PoolRepository` provides it."""

    async def of_pair(self, mint: str, other: str) -> Sequence[RegisteredPool]:
        """Every pool of the two mints, in either order, that is not excluded.

        Raises ConnectionError when the registry cannot be reached.
        """


@dataclass(frozen=True, slots=True)
class PoolRef:
    """Where a pool is, how to read it, and the lookup table that holds its accounts if there is one."""

    address: Pubkey
    kind: PoolKind
    lookup_table: Pubkey | None = None


@dataclass(frozen=True, slots=True)
class PoolState:
    """One pool at one slot: decoded, or why it could not be."""

    ref: PoolRef
    pool: Pool | None
    refusal: VenueError | None


@dataclass(frozen=True, slots=True)
class PairState:
    """Every registered pool of a pair, all at the slot of `clock`."""

    clock: Clock
    pools: tuple[PoolState, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two mints in canonical order."""

    first: str
    second: str

    @classmethod
    def of(cls, mint_a: str, mint_b: str) -> "Pair":
        """The pair of two mints, whichever comes first."""
        return cls(*sorted((mint_a, mint_b)))


class PoolReader:
    """Reads pairs; concurrent readers of a pair within `max_age` seconds share one fetch."""

    def __init__(self, rpc: SolanaRpc, registry: PoolRegistry, max_age: float) -> None:
        self._rpc = rpc
        self._registry = registry
        self._registered: Shared[Pair, tuple[PoolRef, ...]] = Shared(self._list, _REGISTRY_MAX_AGE_SECONDS)
        self._states: Shared[Pair, PairState] = Shared(self._read, max_age)
        self._needs: dict[Pubkey, frozenset[Pubkey]] = {}
        self._walked: dict[Pubkey, frozenset[Pubkey]] = {}

    async def read(self, pair: Pair) -> PairState:
        """The pair's pools now. Raises ChainUnavailable, or ConnectionError when the registry cannot be reached."""
        return await self._states.get(pair)

    async def read_further(self, pair: Pair, missing: Mapping[Pubkey, Iterable[Pubkey]]) -> PairState:
        """The pair's pools with further accounts, by pool, which the walks of their quotes asked for."""
        for pool, keys in missing.items():
            self._walked[pool] = self._walked.get(pool, frozenset()) | frozenset(keys)
        self._states.forget(pair)
        return await self._states.get(pair)

    async def _list(self, pair: Pair) -> tuple[PoolRef, ...]:
        entries = await self._registry.of_pair(pair.first, pair.second)
        return tuple(ref for entry in entries if (ref := _ref(entry)))

    async def _read(self, pair: Pair) -> PairState:
        pools = await self._registered.get(pair)
        walked = {pool.address: self._walked.pop(pool.address, frozenset()) for pool in pools}
        # What is known from the last slot: one request then fetches everything.
        needs = {pool.address: self._needs.get(pool.address, frozenset({pool.address})) for pool in pools}
        refusals: dict[Pubkey, VenueError] = {}
        for _ in range(REQUIREMENT_ROUNDS):
            asked = {address: keys | walked[address] for address, keys in needs.items()}
            accounts = await self._fetch(_parts(asked))
            for pool in pools:
                try:
                    needs[pool.address] = frozenset(pool.kind.requirements(pool.address, accounts))
                except VenueError as error:
                    refusals[pool.address] = error
            if all(keys <= asked[address] for address, keys in needs.items()):
                break
        self._needs |= needs
        states = tuple(_decode(pool, accounts, refusals.get(pool.address)) for pool in pools)
        return PairState(read_clock(accounts[CLOCK_SYSVAR]), states)

    async def _fetch(self, parts: list[list[Pubkey]]) -> dict[Pubkey, Account | None]:
        """The accounts, all at one slot; the parts of other slots are left out when one slot cannot be had."""
        for _ in range(_SAME_SLOT_TRIES):
            # Side by side, so that a slot seldom begins between two of them.
            answers = await asyncio.gather(*map(self._rpc.accounts, parts))
            newest = max(slot for slot, _ in answers)
            if all(slot == newest for slot, _ in answers):
                break
        return {key: account for slot, found in answers if slot == newest for key, account in found.items()}


def _parts(needs: Mapping[Pubkey, frozenset[Pubkey]]) -> list[list[Pubkey]]:
    """Requests that each hold the clock and whole pools, so that a pool is never read at two slots."""
    parts: list[set[Pubkey]] = [{CLOCK_SYSVAR}]
    for keys in needs.values():
        if len(parts[-1] | keys) > MAX_ACCOUNTS:
            parts.append({CLOCK_SYSVAR})
        parts[-1] |= keys
    return [sorted(part, key=bytes) for part in parts]


def _ref(entry: RegisteredPool) -> PoolRef | None:
    try:
        kind = kinds.by_name(entry.kind)
    except KeyError:
        # Another version of the engine knows it; one pool must not take the pair away.
        log.warning("pool %s is of the unknown kind %s and is not quoted", entry.address, entry.kind)
        return None
    table = entry.lookup_table and Pubkey.from_string(entry.lookup_table)
    return PoolRef(Pubkey.from_string(entry.address), kind, table or None)


def _decode(ref: PoolRef, accounts: dict[Pubkey, Account | None], refusal: VenueError | None) -> PoolState:
    if refusal is not None:
        return PoolState(ref, None, refusal)
    try:
        return PoolState(ref, ref.kind.decode(ref.address, accounts), None)
    except MissingAccounts:
        # A pair of very many pools: this one's accounts came from another slot, the next read may have them.
        return PoolState(ref, None, Unsupported("read_at_another_slot"))
    except VenueError as error:
        return PoolState(ref, None, error)


def read_clock(account: Account | None) -> Clock:
    """The clock sysvar's content; raises ChainUnavailable when the node does not serve it."""
    if account is None or len(account.data) < _CLOCK.size:
        raise ChainUnavailable("the node does not serve the clock sysvar")
    slot, _, epoch, _, unix_timestamp = _CLOCK.unpack_from(account.data)
    return Clock(slot, epoch, unix_timestamp)
