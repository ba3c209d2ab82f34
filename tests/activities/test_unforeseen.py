"""Errors that nobody foresaw: one before the signature ends the order with a reason, one after it is waited out."""

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.route import RouteActivities
from activities.solana import fill_reader
from tests.activities.desk import Desk
from tests.memory_store import MemoryRelay, MemoryStore
from tests.samples import first_events, order_event, order_terms
from workflows.domain.attempt import OutcomeKind
from workflows.domain.errors import ErrorCode
from workflows.domain.lifecycle import Status
from workflows.messages import ChooseRoute


class BrokenRouter:
    """A calculation that goes wrong."""

    async def decide(self, *_: Any) -> Any:
        """Never decides."""
        raise ZeroDivisionError("a pool nobody has seen before")


async def test_a_route_that_cannot_be_calculated_ends_the_attempt_and_is_not_tried_for_ever() -> None:
    store, terms = MemoryStore(), order_terms()
    await store.create_order(terms, first_events())
    choose = RouteActivities(store, MemoryRelay(), BrokenRouter()).choose_route  # type: ignore[arg-type]
    with pytest.raises(ApplicationError) as refused:
        await ActivityEnvironment().run(
            choose, ChooseRoute(terms=terms, venues=(), event=order_event(3, Status.BUILDING))
        )
    assert (refused.value.type, refused.value.non_retryable) == (ErrorCode.INTERNAL_ERROR, True)
    # What a stranger reads says which kind of error it was, and none of its text.
    assert refused.value.message == "routing: ZeroDivisionError"
    assert [event.seq for event in store.orders[terms.order_id].log] == [1, 2]


async def test_a_landed_swap_waits_until_its_amounts_can_be_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    terms = await desk.accept()
    swap = (await desk.prepare(terms, await desk.route(terms, "cpmm"))).swap
    failures = iter([KeyError("owner"), ValueError("negative")])
    read = fill_reader.read_fill

    def reading(*arguments: Any) -> Any:
        if (failure := next(failures, None)) is not None:
            raise failure
        return read(*arguments)

    monkeypatch.setattr(fill_reader, "read_fill", reading)
    outcome = await desk.outcome(terms, swap)
    assert outcome.kind is OutcomeKind.LANDED
    assert outcome.fill is not None
    assert next(failures, None) is None
