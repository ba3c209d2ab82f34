"""The checks that an order must pass before it trades, as the workflow sees them.

A refusal is a failure that ends the order as `rejected`.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows import names, steps
from workflows.domain.errors import ErrorCode
from workflows.domain.order import OrderTerms
from workflows.domain.retry import Failure
from workflows.domain.risk import REFUSALS, WALLET_REFUSALS
from workflows.domain.routing import Decision
from workflows.messages import CheckRisk, OrderAccepted, SwapExecuted

# A keyed write like the others: it repeats through an outage of PostgreSQL. A silent node ends the attempt instead.
_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=2))


def at_acceptance(accepted: OrderAccepted | None) -> Failure | None:
    """The refusal of an order that needs no quote to be refused."""
    if accepted is None or accepted.reason is None:
        return None
    return Failure(accepted.reason, accepted.detail, refused=True)


async def check_risk(terms: OrderTerms, attempt: int, decision: Decision) -> None:
    """Check the decision and reserve what it needs of the wallet; raises FailureError when it may not trade."""
    await workflow.execute_local_activity(
        steps.check_risk,
        CheckRisk(terms=terms, attempt=attempt, decision=decision),
        start_to_close_timeout=names.RISK_TIMEOUT,
        retry_policy=_RETRY,
        summary=f"attempt {attempt}: limits and funds",
    )


def judged(failure: Failure, in_check: bool = False) -> Failure:
    """The failure of a step, told from a refusal; the check of the risk refuses for what the wallet lacks too."""
    refusals = REFUSALS | WALLET_REFUSALS if in_check else REFUSALS
    return failure._replace(refused=failure.reason in refusals)


def at_execution(executed: SwapExecuted) -> Failure | None:
    """The refusal of a swap that came after a halt; it was not recorded, and nothing was sent."""
    if executed.halted is None:
        return None
    return Failure(ErrorCode.TRADING_HALTED, executed.halted, refused=True)
