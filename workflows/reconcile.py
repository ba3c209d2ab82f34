"""Compare database, Temporal and chain, mend what can be mended and raise the rest; a schedule starts it."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError

from workflows import names, steps
from workflows.messages import FinishReconciliation, PartReconciled, ReconciliationScope

# The next run of the schedule looks at the same things again.
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=3)
_SHORT = timedelta(seconds=30)

_PARTS = (steps.reconcile_orders, steps.reconcile_workflows, steps.reconcile_swaps)

# As many findings in words as a person reads.
_TOLD = 20


@workflow.defn
class ReconcileWorkflow:
    """One reconciliation."""

    @workflow.run
    async def run(self) -> PartReconciled:
        """What all parts found together.

        Fails when a server stays out of reach for one part; the others are done all the same, and what was to be
        looked at is looked at again by the next run.
        """
        scope: ReconciliationScope = await workflow.execute_activity(
            steps.begin_reconciliation, start_to_close_timeout=_SHORT, retry_policy=_RETRY
        )
        found = PartReconciled()
        failures: list[str] = []
        for part in _PARTS:
            try:
                found = _together(found, await self._part(part, scope))
            except FailureError as error:
                failures.append(f"{part.__name__}: {error.cause or error}")
            workflow.set_current_details(_details(scope, found, failures))
        if failures:
            raise ApplicationError("; ".join(failures), type="reconciliation_incomplete")
        await workflow.execute_activity(
            steps.finish_reconciliation,
            FinishReconciliation(scope=scope, found=found),
            start_to_close_timeout=_SHORT,
            retry_policy=_RETRY,
        )
        return found

    async def _part(self, part: Any, scope: ReconciliationScope) -> PartReconciled:
        found: PartReconciled = await workflow.execute_activity(
            part,
            scope,
            start_to_close_timeout=names.RECONCILE_TIMEOUT,
            heartbeat_timeout=names.RECONCILE_HEARTBEAT_TIMEOUT,
            retry_policy=_RETRY,
            summary="everything" if scope.whole else f"since {scope.since:%Y-%m-%d %H:%M:%S}",
        )
        return found


def _together(one: PartReconciled, other: PartReconciled) -> PartReconciled:
    return PartReconciled(
        orders=one.orders + other.orders,
        swaps=one.swaps + other.swaps,
        workflows=one.workflows + other.workflows,
        raised=one.raised + other.raised,
        repaired=one.repaired + other.repaired,
        told=(*one.told, *other.told)[:_TOLD],
        cursors=one.cursors | other.cursors,
    )


def _details(scope: ReconciliationScope, found: PartReconciled, failures: list[str]) -> str:
    """Markdown for the Web UI."""
    looked_at = "everything" if scope.whole else f"what changed since {scope.since:%Y-%m-%d %H:%M:%S} UTC"
    lines = [
        f"**{found.raised} raised, {found.repaired} repaired** ({looked_at}):"
        f" {found.orders} orders, {found.swaps} swaps, {found.workflows} workflows.",
        *(f"- {finding}" for finding in found.told),
        *(f"- not done: {failure}" for failure in failures),
    ]
    return "\n".join(lines)
