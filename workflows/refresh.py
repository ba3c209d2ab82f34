"""Keep the registry of pools in step with the chain; a schedule starts it."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows import names, steps
from workflows.messages import PoolsRefreshed

# The next run of the schedule tries again anyway.
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=2), maximum_attempts=3)


@workflow.defn
class RefreshPoolsWorkflow:
    """One search for pools."""

    @workflow.run
    async def run(self) -> PoolsRefreshed:
        """What the search found; fails when chain or database stay out of reach."""
        refreshed = await workflow.execute_activity(
            steps.refresh_pools,
            start_to_close_timeout=names.REFRESH_TIMEOUT,
            retry_policy=_RETRY,
        )
        workflow.set_current_details(_told(refreshed))
        return refreshed


def _told(refreshed: PoolsRefreshed) -> str:
    """Markdown for the Web UI."""
    lines = [f"**{sum(refreshed.quoted.values())} pools are quoted**, {refreshed.new} pools are new."]
    lines += [f"- {kind}: {count}" for kind, count in sorted(refreshed.quoted.items())]
    reasons = [(kind, *item) for kind, counts in sorted(refreshed.excluded.items()) for item in sorted(counts.items())]
    if reasons:
        lines += ["", "Excluded:", *(f"- {kind}, {reason}: {count}" for kind, reason, count in reasons)]
    if refreshed.problems:
        lines += ["", "Problems:", *(f"- {problem}" for problem in refreshed.problems)]
    if refreshed.more_problems:
        lines.append(f"- and {refreshed.more_problems} more")
    return "\n".join(lines)
