"""A worker that is told to stop ends, whatever it is waiting for; its orders go on elsewhere."""

import asyncio
import random
import signal

import psutil
import pytest

from tests.chaos import processes
from tests.chaos.run import settled
from tests.chaos.schedule import WORKERS
from tests.chaos.traffic import Answer, Clients
from tests.e2e.stack import Stack

_ORDERS = 10

# The worker gives itself six seconds; this one is only there so that a worker that hangs fails the test.
_FOR_EVER = 40.0


@pytest.mark.timeout(180)
async def test_a_worker_ends_while_its_writes_find_no_database(broken_stack: Stack, clients: Clients) -> None:
    draw = random.Random("stopping")
    async with clients.http() as client:
        # The API knows the tokens from now on, and takes orders without a database.
        first = await clients.place(client, draw)
        assert first.answer is Answer.ACCEPTED
        await clients.ended(first)
        workers = [record for name in WORKERS if (record := processes.record(broken_stack, name))]
        freezing = asyncio.create_task(processes.freeze(broken_stack, "postgres", _FOR_EVER))
        await asyncio.sleep(0)
        placed = await asyncio.gather(*(clients.place(client, draw) for _ in range(_ORDERS)))
    for worker in workers:
        psutil.Process(worker.pid).send_signal(signal.SIGTERM)
    ending = [asyncio.to_thread(psutil.Process(worker.pid).wait) for worker in workers]
    await asyncio.gather(*ending)
    assert not freezing.done(), "the workers ended only when the database was back"
    freezing.cancel()
    await asyncio.gather(freezing, return_exceptions=True)
    assert await settled(broken_stack, clients)
    accepted = [each for each in placed if each.answer is Answer.ACCEPTED]
    # A client whose answer came too late asks again in life; here those that were answered are enough.
    assert accepted
    assert {each.stream[-1]["status"] for each in accepted} == {"confirmed"}
