"""The workflows that are no orders make the commands of their recorded histories too."""

import re
import socket
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from tests.replay.background import BACKGROUND, HISTORIES, WORKFLOWS
from tests.replay.test_sandbox import replayer as strict_replayer
from workflows.messages import PartReconciled
from workflows.plugin import order_engine_plugin

RECORDED = sorted(HISTORIES.glob("*.json"))
each_history = pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)


def history(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(path.stem, path.read_text())


def test_every_way_has_its_history() -> None:
    assert {path.stem for path in RECORDED} >= set(BACKGROUND)


@each_history
async def test_it_replays(path: Path) -> None:
    await Replayer(workflows=WORKFLOWS, plugins=[order_engine_plugin()]).replay_workflow(history(path))


@each_history
async def test_it_runs_inside_the_strict_sandbox(path: Path) -> None:
    await strict_replayer(BACKGROUND[path.stem].workflow).replay_workflow(history(path))


@each_history
def test_it_names_no_machine(path: Path) -> None:
    document = path.read_text()
    assert socket.gethostname() not in document
    assert set(re.findall(r'"identity":"([^"]*)"', document)) == {"recorder"}


@workflow.defn(name="ReconcileWorkflow")
class ReconcilesNothing:
    """A workflow that must not pass for the engine's."""

    @workflow.run
    async def run(self) -> PartReconciled:
        return PartReconciled()


async def test_a_changed_workflow_does_not_replay() -> None:
    replayer = Replayer(workflows=[ReconcilesNothing], plugins=[order_engine_plugin()])
    replay = await replayer.replay_workflow(history(HISTORIES / "reconciled.json"), raise_on_replay_failure=False)
    assert "Nondeterminism" in str(replay.replay_failure)
