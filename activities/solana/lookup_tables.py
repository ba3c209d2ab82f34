"""Address lookup tables: they let a transaction name an account by one byte instead of thirty-two."""

import asyncio
import logging
from collections.abc import Iterable

from solders.address_lookup_table_account import ID, AddressLookupTable, AddressLookupTableAccount
from solders.pubkey import Pubkey

from activities.solana.rpc import SolanaRpc
from activities.solana.shared import Shared
from activities.venues.pool import Account

log = logging.getLogger(__name__)

# A table only ever grows, until it is deactivated; then it serves for some 512 more slots, longer than this and the
# life of a blockhash (150 blocks) together.
MAX_AGE_SECONDS = 30.0

# `LookupTableMeta.deactivation_slot` of an active table.
_ACTIVE = 2**64 - 1


class LookupTables:
    """The tables of a cluster, each read again when it is older than `max_age` seconds."""

    def __init__(self, rpc: SolanaRpc, max_age: float = MAX_AGE_SECONDS) -> None:
        self._rpc = rpc
        self._tables: Shared[Pubkey, AddressLookupTableAccount | None] = Shared(self._read, max_age)

    async def of(self, keys: Iterable[Pubkey | None]) -> tuple[AddressLookupTableAccount, ...]:
        """The usable tables among the keys, for `SwapTransaction.lookup_tables`; the others are left out and logged.

        Raises ChainUnavailable.
        """
        wanted = sorted({key for key in keys if key is not None}, key=bytes)
        tables = await asyncio.gather(*map(self._tables.get, wanted))
        return tuple(table for table in tables if table is not None)

    async def _read(self, key: Pubkey) -> AddressLookupTableAccount | None:
        slot, accounts = await self._rpc.accounts([key])
        addresses = usable_addresses(accounts[key], slot)
        if addresses is None:
            log.warning("%s is no active address lookup table: transactions do without it", key)
            return None
        return AddressLookupTableAccount(key, addresses)


def usable_addresses(account: Account | None, slot: int) -> list[Pubkey] | None:
    """What a transaction may look up in `slot` in the table of this account, None when it is no active table.

    Addresses that were added in a slot can be looked up from the next one on.
    """
    if account is None or account.owner != ID:
        return None
    try:
        table = AddressLookupTable.deserialize(account.data)
    except ValueError:
        return None
    meta = table.meta
    if meta.deactivation_slot != _ACTIVE:
        return None
    extended_now = slot <= meta.last_extended_slot
    return list(table.addresses[: meta.last_extended_slot_start_index] if extended_now else table.addresses)
