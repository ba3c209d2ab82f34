"""A worker that goes on with another's swap lets the workflow go on without that one too."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.takeover import release_workflow
from tests.activities.desk import Desk
from tests.samples import order_event
from tests.workflows.scripted import EXPIRED
from workflows.domain.lifecycle import Status
from workflows.messages import ExecuteSwap


class Server:
    """Takes the question down, and answers or does not."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked: list[ResetStickyTaskQueueRequest] = []
        self.workflow_service = self
        self._failure = failure

    async def reset_sticky_task_queue(self, request: ResetStickyTaskQueueRequest, **_: timedelta) -> None:
        self.asked.append(request)
        if self._failure is not None:
            raise self._failure


def of_try(attempt: int, server: Any = None) -> ActivityEnvironment:
    environment = ActivityEnvironment(client=server)
    info = replace(environment.info, attempt=attempt, workflow_id="order-1", workflow_run_id="run-1", namespace="desk")
    environment.info = info
    return environment


async def test_a_second_try_frees_the_workflow_of_the_worker_that_had_it() -> None:
    server = Server()
    await of_try(2, server).run(release_workflow)
    (asked,) = server.asked
    assert (asked.namespace, asked.execution.workflow_id, asked.execution.run_id) == ("desk", "order-1", "run-1")


@pytest.mark.parametrize("server", [None, Server(RPCError("away", RPCStatusCode.UNAVAILABLE, b""))])
async def test_a_server_that_is_away_fails_nothing(server: Server | None) -> None:
    await of_try(2, server).run(release_workflow)


@pytest.mark.parametrize(("attempt", "asked"), [(1, 0), (2, 1)])
async def test_only_a_swap_that_was_taken_over_is_freed(desk: Desk, attempt: int, asked: int) -> None:
    terms = await desk.accept()
    swap = (await desk.prepare(terms, await desk.route(terms, "cpmm"))).swap
    submitted = order_event(4, Status.SUBMITTED, signature=swap.signature)
    await desk.store.record_attempt(swap, submitted)
    await desk.store.settle_attempt(swap, EXPIRED)
    server = Server()
    request = ExecuteSwap(terms=terms, swap=swap, event=submitted)
    await of_try(attempt, server).run(desk.worker.swap.execute_swap, request)
    assert len(server.asked) == asked
