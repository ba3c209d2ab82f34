"""One configuration for client, worker and replayer, so that a replay cannot drift from production."""

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.plugin import SimplePlugin
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions


def _runner(_: WorkflowRunner | None) -> WorkflowRunner:
    # Pure modules are safe to share between workflow runs; passing them through spares their re-import for each.
    restrictions = SandboxRestrictions.default.with_passthrough_modules(
        "pydantic",
        "pydantic_core",
        "annotated_types",
        "typing_extensions",
        "workflows.domain",
        "workflows.messages",
        "workflows.names",
        "workflows.steps",
        "workflows.story",
    )
    return SandboxedWorkflowRunner(restrictions=restrictions)


def order_engine_plugin() -> SimplePlugin:
    """The plugin to pass to `Client.connect`, from which its workers and `Replayer` take the same configuration."""
    return SimplePlugin(
        "order-engine",
        data_converter=pydantic_data_converter,
        workflow_runner=_runner,
    )
