"""The floor under every order: an empty workflow on the same Temporal server."""

import asyncio
import time
from uuid import uuid4

from temporalio import workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

_QUEUE = "bench-floor"


@workflow.defn
class EmptyWorkflow:
    """Starts and ends."""

    @workflow.run
    async def run(self) -> None:
        """Do nothing."""


async def measure_floor(count: int, in_flight: int) -> float:
    """Empty workflows per second, `in_flight` at a time, client and worker in this process."""
    client = await Client.connect(**ClientConfig.load_client_connect_config())
    gate = asyncio.Semaphore(in_flight)

    async def one() -> None:
        async with gate:
            await client.execute_workflow(EmptyWorkflow.run, id=f"bench-{uuid4()}", task_queue=_QUEUE)

    async with Worker(client, task_queue=_QUEUE, workflows=[EmptyWorkflow]):
        # The first ones open connections and fill caches.
        await asyncio.gather(*(one() for _ in range(in_flight)))
        started = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(count)))
        return count / (time.perf_counter() - started)
