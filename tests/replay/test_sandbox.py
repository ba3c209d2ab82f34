"""The workflow does nothing that the SDK's sandbox forbids: no clock, no chance, no I/O, on any recorded path."""

from datetime import UTC, datetime

from temporalio import workflow
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from tests.replay.test_replay import every_history, history
from workflows.domain.order import OrderTerms
from workflows.messages import OrderResult
from workflows.order import OrderWorkflow

# The workflow's own modules are imported inside; what they build on is not ours to watch.
STRICT = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules("pydantic", "pydantic_core", "annotated_types")
)


def replayer(subject: type) -> Replayer:
    return Replayer(workflows=[subject], data_converter=pydantic_data_converter, workflow_runner=STRICT)


@every_history
async def test_every_recorded_path_runs_inside_the_strict_sandbox(path) -> None:
    await replayer(OrderWorkflow).replay_workflow(history(path))


@workflow.defn(name="OrderWorkflow")
class ReadsTheClock:
    """What the sandbox must not let pass."""

    @workflow.run
    async def run(self, terms: OrderTerms) -> OrderResult:
        raise AssertionError(datetime.now(UTC))


async def test_the_strict_sandbox_refuses_the_clock() -> None:
    path = every_history.args[1][0]
    replay = await replayer(ReadsTheClock).replay_workflow(history(path), raise_on_replay_failure=False)
    assert "datetime.now" in str(replay.replay_failure)
