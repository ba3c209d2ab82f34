"""Find the pools of mainnet through the venues' public HTTP APIs. Only addresses are taken from their answers."""

import asyncio
from collections.abc import Sequence
from itertools import combinations

from solders.pubkey import Pubkey

from activities.finding.http import Api, ApiFailed, NotThere
from activities.finding.listing import PairListing, address
from activities.finding.source import Found
from workflows.domain.money import Token

# Two thousand pools of one pair: beyond that an answer is not to be believed, and the best pools come first.
MAX_PAGES = 20


class ApiSource:
    """Every pool of a pair that the venues' own indexers list; what fails is a problem per API."""

    def __init__(self, listings: Sequence[PairListing]) -> None:
        self._listings = listings

    async def find(self, tokens: Sequence[Token]) -> Found:
        """Pools by pair, the APIs side by side, each asked one question at a time."""
        mints = sorted(token.mint for token in tokens)
        pools: dict[Pubkey, Pubkey | None] = {}
        problems: list[str] = []
        for found in await asyncio.gather(*(_ask(listing, mints) for listing in self._listings)):
            pools |= found.pools
            problems += found.problems
        return Found(pools, tuple(problems))


async def _ask(listing: PairListing, mints: Sequence[str]) -> Found:
    pools: dict[Pubkey, Pubkey | None] = {}
    failures: list[ApiFailed] = []
    problems = []
    pairs = list(combinations(mints, 2))
    async with Api(listing.base) as api:
        for first, second in pairs:
            try:
                await _collect(api, listing, first, second, pools)
            except NotThere:
                continue
            except ApiFailed as error:
                failures.append(error)
                if error.final:
                    break
        if failures:
            rest = " and was not asked any further" if failures[-1].final else ""
            problems.append(f"{listing.name} failed for {len(failures)} of {len(pairs)} pairs{rest}: {failures[-1]}")
        else:
            try:
                pools |= await listing.lookup_tables(api, list(pools))
            except ApiFailed as error:
                problems.append(f"{listing.name}: no lookup tables: {error}")
    return Found(pools, tuple(problems))


async def _collect(api: Api, listing: PairListing, first: str, second: str, pools: dict[Pubkey, Pubkey | None]) -> None:
    """Add the pair's pools, page by page; what was added stays when a later page fails."""
    for number in range(MAX_PAGES):
        page = listing.read(await api.get(*listing.request(first, second, number)))
        named = [address(entry) for entry in page.addresses]
        pools.update((key, None) for key in named if key is not None)
        if None in named:
            raise ApiFailed("unexpected answer: a pool without an address")
        if not page.more or not named:
            return
    raise ApiFailed(f"more than {MAX_PAGES} pages of one pair")
