"""Orders whose price is reached together."""

from datetime import timedelta

from tests.workflows.conftest import RunEngine
from tests.workflows.market import AT_150, AT_200, Market, hint
from workflows.domain.lifecycle import Status


async def test_of_many_that_are_crossed_the_first_lets_the_others_get_under_way(engine: RunEngine) -> None:
    market = Market(AT_150)
    async with engine(market.script()) as running:
        handle = await running.rest()
        market.amount_out = AT_200
        await hint(handle, behind=20)
        result = await handle.result()
    routing, building = running.activities.order(result.order_id).log[2:4]
    assert (routing.status, building.status) == (Status.ROUTING, Status.BUILDING)
    assert building.at - routing.at >= timedelta(milliseconds=200)
