"""One configuration for client, worker and replayer, so that a replay cannot drift from production."""

from temporalio.plugin import SimplePlugin
from temporalio.worker import UnsandboxedWorkflowRunner

from workflows.payloads import data_converter


def order_engine_plugin() -> SimplePlugin:
    """The plugin to pass to `Client.connect`, from which its workers and `Replayer` take the same configuration.

    Without the SDK's sandbox, which imports the workflow anew for each run: that costs a tenth of the worker's time,
    and would mix two versions of the code while an upgrade replaces the files. What it guards against is held off
    otherwise: import contracts keep I/O out, and the tests replay every history inside the strict sandbox.
    """
    return SimplePlugin(
        "order-engine", data_converter=data_converter, workflow_runner=lambda _: UnsandboxedWorkflowRunner()
    )
