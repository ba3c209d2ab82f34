"""Renew the registry of pools as a step of a workflow."""

from collections import Counter, defaultdict

from temporalio import activity

from activities.finding.source import PoolSource
from activities.registry import Refreshed, Registry
from workflows.messages import PoolsRefreshed

# Enough to see what is wrong; a source that names a thousand strangers must not fill a history with them.
_PROBLEMS_TOLD = 20


class RefreshActivities:
    """The step of the refresh workflow."""

    def __init__(self, registry: Registry, source: PoolSource) -> None:
        self._registry = registry
        self._source = source

    @activity.defn
    async def refresh_pools(self) -> PoolsRefreshed:
        """Look at every known pool and at those that the source finds. Raises ConnectionError."""
        return summary(await self._registry.refresh(self._source))


def summary(refreshed: Refreshed) -> PoolsRefreshed:
    """The counts by kind and reason."""
    quoted = Counter(pool.kind for pool in refreshed.pools if pool.excluded_reason is None)
    excluded: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for pool in refreshed.pools:
        if pool.excluded_reason is not None:
            excluded[pool.kind][pool.excluded_reason] += 1
    return PoolsRefreshed(
        quoted=dict(quoted),
        excluded={kind: dict(reasons) for kind, reasons in excluded.items()},
        new=refreshed.new,
        problems=refreshed.problems[:_PROBLEMS_TOLD],
        more_problems=max(0, len(refreshed.problems) - _PROBLEMS_TOLD),
    )
