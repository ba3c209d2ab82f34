"""A stack that traces into a collector of its own."""

import os
from collections.abc import Iterator

import pytest

from tests.e2e.stack import Stack
from tests.telemetry.collector import Collector, collecting


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where the spans of the stack arrive."""
    with collecting() as running:
        yield running


@pytest.fixture(scope="session")
def watched_stack(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    """A running stack that sends its spans every moment."""
    assert not any(name.startswith("OTEL_") for name in os.environ)
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    running = Stack.start(tmp_path_factory.mktemp("watched"), environment=environment)
    try:
        yield running
    finally:
        running.stop()
