"""One configuration for client, worker and replayer, so that a replay cannot drift from production."""

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.plugin import SimplePlugin

from workflows.sandbox import sandbox


def order_engine_plugin() -> SimplePlugin:
    """The plugin to pass to `Client.connect`, from which its workers and `Replayer` take the same configuration."""
    return SimplePlugin("order-engine", data_converter=pydantic_data_converter, workflow_runner=lambda _: sandbox())
