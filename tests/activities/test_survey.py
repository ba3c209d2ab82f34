"""A survey says of each pool what the quotes say, for sizes small and large."""

from decimal import Decimal
from itertools import pairwise

import pytest
from temporalio.testing import ActivityEnvironment

from activities.in_flight import InFlight
from activities.pools import PoolReader
from activities.survey import SurveyActivities
from tests.activities.desk import Desk
from tests.samples import SOL, USDC
from workflows.domain.errors import ErrorCode
from workflows.domain.money import Token
from workflows.messages import PairSurvey, QuoteRequest, SurveyPair

each_direction = pytest.mark.parametrize(("sold", "bought"), [(SOL, USDC), (USDC, SOL)], ids=["sells SOL", "buys SOL"])


async def survey(desk: Desk, sold: Token = SOL, bought: Token = USDC) -> PairSurvey:
    reader = PoolReader(desk.worker.rpc, desk.pools, max_age=0.0)
    activities = SurveyActivities(reader, InFlight())
    found: PairSurvey = await ActivityEnvironment().run(
        activities.survey_pair, SurveyPair(token_in=sold, token_out=bought)
    )
    return found


@each_direction
async def test_every_pool_pays_for_every_size_what_it_quotes(desk: Desk, sold: Token, bought: Token) -> None:
    found = await survey(desk, sold, bought)
    assert len(found.pools) == len(desk.pools.pools)
    for at in (0, 9, 20, 33, len(found.sizes) - 1):
        request = QuoteRequest(token_in=sold, token_out=bought, amount_in=found.sizes[at])
        venues = [await desk.worker.quoter.venue(venue, request) for venue in ("raydium", "meteora")]
        quoted = {quote.pool: quote.amount_out for venue in venues for quote in venue.quotes}
        assert {pool.pool: pool.amounts_out[at] for pool in found.pools if pool.amounts_out[at]} == quoted


async def test_the_sizes_rise_evenly_over_five_decades(desk: Desk) -> None:
    sizes = (await survey(desk)).sizes
    assert len(sizes) == 41
    assert sizes[-1] == 10**5 * sizes[0]
    for smaller, larger in pairwise(sizes):
        assert 129 <= larger * 100 // smaller <= 140
    largest = max(pool.reserve_in or 0 for pool in (await survey(desk)).pools)
    assert sizes[-1] <= largest // 10 < 10 * sizes[-1]


async def test_price_depth_and_fee_are_those_of_the_cluster(desk: Desk) -> None:
    pools = (await survey(desk)).pools
    told = {(pool.kind, pool.fee_bps) for pool in pools}
    assert {("cpmm", Decimal("25.00")), ("cpmm", Decimal("20.00")), ("clmm", Decimal("4.00"))} <= told
    assert {("dlmm", Decimal("10.00")), ("damm_v2", Decimal("15.00")), ("amm_v4", Decimal("25.00"))} <= told
    for pool in pools:
        assert pool.price is not None
        # Lamports have three more decimals than the base units of USDC.
        assert Decimal("0.149") < pool.price < Decimal("0.152")
        assert pool.reserve_out is not None
        assert pool.reserve_out > 10**10


async def test_the_price_of_the_other_direction_is_the_inverse(desk: Desk) -> None:
    there = {pool.pool: pool for pool in (await survey(desk)).pools}
    back = {pool.pool: pool for pool in (await survey(desk, USDC, SOL)).pools}
    for address, pool in there.items():
        inverse = back[address]
        assert pool.price is not None
        assert inverse.price is not None
        assert abs(pool.price * inverse.price - 1) < Decimal("1e-15")
        assert (pool.reserve_in, pool.reserve_out) == (inverse.reserve_out, inverse.reserve_in)


async def test_an_outage_is_an_answer_with_its_reason(desk: Desk) -> None:
    desk.pools.away = True
    found = await survey(desk)
    assert (found.pools, found.reason) == ((), ErrorCode.QUOTE_UNAVAILABLE)
    desk.pools.away = False
    await desk.chain.rpc("localnet_setFaults", [{"kind": "unhealthy"}])
    assert (await survey(desk)).reason == ErrorCode.CHAIN_UNAVAILABLE


async def test_a_pair_without_pools_has_no_sizes(desk: Desk) -> None:
    listed, desk.pools.pools = desk.pools.pools, []
    try:
        found = await survey(desk)
    finally:
        desk.pools.pools = listed
    assert (found.pools, found.sizes, found.reason) == ((), (), None)
    assert found.slot is not None
