"""The curves beside a decision are what the pools would have quoted, and go through the chosen point."""

import pytest

from activities.curves import price_curves
from activities.quotes import VENUES, QuotedPool
from tests.activities.desk import Desk
from tests.samples import SOL, USDC
from workflows.domain.routing import PriceCurves
from workflows.messages import QuoteRequest


async def quoted(desk: Desk, request: QuoteRequest) -> list[QuotedPool]:
    looks = [await desk.worker.quoter.look(venue, request) for venue in VENUES]
    return [pool for _, pools in looks for pool in pools]


@pytest.mark.parametrize("amount", [1_500_000_000, 60_000_000_000])
async def test_every_size_gets_what_the_pool_quotes_for_it(desk: Desk, amount: int) -> None:
    pools = await quoted(desk, QuoteRequest(token_in=SOL, token_out=USDC, amount_in=amount))
    curves = price_curves(pools, amount)
    assert [curve.pool for curve in curves.pools] == [str(pool.pool.address) for pool in pools][:6]
    assert curves.sizes[0] == amount // 8
    assert curves.sizes[-1] == amount * 8
    for at in (0, curves.sizes.index(amount), len(curves.sizes) - 1):
        request = QuoteRequest(token_in=SOL, token_out=USDC, amount_in=curves.sizes[at])
        answers = {str(pool.pool.address): pool.quote.amount_out for pool in await quoted(desk, request)}
        for curve in curves.pools:
            assert curve.amounts_out[at] == answers.get(curve.pool)
    # Nothing is lost on the way through an event.
    assert PriceCurves.model_validate(curves.model_dump(mode="json", by_alias=True)) == curves


async def test_the_smallest_order_has_sizes_above_nothing(desk: Desk) -> None:
    pools = await quoted(desk, QuoteRequest(token_in=SOL, token_out=USDC, amount_in=1_500_000_000))
    assert price_curves(pools, 1).sizes == (1, 2, 4, 5, 8)
    (curve, *_) = price_curves(pools, 1).pools
    assert curve.amounts_out[0] is None


async def test_only_the_best_pools_are_drawn(desk: Desk) -> None:
    pools = await quoted(desk, QuoteRequest(token_in=SOL, token_out=USDC, amount_in=1_500_000_000))
    best = [str(pool.pool.address) for pool in pools][:2]
    drawn = [curve.pool for curve in price_curves(pools * 3, 1_500_000_000).pools]
    assert (len(drawn), drawn[:2]) == (6, best)
