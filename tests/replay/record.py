"""Record the histories again after a meant change of a workflow: `python -m tests.replay.record`.

Each scenario is run by a real worker on a development server; its history goes to `histories/<scenario>.json`.
A change that must not disturb orders in flight needs `workflow.patched` and keeps the old histories beside new ones.
"""

import asyncio
import contextlib
import json
import sys
import sysconfig
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from deploy.local.temporal import DYNAMIC_CONFIG
from tests.replay.order_types import WAYS
from tests.replay.scenarios import Scenario
from tests.samples import first_events, swap_attempt
from tests.workflows.scripted import ScriptedActivities
from workflows import names
from workflows.domain.ids import workflow_id
from workflows.domain.lifecycle import Status
from workflows.order import OrderWorkflow
from workflows.plugin import order_engine_plugin
from workflows.starting import start_options

HISTORIES = Path(__file__).parent / "histories"

# What came before, of orders that went on in a new history.
BEFORE = HISTORIES / "before"

# Recorded instead of the process and host that did it.
RECORDER = "recorder"


async def record(client: Client, scenario: Scenario) -> list[WorkflowHistory]:
    """Run the scenario once; returns the order's history, and before it that of the run that it went on from."""
    terms, activities = scenario.terms(), ScriptedActivities(scenario.script)
    if leftovers := scenario.leftovers(terms):
        await activities.store.create_order(terms, first_events())
    for event in leftovers:
        if event.status is Status.SUBMITTED:
            swap = swap_attempt(terms.order_id, event.attempt, signature=event.signature)
            await activities.store.record_attempt(swap, event)
        else:
            await activities.store.append_event(terms.order_id, event)
    options = {"id": workflow_id(terms.order_id), "task_timeout": names.WORKFLOW_TASK_TIMEOUT}
    if scenario.searchable:
        options = start_options(terms)
    handle = await client.start_workflow(OrderWorkflow.run, terms, task_queue=names.TASK_QUEUE, **options)
    if scenario.canceled_at_start:
        await handle.cancel()
    worker = Worker(
        client,
        task_queue=names.TASK_QUEUE,
        workflows=[OrderWorkflow],
        activities=activities.all(),
        identity=RECORDER,
        # A queue named after a worker would name its host.
        max_cached_workflows=0,
    )
    async with worker:
        await scenario.happening(activities, handle)
        result = await handle.result()
    if (result.status, result.reason) != (scenario.status, scenario.reason):
        raise SystemExit(f"the order should have ended {scenario.status} ({scenario.reason}), it is {result}")
    last = await handle.fetch_history()
    if handle.first_execution_run_id == last.run_id:
        return [last]
    first = client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    return [await first.fetch_history(), last]


def write(name: str, history: WorkflowHistory, directory: Path = HISTORIES) -> None:
    """One event a line, so that a change can be read."""
    events: Sequence[object] = _without_stacks(history.to_json_dict()["events"])
    lines = ",\n".join(json.dumps(event, separators=(",", ":"), sort_keys=True) for event in events)
    (directory / f"{name}.json").write_text(f'{{"events":[\n{lines}\n]}}\n')


def _without_stacks(document: Any) -> Any:
    """A stack trace names the directories of the machine, and no replay reads it."""
    if isinstance(document, dict):
        return {key: _without_stacks(value) for key, value in document.items() if key != "stackTrace"}
    if isinstance(document, list):
        return [_without_stacks(item) for item in document]
    return document


@contextlib.asynccontextmanager
async def recording_server(long: int | None = None) -> AsyncIterator[Client]:
    """A development server, and a client of it that names no machine; `long` is how many events it finds many."""
    settings = dict(DYNAMIC_CONFIG) | ({"limit.historyCount.suggestContinueAsNew": str(long)} if long else {})
    extra = [part for item in settings.items() for part in ("--dynamic-config-value", "=".join(item))]
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sysconfig.get_path("scripts")) / "temporal"),
        dev_server_extra_args=extra,
        dev_server_log_level="error",
        search_attributes=names.SEARCH_ATTRIBUTES,
        identity=RECORDER,
        plugins=[order_engine_plugin()],
    ) as environment:
        yield environment.client
    # The SDK's threads hand over their last results; an interpreter that ends under them aborts.
    await asyncio.sleep(0.2)


async def main(wanted: Sequence[str]) -> None:
    """Record the named scenarios, or all of them and nothing else."""
    BEFORE.mkdir(parents=True, exist_ok=True)
    if not wanted:
        for stale in HISTORIES.rglob("*.json"):
            stale.unlink()
    ways = {name: WAYS[name] for name in wanted or WAYS}
    for long in {way.long for way in ways.values()}:
        async with recording_server(long) as client:
            for name, way in ways.items():
                if way.long == long:
                    *before, last = await record(client, way)
                    write(name, last)
                    for each in before:
                        write(name, each, BEFORE)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
