"""A killed worker holds its orders up for moments, and one that stops answering no longer."""

from datetime import timedelta

import pytest

from activities.swap import _FIRST_HEARTBEAT_SECONDS, _HEARTBEAT_SECONDS
from tests.chaos.recovery import measure
from tests.chaos.run import settled
from tests.chaos.traffic import Clients
from tests.e2e.stack import Stack
from workflows import names
from workflows.attempt import _SEND_RETRY

# What orders that wait for the chain may lose by the death of their worker.
_PROMISED = timedelta(seconds=5)

# The SDK passes a heartbeat on when this much of the timeout has passed since the last one.
_THROTTLE = 0.8


def test_the_configured_waits_keep_recovery_within_five_seconds() -> None:
    assert _SEND_RETRY.initial_interval is not None
    waits = names.HEARTBEAT_TIMEOUT + _SEND_RETRY.initial_interval + names.STICKY_TIMEOUT
    # A second is left for the work itself: taking the task, asking the node, replaying the workflow.
    assert waits <= _PROMISED - timedelta(seconds=1)


def test_a_slow_moment_of_a_worker_is_not_taken_for_its_death() -> None:
    timeout = names.HEARTBEAT_TIMEOUT.total_seconds()
    assert timeout * (1 - _THROTTLE) >= _HEARTBEAT_SECONDS
    # A worker that begins many swaps at once has as long again for its first word.
    assert timeout >= 2 * _FIRST_HEARTBEAT_SECONDS


@pytest.mark.timeout(120)
async def test_orders_that_wait_for_the_chain_outlive_their_worker(broken_stack: Stack, clients: Clients) -> None:
    recovery = await measure(broken_stack, clients)
    assert recovery.seconds
    assert await settled(broken_stack, clients)
