"""A collector of spans as OpenTelemetry's exporters find one: OTLP over HTTP, on a free port of loopback."""

import contextlib
import gzip
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Seen:
    """A span as it arrived."""

    process: str
    name: str
    trace: str
    span: str
    parent: str
    start: int
    end: int
    attributes: Mapping[str, Any]
    failed: bool


class Collector:
    """What has arrived so far; `url` is the value of OTEL_EXPORTER_OTLP_ENDPOINT."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.spans: list[Seen] = []

    def take(self, body: bytes) -> None:
        """Keep the spans of a request."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            process = {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"]
            for scope in resource.scope_spans:
                self.spans += [_seen(process, span) for span in scope.spans]

    def wait_for(self, enough: Callable[[list[Seen]], bool]) -> list[Seen]:
        """The spans once there are enough of them: exporters send every few seconds."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not enough(self.spans):
            assert time.monotonic() < deadline, sorted(f"{span.process} {span.name}" for span in self.spans)
            time.sleep(0.05)
        return list(self.spans)


def _seen(process: str, span: Any) -> Seen:
    attributes = {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in span.attributes
    }
    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
    return Seen(
        process, span.name, *ids, span.start_time_unix_nano, span.end_time_unix_nano, attributes, span.status.code == 2
    )


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens while inside."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(server.server_port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
