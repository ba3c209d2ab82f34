"""Cancelling and changing orders: asked of their workflows, which answer definitely or not at all."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from workflows import names
from workflows.domain.errors import EngineError, ErrorCode, error_code
from workflows.domain.ids import workflow_id
from workflows.messages import AmendAnswer, AmendOrder, CancelAnswer, CancelOrder

log = logging.getLogger(__name__)

# A worker answers within moments, and in an outage of PostgreSQL when that is over.
_PATIENCE = timedelta(seconds=5)
_REQUEST_TIMEOUT = timedelta(seconds=2)


class OrderChanges:
    """Updates of order workflows. A reused `update_id` is answered with what its first use came to."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def cancel(self, order_id: str, update_id: str) -> CancelAnswer | bool:
        """What the cancellation came to.

        False when the order's workflow has ended, or there is none. True when the wish is stored and no worker has
        answered: it is honored as soon as one runs. Raises EngineError `engine_unavailable`.
        """
        handle = self._handle(order_id)
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()):
                canceled: CancelAnswer = await handle.execute_update(
                    names.CANCEL, CancelOrder(), id=update_id, result_type=CancelAnswer
                )
                return canceled
        except WorkflowUpdateFailedError as error:
            if _code(error) is ErrorCode.ORDER_ENDED:
                return False
            log.warning("order %s: its cancellation is asked for again: %s", order_id, error.cause)
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
            pass
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            log.warning("order %s: no answer to its cancellation: %s", order_id, error)
        except RuntimeError as error:
            raise _silent(error) from error
        # An update is stored only once a worker has taken it; a request to cancel is stored by the server.
        try:
            await handle.cancel(rpc_timeout=_REQUEST_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise _silent(error) from error
        except RuntimeError as error:
            raise _silent(error) from error
        return True

    async def amend(self, order_id: str, request: AmendOrder, update_id: str) -> AmendAnswer:
        """The changed order.

        Raises EngineError: `version_mismatch`, `order_not_amendable`, `order_ended` or `request_invalid` when nothing
        was changed, `amendment_unknown` when that cannot be told.
        """
        handle = self._handle(order_id)
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()):
                changed: AmendAnswer = await handle.execute_update(
                    names.AMEND, request, id=update_id, result_type=AmendAnswer
                )
                return changed
        except WorkflowUpdateFailedError as error:
            code = _code(error)
            if code is None:
                raise _unknown(error) from error
            raise EngineError(code, str(error.cause)) from error
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise EngineError(ErrorCode.ORDER_ENDED, f"order {order_id} has ended") from error
            raise _unknown(error) from error
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            raise _unknown(error) from error
        except RuntimeError as error:
            raise _silent(error) from error

    def _handle(self, order_id: str) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(workflow_id(order_id))


def _code(error: WorkflowUpdateFailedError) -> ErrorCode | None:
    return error_code(error.cause.type) if isinstance(error.cause, ApplicationError) else None


def _unknown(cause: Exception) -> EngineError:
    log.warning("no answer to an amendment: %s", cause)
    return EngineError(ErrorCode.AMENDMENT_UNKNOWN, "no worker answered in time")


def _silent(cause: Exception) -> EngineError:
    log.warning("Temporal does not answer: %s", cause)
    return EngineError(ErrorCode.ENGINE_UNAVAILABLE, "Temporal does not answer")
