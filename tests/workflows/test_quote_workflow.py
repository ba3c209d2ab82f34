"""A comparison of both venues without an order."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from tests.samples import SOL, USDC
from tests.workflows.scripted import Answer, hangs, has_no_pools, pays, unreadable
from workflows import names
from workflows.domain.errors import ErrorCode
from workflows.domain.routing import VenueQuotes
from workflows.messages import QuoteComparison, QuoteRequest
from workflows.quote import QuoteWorkflow


async def compare(server: WorkflowEnvironment, raydium: Answer, meteora: Answer) -> QuoteComparison:
    """The comparison that a trader is shown when the venues answer so."""

    @activity.defn
    async def compare_quotes(request: QuoteRequest) -> tuple[VenueQuotes, ...]:
        return tuple(await asyncio.gather(raydium("raydium", request), meteora("meteora", request)))

    queue = f"quotes-{uuid4()}"
    async with Worker(server.client, task_queue=queue, workflows=[QuoteWorkflow], activities=[compare_quotes]):
        request = QuoteRequest(token_in=SOL, token_out=USDC, amount_in=1_500_000_000)
        return await server.client.execute_workflow(QuoteWorkflow.run, request, id=queue, task_queue=queue)


async def test_both_venues_are_shown_with_the_route_that_an_order_would_take(
    skipping_server: WorkflowEnvironment,
) -> None:
    comparison = await compare(skipping_server, pays(290), pays(291))
    assert [venue.quotes[0].amount_out for venue in comparison.venues] == [290, 291]
    assert comparison.decision is not None
    assert comparison.decision.route.venue == "meteora"
    assert (comparison.reason, comparison.detail) == (None, "")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(has_no_pools, ErrorCode.PAIR_UNSUPPORTED), (unreadable(), ErrorCode.QUOTE_UNAVAILABLE)],
)
async def test_why_there_is_no_route_is_part_of_the_answer(
    skipping_server: WorkflowEnvironment, answer: Answer, reason: ErrorCode
) -> None:
    comparison = await compare(skipping_server, answer, answer)
    assert (comparison.decision, comparison.reason) == (None, reason)
    assert len(comparison.venues) == 2


async def test_venues_that_do_not_answer_end_the_comparison_in_time(
    skipping_server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "QUOTE_TIMEOUT", timedelta(milliseconds=100))
    comparison = await compare(skipping_server, hangs, pays(1))
    assert (comparison.venues, comparison.reason) == ((), ErrorCode.QUOTE_TIMEOUT)
