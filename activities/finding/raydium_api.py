"""Raydium's API v3, as docs.raydium.io describes it."""

from collections.abc import Sequence

from pydantic import BaseModel, Field
from solders.pubkey import Pubkey

from activities.finding.http import Api, Params
from activities.finding.listing import PAGE_SIZE, Entry, Page, PairListing, address, parsed

# The API names pools in the URL: fifty make two kilobytes.
_KEYS_AT_ONCE = 50

# What the API writes for a pool without a lookup table.
_NO_TABLE = Pubkey.default()


class _Pools(BaseModel):
    entries: list[Entry] = Field(alias="data")
    more: bool = Field(alias="hasNextPage")


class _PoolsAnswer(BaseModel):
    data: _Pools


class _KeysAnswer(BaseModel):
    data: list[Entry | None]


class RaydiumApi(PairListing):
    """`/pools/info/mint` lists the pools of all three kinds, `/pools/key/ids` their accounts."""

    def request(self, first: str, second: str, page: int) -> tuple[str, Params]:
        """Pages are counted from 1."""
        return "/pools/info/mint", {
            "mint1": first,
            "mint2": second,
            "poolType": "all",
            "poolSortField": "default",
            "sortType": "desc",
            "pageSize": PAGE_SIZE,
            "page": page + 1,
        }

    def read(self, body: bytes) -> Page:
        """The pools' `id`."""
        pools = parsed(_PoolsAnswer, body).data
        return Page([entry.get("id") for entry in pools.entries], pools.more)

    async def lookup_tables(self, api: Api, pools: Sequence[Pubkey]) -> dict[Pubkey, Pubkey | None]:
        """`lookupTableAccount` of each pool that has one."""
        wanted = frozenset(pools)
        found: dict[Pubkey, Pubkey | None] = {}
        for start in range(0, len(pools), _KEYS_AT_ONCE):
            ids = ",".join(map(str, pools[start : start + _KEYS_AT_ONCE]))
            for entry in parsed(_KeysAnswer, await api.get("/pools/key/ids", {"ids": ids})).data:
                pool, table = (address((entry or {}).get(name)) for name in ("id", "lookupTableAccount"))
                if pool is not None and pool in wanted and table != _NO_TABLE:
                    found[pool] = table
        return found
