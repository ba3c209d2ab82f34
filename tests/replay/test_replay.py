"""Orders in flight survive a deployment: today's workflow makes the commands of every recorded history."""

import base64
import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    Replayer,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from tests.replay import mutants
from tests.replay.order_types import WAYS
from tests.replay.record import BEFORE, HISTORIES
from workflows.messages import OrderResult
from workflows.order import OrderWorkflow
from workflows.plugin import order_engine_plugin

RECORDED = sorted(HISTORIES.glob("*.json"))
BEGUN_ANEW = sorted(BEFORE.glob("*.json"))
each_history = pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
every_history = pytest.mark.parametrize(
    "path", RECORDED + BEGUN_ANEW, ids=lambda path: str(path.relative_to(HISTORIES).with_suffix(""))
)


def history(path: Path) -> WorkflowHistory:
    """A recorded history, under the id of its order."""
    document = path.read_text()
    started = json.loads(document)["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], document)


class Watcher(Interceptor):
    """Keeps how the replayed workflow ended."""

    def __init__(self) -> None:
        ended: list[OrderResult] = []
        self.ended = ended

        class Inbound(WorkflowInboundInterceptor):
            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 (the SDK's name)
                result = await super().execute_workflow(input)
                ended.append(result)
                return result

        self._inbound = Inbound

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002
    ) -> type[WorkflowInboundInterceptor]:
        """The class that watches inside of the workflow."""
        return self._inbound


async def replayed(workflow: type[OrderWorkflow], path: Path) -> OrderResult:
    """The end that the workflow comes to on a recorded history, by a replayer set up as the engine's workers are.

    Raises Diverged when its commands are others, or when it is not at its end where the history is: a replay alone
    does not notice a workflow that goes on with local activities.
    """
    watcher = Watcher()
    replayer = Replayer(workflows=[workflow], plugins=[order_engine_plugin()], interceptors=[watcher])
    replay = await replayer.replay_workflow(history(path), raise_on_replay_failure=False)
    if replay.replay_failure is not None or not watcher.ended:
        raise Diverged(replay.replay_failure)
    return watcher.ended[-1]


class Diverged(Exception):
    """The workflow is not the one that made the history."""


def test_every_scenario_has_its_history() -> None:
    assert {path.stem for path in RECORDED} >= set(WAYS)


def recorded_end(path: Path) -> OrderResult:
    """The result that the history holds."""
    completed = json.loads(path.read_text())["events"][-1]["workflowExecutionCompletedEventAttributes"]
    return OrderResult.model_validate_json(base64.b64decode(completed["result"]["payloads"][0]["data"]))


@each_history
async def test_the_workflow_replays_to_the_same_end(path: Path) -> None:
    assert await replayed(OrderWorkflow, path) == recorded_end(path)


@pytest.mark.parametrize("path", BEGUN_ANEW, ids=lambda path: path.stem)
async def test_the_workflow_begins_anew_where_its_history_did(path: Path) -> None:
    before = history(path)
    assert before.events[-1].HasField("workflow_execution_continued_as_new_event_attributes")
    await Replayer(workflows=[OrderWorkflow], plugins=[order_engine_plugin()]).replay_workflow(before)


@each_history
def test_a_history_ends_as_its_scenario_says(path: Path) -> None:
    result, scenario = recorded_end(path), WAYS[path.stem]
    assert (result.status, result.reason) == (scenario.status, scenario.reason)


@every_history
def test_a_history_names_no_machine(path: Path) -> None:
    document = path.read_text()
    payloads = b"".join(base64.b64decode(data) for data in re.findall(r'"data":"([^"]*)"', document)).decode()
    for trace in (socket.gethostname(), str(Path(__file__).parents[2]), f"{Path.home()}/"):
        assert trace not in document + payloads
    assert set(re.findall(r'"identity":"([^"]*)"', document)) == {"recorder"}


@pytest.mark.parametrize(
    ("mutant", "name"),
    [
        (mutants.PublishesTwice, "confirmed"),
        (mutants.AsksOneVenue, "one_venue_down"),
        (mutants.AsksMeteoraFirst, "confirmed"),
        (mutants.SendsNothing, "confirmed"),
        (mutants.SendsNothing, "canceled_in_flight_and_confirmed"),
        (mutants.NeverWaits, "both_venues_down"),
        (mutants.DeafToCancellation, "canceled_before_it_started"),
        (mutants.ChecksNoRisk, "checked_and_confirmed"),
        (mutants.ChecksNoRisk, "rejected_for_price_impact"),
        (mutants.DeafToCancellation, "limit_canceled"),
        (mutants.SkipsTheWatcher, "limit_waits_and_fills"),
        (mutants.KeepsALateCancelToItself, "pending_cancel_and_confirmed"),
    ],
)
async def test_a_changed_workflow_does_not_replay(mutant: type[OrderWorkflow], name: str) -> None:
    with pytest.raises(Diverged):
        await replayed(mutant, HISTORIES / f"{name}.json")
