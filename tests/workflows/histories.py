"""Waiting for what a workflow's history tells."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.client import WorkflowHandle


async def happened(handle: WorkflowHandle[Any, Any], event: str) -> None:
    """Return once the history has an event of this kind, such as `timer_started`."""
    async for known in handle.fetch_history_events(wait_new_event=True):
        if known.WhichOneof("attributes") == f"{event}_event_attributes":
            return


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return once it is so."""
    while True:
        if await condition():
            return
        await asyncio.sleep(0.005)
