"""A survey of the pools of a pair without an order: what each holds, takes and pays."""

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

from workflows import names, steps
from workflows.domain.errors import ErrorCode
from workflows.messages import PairSurvey, SurveyPair


@workflow.defn
class SurveyWorkflow:
    """Looks at every pool of a pair at one slot."""

    @workflow.run
    async def run(self, request: SurveyPair) -> PairSurvey:
        """Answer within the quote timeout; a failure is part of the answer."""
        try:
            return await workflow.execute_local_activity(
                steps.survey_pair,
                request,
                schedule_to_close_timeout=names.QUOTE_TIMEOUT,
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except FailureError as error:
            return PairSurvey(reason=ErrorCode.QUOTE_TIMEOUT, detail=str(error.cause or error))
