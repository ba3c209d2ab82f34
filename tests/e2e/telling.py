"""What a stack has to say when a test on it fails."""

import asyncio
import threading
from collections.abc import Generator

import pytest

from tests.chaos import story
from tests.e2e.stack import Stack

# A hanging test is ended after its time limit; its story must not hang on top of that.
_PATIENCE = 60.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the stack's logs, and the stories of orders that have not ended, to the report of a failed test."""
    report = yield
    stacks = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Stack)]
    if report.failed and stacks:
        report.sections.append(("the stack", _told(stacks[0])))
    return report


def _told(stack: Stack) -> str:
    """In a thread of its own: the test's event loop may be the one that hangs."""
    told: list[str] = []
    telling = threading.Thread(target=lambda: told.append(asyncio.run(story.of_open_orders(stack))), daemon=True)
    telling.start()
    telling.join(_PATIENCE)
    return "\n".join([*told, story.of_stack(stack)])
