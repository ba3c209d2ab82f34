"""Meteora's APIs, as docs.meteora.ag describes them: DLMM and DAMM v2 alike, DAMM v1 an older one."""

from pydantic import BaseModel

from activities.finding.http import Params
from activities.finding.listing import PAGE_SIZE, Entry, Page, PairListing, parsed


class _Group(BaseModel):
    pages: int
    current_page: int
    data: list[Entry]


class _Search(BaseModel):
    page: int
    total_count: int
    data: list[Entry]


class MeteoraGroupApi(PairListing):
    """`/pools/groups/{mints}` of the DLMM and of the DAMM v2 API; the mints stand in the order of their text."""

    def request(self, first: str, second: str, page: int) -> tuple[str, Params]:
        """Pages are counted from 1."""
        return f"/pools/groups/{first}-{second}", {"page": page + 1, "page_size": PAGE_SIZE}

    def read(self, body: bytes) -> Page:
        """The pools' `address`."""
        group = parsed(_Group, body)
        return Page([entry.get("address") for entry in group.data], group.current_page < group.pages)


class MeteoraDammV1Api(PairListing):
    """`/pools/search` of the DAMM v1 API."""

    def request(self, first: str, second: str, page: int) -> tuple[str, Params]:
        """Pages are counted from 0. A pair matches in the order in which it is written, so both are asked for."""
        pairs = [f"{first}-{second}", f"{second}-{first}"]
        return "/pools/search", {"page": page, "size": PAGE_SIZE, "include_pool_token_pairs": pairs}

    def read(self, body: bytes) -> Page:
        """The pools' `pool_address`."""
        search = parsed(_Search, body)
        more = (search.page + 1) * PAGE_SIZE < search.total_count
        return Page([entry.get("pool_address") for entry in search.data], more)
