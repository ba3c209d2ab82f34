"""A price that a test moves, and what its orders hear of it."""

from typing import Any

from tests.workflows.conftest import Engine, Started
from tests.workflows.scripted import Script, pays, unreadable
from workflows.domain.lifecycle import Status
from workflows.order import OrderWorkflow

# What 1.5 SOL bring, in base units of USDC.
AT_100, AT_150, AT_200, AT_250 = 150_000_000, 225_000_000, 300_000_000, 375_000_000


class Market:
    """A price that a test moves."""

    def __init__(self, amount_out: int) -> None:
        self.amount_out = amount_out

    def script(self, **changes: Any) -> Script:
        async def answer(venue: str, request: Any) -> Any:
            return await pays(self.amount_out)(venue, request)

        return Script(**{"raydium": (answer,), "meteora": (unreadable(),)} | changes)


def story(running: Engine, handle: Started) -> list[Status]:
    log = running.activities.order(handle.id.removeprefix("order-")).log
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    return [event.status for event in log]


async def hint(handle: Started) -> None:
    await handle.signal(OrderWorkflow.price_reached)
