"""The one watcher of a pair's price, for as long as the pair has open orders."""

from datetime import timedelta

from temporalio import exceptions, workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

from workflows import names, steps
from workflows.messages import WatchedPair

# A watcher that fails, or whose worker died, is needed again at once.
_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=2))

# Each opening order is an event of the history, which is begun anew before it grows long.
_MOST_OPENINGS = 2_000


@workflow.defn(name=names.WATCH_WORKFLOW)
class WatchWorkflow:
    """Keeps one watching activity alive, wherever a worker runs, until no order of the pair is open.

    An order that opens signals it, and starts it if need be, once its row says `open`. So either the running look
    at the open orders still finds it, or the signal is here before the end and another look is taken: the server
    does not let a workflow end over a signal that it has not seen.
    """

    @workflow.init
    def __init__(self, pair: WatchedPair) -> None:
        self._openings = 0

    @workflow.signal(name=names.ORDER_OPENED, description="An order of the pair is open")
    def order_opened(self) -> None:
        """Look again before ending."""
        self._openings += 1

    @workflow.run
    async def run(self, pair: WatchedPair) -> None:
        """Watch until there is nothing left to watch."""
        while True:
            seen = self._openings
            watching = workflow.start_activity(
                steps.watch_pair,
                pair,
                start_to_close_timeout=names.WATCH_TIMEOUT,
                heartbeat_timeout=names.WATCH_HEARTBEAT_TIMEOUT,
                retry_policy=_RETRY,
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary="open orders",
            )
            await workflow.wait_condition(lambda: watching.done() or self._openings >= _MOST_OPENINGS)  # noqa: B023
            if not watching.done():
                watching.cancel()
            try:
                await watching
            except exceptions.ActivityError:
                # It makes room for a new history. Of its own accord it only ever succeeds.
                seen = -1
            if self._openings >= _MOST_OPENINGS or workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(pair)
            if self._openings == seen:
                return
