"""A comparison of both venues without an order."""

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

from workflows import names, steps
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.routing import choose
from workflows.messages import QuoteComparison, QuoteRequest


@workflow.defn
class QuoteWorkflow:
    """Quotes every pool of the pair and tells what the router would choose."""

    @workflow.run
    async def run(self, request: QuoteRequest) -> QuoteComparison:
        """Answer within the quote timeout; a failure is part of the answer."""
        try:
            venues = await workflow.execute_local_activity(
                steps.compare_quotes,
                request,
                schedule_to_close_timeout=names.QUOTE_TIMEOUT,
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except FailureError as error:
            return QuoteComparison(venues=(), reason=ErrorCode.QUOTE_TIMEOUT, detail=str(error.cause or error))
        try:
            decision = choose(venues, request.token_in, request.token_out, request.amount_out is not None)
        except EngineError as error:
            return QuoteComparison(venues=venues, reason=error.code, detail=error.detail)
        return QuoteComparison(venues=venues, decision=decision)
