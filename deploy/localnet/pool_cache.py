"""Pools decoded from the cluster's accounts, decoded again only when one of their accounts changed."""

from collections.abc import Mapping

from solders.pubkey import Pubkey

from activities.venues.errors import MissingAccounts
from activities.venues.pool import Account, Clock, Pool, PoolKind, Quote, Swap

# A walk asks for the accounts ahead of it in steps; no real swap needs more steps than this.
_MAX_FETCHES = 16


class PoolCache:
    """Decodes pools from a view of accounts; remembers each by the identity of what it was decoded from."""

    def __init__(self) -> None:
        self._entries: dict[Pubkey, tuple[dict[Pubkey, Account | None], Pool]] = {}

    def quote(
        self, kind: PoolKind, address: Pubkey, view: Mapping[Pubkey, Account | None], swap: Swap, clock: Clock
    ) -> tuple[Pool, Quote, Mapping[Pubkey, Account | None]]:
        """Decode the pool and quote `swap`; returns the accounts that the pool was decoded from too.

        Raises VenueError: MissingAccounts when the walk leads to accounts that do not exist.
        """
        pool, accounts = self.pool(kind, address, view)
        for _ in range(_MAX_FETCHES):
            try:
                return pool, pool.quote(swap, clock), accounts
            except MissingAccounts as missing:
                fresh = [key for key in missing.keys if key not in accounts]
                if not fresh:
                    raise
                accounts = {**accounts, **{key: view[key] for key in fresh}}
            pool = self._decode(kind, address, accounts)
        raise MissingAccounts(())

    def pool(
        self, kind: PoolKind, address: Pubkey, view: Mapping[Pubkey, Account | None]
    ) -> tuple[Pool, dict[Pubkey, Account | None]]:
        """Decode the pool and return it with the accounts that it was decoded from; raises VenueError."""
        entry = self._entries.get(address)
        if entry is not None and all(view[key] is account for key, account in entry[0].items()):
            return entry[1], entry[0]
        accounts: dict[Pubkey, Account | None] = {address: view[address]}
        while fresh := [key for key in kind.requirements(address, accounts) if key not in accounts]:
            accounts.update((key, view[key]) for key in fresh)
        return self._decode(kind, address, accounts), accounts

    def _decode(self, kind: PoolKind, address: Pubkey, accounts: dict[Pubkey, Account | None]) -> Pool:
        pool = kind.decode(address, accounts)
        self._entries[address] = (accounts, pool)
        return pool
