"""The workflow sandbox, without the questions that this engine's payloads never need an answer to."""

from typing import Any

from temporalio.converter import StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

# Shared between the runs instead of imported for each. Workflow code keeps no state in its modules and imports nothing
# that could do I/O (a contract that the tests check), and a worker goes on with the code that it was started with while
# an upgrade replaces the files.
_SHARED_MODULES = ("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "workflows")


class PlainPayloadSandbox(SandboxedWorkflowRunner):
    """The SDK's sandbox for payloads that are converted the same way wherever they go.

    The SDK asks the instance, through the sandbox, which context each single payload is converted and stored in. Our
    converter has no context and nothing is stored outside Temporal, and the questions cost a fifth of the worker's
    time.
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A sandboxed instance that answers for itself what does not depend on the workflow."""
        return _PlainPayloadInstance(super().create_instance(det))


class _PlainPayloadInstance(WorkflowInstance):
    def __init__(self, sandboxed: WorkflowInstance) -> None:
        self._sandboxed = sandboxed

    def activate(self, act: Any) -> Any:
        return self._sandboxed.activate(act)

    def get_serialization_context(self, command_info: Any) -> None:
        return None

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return StorageDriverStoreContext(target=None)

    def get_info(self) -> Any:
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        return self._sandboxed.get_thread_id()


def sandbox() -> PlainPayloadSandbox:
    """The runner for this engine's workflows."""
    return PlainPayloadSandbox(restrictions=SandboxRestrictions.default.with_passthrough_modules(*_SHARED_MODULES))
