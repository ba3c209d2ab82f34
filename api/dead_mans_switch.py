"""An account's dead man's switch, armed and renewed at its workflow."""

import logging
from datetime import UTC, datetime, timedelta

from temporalio.client import Client
from temporalio.common import Priority, SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from workflows import names
from workflows.domain.errors import EngineError, ErrorCode
from workflows.domain.ids import switch_id
from workflows.names import TASK_QUEUE
from workflows.switch_messages import DeadMansSwitch, RenewSwitch

log = logging.getLogger(__name__)

_RPC_TIMEOUT = timedelta(seconds=2)


class Switches:
    """The switches of all accounts. Needs no worker: the server stores each sign of life."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def renew(self, account: str, seconds: int) -> tuple[datetime, datetime | None]:
        """The time now, and when the account's orders are canceled without a further call; 0 switches it off.

        Raises EngineError `switch_unknown` when Temporal does not say that it is so.
        """
        now = datetime.now(UTC)
        until = now + timedelta(seconds=seconds) if seconds else None
        renewal = RenewSwitch(at=now, until=until)
        try:
            if until is None:
                await self._switch_off(account, renewal)
            else:
                await self._arm(account, renewal)
        except (RPCError, RuntimeError) as error:
            log.warning("switch of account %s: %s", account, error)
            raise EngineError(ErrorCode.SWITCH_UNKNOWN, "Temporal does not answer") from error
        return now, until

    async def _arm(self, account: str, renewal: RenewSwitch) -> None:
        await self._client.start_workflow(
            names.SWITCH_WORKFLOW,
            DeadMansSwitch(account=account),
            id=switch_id(account),
            task_queue=TASK_QUEUE,
            task_timeout=names.WORKFLOW_TASK_TIMEOUT,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=f"cancel all orders of {account} unless renewed",
            priority=Priority(fairness_key=account),
            search_attributes=TypedSearchAttributes([SearchAttributePair(names.ORDER_ACCOUNT, account)]),
            start_signal=names.RENEW_SWITCH,
            start_signal_args=[renewal],
            rpc_timeout=_RPC_TIMEOUT,
        )

    async def _switch_off(self, account: str, renewal: RenewSwitch) -> None:
        handle = self._client.get_workflow_handle(switch_id(account))
        try:
            await handle.signal(names.RENEW_SWITCH, renewal, rpc_timeout=_RPC_TIMEOUT)
        except RPCError as error:
            # One that is not there is off.
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
