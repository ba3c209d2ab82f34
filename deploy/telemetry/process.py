"""Sets up logs, metrics and traces of one process, before anything else of it is made."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from db.settings import DatabaseSettings
from deploy.telemetry.logs import set_up_logs
from deploy.telemetry.settings import TelemetrySettings

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@dataclass(frozen=True)
class Telemetry:
    """What is on in this process; `tracer` is None while traces are off."""

    measured: bool
    tracer: Any = None

    def interceptors(self) -> list[Any]:
        """For the client of Temporal, whose workers take them over: the first is the outermost."""
        from deploy.telemetry.orders import OrderContext

        found: list[Any] = []
        if self.tracer is not None:
            from temporalio.contrib.opentelemetry import TracingInterceptor

            found.append(TracingInterceptor(self.tracer))
        found.append(OrderContext())
        if self.measured:
            from activities.metrics import StepMetrics

            found.append(StepMetrics())
        return found

    def middleware(self) -> list[Any]:
        """For the HTTP application: the first is the outermost."""
        from deploy.telemetry.requests import RequestContext

        found: list[Any] = [functools.partial(RequestContext, tracer=self.tracer)]
        if self.measured:
            from api.metrics import HttpMetrics

            found.append(HttpMetrics)
        return found

    def observer(self) -> Any:
        """For the RPC endpoints; None when nobody listens."""
        from activities.solana.metrics import RpcMetrics
        from deploy.telemetry.calls import Observers, RpcSpans

        observers: list[Any] = [RpcMetrics()] if self.measured else []
        if self.tracer is not None:
            observers.append(RpcSpans(self.tracer))
        return Observers(observers) if observers else None


@contextlib.contextmanager
def telemetry(
    process: str, *, temporal: bool = False, database: DatabaseSettings | None = None, vitals: bool = False
) -> Iterator[Telemetry]:
    """Logs from here on; metrics and traces while inside, where settings and OTEL_… variables ask for them.

    `temporal`: the process has a client of Temporal, which measures too. `database`: it has a pool of connections;
    with `vitals` how the orders stand is counted there at each scrape. Raises TelemetryError.
    """
    settings = TelemetrySettings()
    set_up_logs(process, settings.log_format, settings.log_level)
    measured = bool(settings.metrics_port)
    with contextlib.ExitStack() as stack:
        tracer = stack.enter_context(_tracing(process)) if traces_are_on(os.environ) else None
        if database is not None and (measured or tracer is not None):
            from deploy.telemetry.calls import POOL_SIZE, observed_statements

            POOL_SIZE.set(database.database_pool_size)
            stack.enter_context(observed_statements(measured, tracer))
        sdk_url = None
        if temporal:
            from deploy.telemetry.sdk import set_up_sdk

            sdk_url = set_up_sdk(measured)
        if settings.metrics_port:
            from deploy.telemetry.metrics import served_metrics

            source = _source(database if vitals else None)
            stack.enter_context(served_metrics(settings.metrics_host, settings.metrics_port, sdk_url, source))
        yield Telemetry(measured, tracer)


def traces_are_on(environ: Mapping[str, str]) -> bool:
    """Whether the OTEL_… variables name somewhere to send spans to."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return bool(environ.get("OTEL_TRACES_EXPORTER")) or any(environ.get(name) for name in _ENDPOINTS)


@contextlib.contextmanager
def _tracing(process: str) -> Iterator[Any]:
    from deploy.telemetry.traces import tracer_provider

    # Not made the provider of the whole process: frameworks that trace by themselves would add spans without an order.
    provider = tracer_provider(process)
    try:
        yield provider.get_tracer("order-engine")
    finally:
        # Whatever is still here goes out.
        provider.shutdown()


def _source(settings: DatabaseSettings | None) -> Callable[[], Any] | None:
    if settings is None:
        return None
    from deploy.telemetry.vitals import VitalsSource

    return lambda: VitalsSource(settings)
