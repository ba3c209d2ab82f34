"""Traces with OpenTelemetry: on when the standard OTEL_… variables say where to, otherwise nothing is even imported."""

import os
import time
from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue

from deploy.telemetry.context import followed
from deploy.telemetry.errors import TelemetryError

ORDER_ID, ACCOUNT, ATTEMPT = "order.id", "order.account", "order.attempt"

# As the interceptors of Temporal's SDK name it; that of an order is "order-<order id>".
_WORKFLOW_ID = "temporalWorkflowID"
_ORDER_WORKFLOW = "order-"

_PROTOCOL = "http/protobuf"


def tracer_provider(process: str, exporter: SpanExporter | None = None) -> TracerProvider:
    """The provider of this process: it samples and exports as the OTEL_… variables say, or to `exporter`.

    Raises TelemetryError when they name an exporter that is not there.
    """
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: f"order-engine-{process}"}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(OrderSpans())
    provider.add_span_processor(BatchSpanProcessor(exporter or _exporter(os.environ)))
    return provider


def _exporter(environ: Mapping[str, str]) -> SpanExporter:
    name = environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if name == "console":
        return ConsoleSpanExporter()
    if name != "otlp":
        raise TelemetryError(f"OTEL_TRACES_EXPORTER: otlp, console or none, not {name}")
    for variable in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if environ.get(variable, _PROTOCOL) != _PROTOCOL:
            raise TelemetryError(f"{variable}: only {_PROTOCOL} is spoken, which collectors take on port 4318")
    return OTLPSpanExporter()


class OrderSpans(SpanProcessor):
    """Writes on every span which order it belongs to."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Take the order from the running work, else from the workflow's id, else from the span above."""
        order = followed()
        if order is not None and order.order_id is not None:
            facts = ((ORDER_ID, order.order_id), (ACCOUNT, order.account), (ATTEMPT, order.attempt))
            span.set_attributes({name: value for name, value in facts if value is not None})
            return
        workflow_id = (span.attributes or {}).get(_WORKFLOW_ID)
        if isinstance(workflow_id, str) and workflow_id.startswith(_ORDER_WORKFLOW):
            span.set_attribute(ORDER_ID, workflow_id.removeprefix(_ORDER_WORKFLOW))
            return
        above = trace.get_current_span(parent_context)
        if isinstance(above, ReadableSpan) and (order_id := (above.attributes or {}).get(ORDER_ID)):
            span.set_attribute(ORDER_ID, order_id)

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing."""

    def shutdown(self) -> None:
        """Nothing."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is kept back."""
        return True


def working_span() -> trace.Span | None:
    """The span that calls of nodes and databases hang below: none outside of the work on an order or a request.

    A background task that outlives the work which began it still sees that work's span, which has ended.
    """
    if followed() is None:
        return None
    span = trace.get_current_span()
    return span if span.is_recording() else None


def tell_call(
    tracer: trace.Tracer, name: str, start_ns: int, attributes: Mapping[str, AttributeValue], failure: str | None
) -> None:
    """Add a call that has just ended, as a span below the running work.

    Of a request whose order has no id yet, it is added once the request is done, and names the order then.
    """
    work, end_ns, above = followed(), time.time_ns(), get_current()
    if work is None or working_span() is None:
        return

    def tell() -> None:
        span = tracer.start_span(name, above, SpanKind.CLIENT, attributes, start_time=start_ns)
        if failure is not None:
            span.set_status(StatusCode.ERROR, failure)
        span.end(end_ns)

    if work.order_id is None:
        work.early.append(tell)
    else:
        tell()
