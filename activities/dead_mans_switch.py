"""Canceling every order of an account whose dead man's switch has fired."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from temporalio import activity
from temporalio.service import RPCError, RPCStatusCode

from activities.order_workflows import OrderWorkflows
from workflows.domain.ids import workflow_id
from workflows.domain.lifecycle import Status
from workflows.switch_messages import CancelOrders, OrdersAsked

log = logging.getLogger(__name__)

# Requests under way at a time.
_CONCURRENT = 20


class LiveOrders(Protocol):
    """The orders of an account that have not ended, as they are stored."""

    async def of_account(self, account: str, accepted_by: datetime) -> Sequence[tuple[str, Status]]:
        """Id and status of those that were accepted by then. Raises ConnectionError."""


class DeadMansSwitchActivities:
    """Finds the orders at Temporal, which knows each from its acceptance on, and in the store, whose word is newer."""

    def __init__(self, orders: LiveOrders) -> None:
        self._orders = orders

    @activity.defn
    async def cancel_orders(self, request: CancelOrders) -> OrdersAsked:
        """Ask each of the orders to be canceled.

        Raises ConnectionError when one of the two lists could not be had, or a request not be made; what could be done
        is done by then.
        """
        running = OrderWorkflows(activity.client()).running_of(request.account, request.accepted_by)
        wanted = {each.order_id async for each in running}
        try:
            stored = await self._orders.of_account(request.account, request.accepted_by)
        except ConnectionError:
            await self._ask_all(wanted)
            raise
        # A cancellation that came too late is the chain's to resolve: it needs no further request.
        in_flight = {order_id for order_id, status in stored if status is Status.PENDING_CANCEL}
        wanted = (wanted | {order_id for order_id, _ in stored}) - in_flight
        return OrdersAsked(asked=await self._ask_all(wanted), left=len(wanted))

    async def _ask_all(self, order_ids: set[str]) -> int:
        """How many could be asked; the others have no workflow, or it has ended."""
        gate = asyncio.Semaphore(_CONCURRENT)

        async def ask(order_id: str) -> bool:
            async with gate:
                activity.heartbeat()
                return await self._ask(order_id)

        asked = await asyncio.gather(*(ask(order_id) for order_id in sorted(order_ids)), return_exceptions=True)
        failures = [each for each in asked if isinstance(each, BaseException)]
        if failures:
            raise ConnectionError(f"{len(failures)} of {len(asked)} orders could not be asked") from failures[0]
        return sum(each is True for each in asked)

    async def _ask(self, order_id: str) -> bool:
        # A request that the server stores: it needs no worker, and no answer has to be waited for.
        try:
            await activity.client().get_workflow_handle(workflow_id(order_id)).cancel()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True
