"""The dead man's switch of an account: cancels its orders when its client has not been heard of in time.

Each sign of life is a signal with the time at which the switch fires without a further one. It is durable before the
client has its answer, so neither the death of the API nor of every worker disarms the switch: what was missed meanwhile
is told by the times in the signals, not by when a worker came to read them.
"""

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows import names, steps
from workflows.switch_messages import CancelOrders, DeadMansSwitch, OrdersAsked, RenewSwitch

# Orders are waiting to be canceled: an outage is asked again soon, and for ever.
_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=10))

# An order that was accepted just before may not be listed yet; one in flight may come back to rest.
_SETTLING = timedelta(seconds=5)
_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(seconds=30)

# Each sign of life is four events of the history, which is begun anew before it grows long.
_MOST_RENEWALS = 1_000


@workflow.defn(name=names.SWITCH_WORKFLOW)
class DeadMansSwitchWorkflow:
    """Lives from the first sign of life until it is switched off, or has fired and every order was asked to end.

    The server does not let it end over a sign of life that it has not seen.
    """

    @workflow.init
    def __init__(self, switch: DeadMansSwitch) -> None:
        self._account = switch.account
        self._until = switch.until
        self._fired_at = switch.fired_at
        self._renewals = 0
        self._asked = 0

    @workflow.signal(name=names.RENEW_SWITCH, description="The account's client is alive, or switches the switch off")
    def renew(self, renewal: RenewSwitch) -> None:
        """Fire later, or never. What comes after the time has passed does not undo it."""
        if self._until is not None and renewal.at >= self._until:
            self._fire()
        self._until = renewal.until
        self._renewals += 1

    @workflow.query(description="When the switch fires, and whether it is canceling orders")
    def state(self) -> DeadMansSwitch:
        """Where the switch stands."""
        return DeadMansSwitch(account=self._account, until=self._until, fired_at=self._fired_at)

    @workflow.run
    async def run(self, switch: DeadMansSwitch) -> None:
        """Wait for the time, and cancel when it comes."""
        pause = _FIRST_PAUSE
        if self._until is None and self._fired_at is None:
            # It is started together with its first sign of life.
            await workflow.wait_condition(lambda: self._renewals > 0)
        while self._until is not None or self._fired_at is not None:
            if self._grown_long():
                workflow.continue_as_new(self.state())
            self._tell()
            if self._fired_at is None:
                await self._wait()
                pause = _FIRST_PAUSE
            elif not await self._cancel(self._fired_at):
                await workflow.sleep(pause, summary="before the orders are looked at again")
                pause = min(2 * pause, _LONGEST_PAUSE)
            self._fire_if_due()
        self._tell()

    async def _wait(self) -> None:
        """Return when the time has come, was moved forward, or is no more; moved back it needs no new timer."""
        assert self._until is not None
        awaited = self._until
        try:
            await workflow.wait_condition(
                lambda: self._fired_at is not None or self._moved_forward(awaited) or self._grown_long(),
                timeout=max(awaited - workflow.now(), timedelta(milliseconds=1)),
                timeout_summary=f"all orders of {self._account} unless renewed",
            )
        except TimeoutError:
            # Whether it is due is told by the newest sign of life.
            return

    async def _cancel(self, accepted_by: datetime) -> bool:
        """Ask the orders that were accepted by then; whether none of them is left, now or later."""
        settled = workflow.now() >= accepted_by + _SETTLING
        made: OrdersAsked = await workflow.execute_activity(
            steps.cancel_orders,
            CancelOrders(account=self._account, accepted_by=accepted_by),
            start_to_close_timeout=names.CANCEL_ORDERS_TIMEOUT,
            heartbeat_timeout=names.CANCEL_ORDERS_HEARTBEAT_TIMEOUT,
            retry_policy=_RETRY,
            summary=f"accepted by {_time(accepted_by)}",
        )
        self._asked = max(self._asked, made.asked)
        if made.left or not settled or self._fired_at != accepted_by:
            return False
        self._fired_at = None
        return True

    def _moved_forward(self, awaited: datetime) -> bool:
        return self._until is None or self._until < awaited

    def _grown_long(self) -> bool:
        return self._renewals >= _MOST_RENEWALS or workflow.info().is_continue_as_new_suggested()

    def _fire_if_due(self) -> None:
        if self._until is not None and workflow.now() >= self._until:
            self._fire()

    def _fire(self) -> None:
        self._fired_at, self._until = self._until, None

    def _tell(self) -> None:
        """Markdown for the Web UI."""
        lines = []
        if self._until is not None:
            lines.append(f"**Armed**: cancels all orders of `{self._account}` at {_time(self._until)} unless renewed.")
        if self._fired_at is not None:
            lines.append(f"**Fired** at {_time(self._fired_at)}: canceling the orders that were accepted by then.")
        if not lines:
            lines.append("**Off.**")
        if self._asked:
            lines.append(f"{self._asked} orders were asked to be canceled.")
        workflow.set_current_details("\n\n".join(lines))


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
