"""Nothing is lost and nothing is doubled when a server goes away in the middle of orders."""

import pytest

from tests.chaos.outages import EVERYTHING, OUTAGES, outage
from tests.chaos.run import run
from tests.chaos.schedule import SEED, SHORT
from tests.chaos.traffic import Answer, Clients
from tests.e2e.stack import Stack

# Long enough for every kind of wait in the engine to meet it; `make chaos` stops PostgreSQL for ten seconds.
_SECONDS = 3.0
_ORDERS = 30


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", sorted(OUTAGES.keys() - {EVERYTHING}))
async def test_every_order_ends_once_and_every_stream_is_complete(
    broken_stack: Stack, clients: Clients, name: str
) -> None:
    report = await outage(broken_stack, clients, name, _SECONDS, _ORDERS)
    assert report.passed, f"{report}\n{report.stories}"


@pytest.mark.timeout(240)
async def test_a_short_run_under_a_seeds_blows_keeps_every_promise(broken_stack: Stack, clients: Clients) -> None:
    report = await run(broken_stack, clients, SEED, SHORT)
    assert report.passed, f"{report}\n{report.stories}"
    assert report.answers[Answer.ACCEPTED] > SHORT.orders // 2
    assert report.strikes.total() > 0
