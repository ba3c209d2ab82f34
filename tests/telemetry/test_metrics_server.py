"""The address that Prometheus scrapes, whatever happens to what it asks."""

import asyncio
import os
import socket
from collections.abc import Iterable

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from api.metrics import HttpMetrics
from db.database import Database
from db.orders import OrderRepository
from db.settings import DatabaseSettings
from db.vitals import VitalsReader
from deploy.telemetry.errors import TelemetryError
from deploy.telemetry.metrics import served_metrics
from deploy.telemetry.process import traces_are_on
from deploy.telemetry.traces import tracer_provider
from deploy.telemetry.vitals import VitalsSource
from tests.samples import LANDED, first_events, order_event, order_terms, swap_attempt
from tests.servers import free_port
from workflows.domain.lifecycle import Status


class Sampled:
    """A source that answers, or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.closed = False

    async def sample(self) -> Iterable[Metric]:
        if self.failure is not None:
            raise self.failure
        return (GaugeMetricFamily("sampled", "Sampled.", 7),)

    async def close(self) -> None:
        self.closed = True


def scraped(port: int) -> str:
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return answer.text


def test_own_and_sampled_metrics_are_served_until_the_end() -> None:
    port, source = free_port(), Sampled()
    with served_metrics("127.0.0.1", port, make_source=lambda: source):
        text = scraped(port)
        assert "\nsampled 7.0\n" in text
        assert "order_engine_http_requests_total" in text
        assert "_created" not in text
    assert source.closed
    with pytest.raises(httpx.ConnectError):
        scraped(port)


def test_what_cannot_be_sampled_is_missing_and_the_rest_is_served(caplog: pytest.LogCaptureFixture) -> None:
    port, gone = free_port(), f"http://127.0.0.1:{free_port()}/metrics"
    with served_metrics("127.0.0.1", port, gone, lambda: Sampled(RuntimeError("broken"))):
        text = scraped(port)
    assert "sampled" not in text
    assert "order_engine_relay_connected" in text
    assert len([record for record in caplog.records if "missing" in record.message]) == 2


def test_a_taken_port_is_a_warning_and_no_end(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port, source = taken.getsockname()[1], Sampled()
        with served_metrics("127.0.0.1", port, make_source=lambda: source):
            pass
    assert f"metrics are not served on 127.0.0.1, port {port}" in caplog.text
    assert source.closed


async def test_the_vitals_are_those_of_the_database(database: Database) -> None:
    orders, reader = OrderRepository(database), VitalsReader(database)
    waiting, sent = order_terms(), order_terms()
    for terms in (waiting, sent):
        await orders.create_order(terms, first_events())
    await orders.append_event(sent.order_id, order_event(3, Status.BUILDING))
    swap = swap_attempt(sent.order_id)
    await orders.record_attempt(swap, order_event(4, Status.SUBMITTED, signature=swap.signature))
    vitals = await reader.read()
    assert {each.status: each.orders for each in vitals.in_flight if each.orders} == {"routing": 1, "submitted": 1}
    assert vitals.unknown_outcomes == 1
    assert vitals.oldest_unknown_seconds > 0
    assert set(vitals.findings.values()) == {0}
    assert (vitals.reconciled_seconds, vitals.halted) == (None, False)
    await orders.settle_attempt(swap, LANDED)
    await orders.append_event(sent.order_id, order_event(5, Status.CONFIRMED))
    vitals = await reader.read()
    assert (vitals.unknown_outcomes, vitals.oldest_unknown_seconds) == (0, 0)
    assert sum(each.orders for each in vitals.in_flight) == 1


async def test_without_a_database_it_is_said_that_the_vitals_are_missing() -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    source = VitalsSource(DatabaseSettings(database_url=nowhere))
    (only,) = await source.sample()
    await source.close()
    assert [(sample.name, sample.value) for sample in only.samples] == [("order_engine_vitals_up", 0)]


async def test_requests_without_a_route_make_one_series_and_a_broken_application_counts() -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    transport = httpx.ASGITransport(HttpMetrics(broken), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await asyncio.gather(*(client.request("BREW", f"/teapot/{number}") for number in range(3)))
    from prometheus_client import REGISTRY

    labels = {"method": "other", "route": "none", "status": "500"}
    assert REGISTRY.get_sample_value("order_engine_http_requests_total", labels) == 3


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "mine"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
    ],
)
def test_traces_are_on_when_the_standard_variables_say_so(variables: dict[str, str], on: bool) -> None:
    assert traces_are_on(variables) is on


@pytest.mark.parametrize(
    "variable",
    [("OTEL_TRACES_EXPORTER", "zipkin"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
)
def test_an_exporter_that_is_not_there_is_named(variable: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(*variable)
    with pytest.raises(TelemetryError, match=variable[0]):
        tracer_provider("worker")
