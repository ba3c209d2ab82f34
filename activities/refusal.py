"""How an activity tells the workflow a reason of the table."""

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from workflows.domain.errors import EngineError


def refusal(error: EngineError) -> ApplicationError:
    """The activity failure that carries the reason: expected, and decided on by the workflow."""
    return ApplicationError(error.detail, type=error.code, non_retryable=True, category=ApplicationErrorCategory.BENIGN)
