"""Calls of Solana nodes and of PostgreSQL: each one a span below the work that it is done for, each one measured."""

import functools
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry.trace import Tracer
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import Engine, Pool, event

from activities.solana.errors import HARMLESS, Outcome
from activities.solana.observer import Circuit, RpcObserver
from deploy.telemetry.traces import tell_call, working_span

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

STATEMENTS = Histogram(
    "order_engine_db_statement_duration_seconds",
    "Time of an SQL statement without the wait for a connection.",
    ("operation",),
    buckets=_SECONDS,
)
STATEMENTS_FAILED = Counter("order_engine_db_statements_failed_total", "SQL statements that failed.", ("operation",))
POOL_SIZE = Gauge("order_engine_db_pool_size", "Connections that requests or steps may use at a time.")
CONNECTIONS = Gauge("order_engine_db_pool_connections", "Connections to PostgreSQL: open and in_use.", ("state",))

_OPERATIONS = frozenset({"select", "insert", "update", "delete"})
_LONGEST_STATEMENT = 2_000
_FIRST_WORD = re.compile(r"\s*(\w+)")
_WRITES = re.compile(r"(?<!FOR )\b(INSERT|UPDATE|DELETE)\s", re.IGNORECASE)


class RpcSpans:
    """A span for each request to a node; an observer of the RPC endpoints."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def called(self, method: str, host: str, outcome: Outcome, seconds: float) -> None:
        """A call has ended."""
        facts = {"rpc.system": "jsonrpc", "rpc.method": method, "server.address": host, "rpc.outcome": outcome}
        start = time.time_ns() - int(seconds * 1e9)
        tell_call(self._tracer, method, start, facts, None if outcome in HARMLESS else outcome)

    def health(self, host: str, circuit: Circuit, cost: float, slots_behind: int) -> None:
        """Nothing: spans are about calls."""

    def vanished(self, signature: str) -> None:
        """Mark the work that runs."""
        if (span := working_span()) is not None:
            span.add_event("swap vanished", {"order.signature": signature})


class Observers:
    """Several observers as one."""

    def __init__(self, observers: Sequence[RpcObserver]) -> None:
        self._observers = observers

    def called(self, method: str, host: str, outcome: Outcome, seconds: float) -> None:
        """A call has ended."""
        for each in self._observers:
            each.called(method, host, outcome, seconds)

    def health(self, host: str, circuit: Circuit, cost: float, slots_behind: int) -> None:
        """How an endpoint stands after a call."""
        for each in self._observers:
            each.health(host, circuit, cost, slots_behind)

    def vanished(self, signature: str) -> None:
        """A swap that was confirmed is not on the chain any more."""
        for each in self._observers:
            each.vanished(signature)


@contextmanager
def observed_statements(measured: bool, tracer: Tracer | None) -> Iterator[None]:
    """While inside, every SQL statement of this process is measured, or a span, or both."""
    listeners: list[tuple[Any, str, Any]] = []
    if measured or tracer is not None:
        watch = _Statements(measured, tracer)
        listeners += [
            (Engine, "before_cursor_execute", watch.begin),
            (Engine, "after_cursor_execute", watch.end),
            (Engine, "handle_error", watch.fail),
        ]
    if measured:
        listeners += [
            (Pool, "connect", lambda *_: CONNECTIONS.labels("open").inc()),
            (Pool, "close", lambda *_: CONNECTIONS.labels("open").dec()),
            (Pool, "close_detached", lambda *_: CONNECTIONS.labels("open").dec()),
            (Pool, "checkout", lambda *_: CONNECTIONS.labels("in_use").inc()),
            (Pool, "checkin", lambda *_: CONNECTIONS.labels("in_use").dec()),
        ]
    for each in listeners:
        event.listen(*each)
    try:
        yield
    finally:
        for each in listeners:
            event.remove(*each)


class _Statements:
    """One span and one measurement per statement; its text has placeholders where values go."""

    def __init__(self, measured: bool, tracer: Tracer | None) -> None:
        self._measured = measured
        self._tracer = tracer

    def begin(self, _connection: Any, _cursor: Any, _text: str, _given: Any, context: Any, _many: bool) -> None:
        context.begun = time.perf_counter()

    def end(self, _connection: Any, _cursor: Any, statement: str, _given: Any, context: Any, _many: bool) -> None:
        self._finish(context, statement, None)

    def fail(self, error: Any) -> None:
        if error.execution_context is not None:
            self._finish(error.execution_context, error.statement or "", error.original_exception)

    def _finish(self, context: Any, statement: str, error: BaseException | None) -> None:
        begun: float | None = getattr(context, "begun", None)
        if begun is None:
            return
        context.begun = None
        seconds, operation = time.perf_counter() - begun, _operation(statement)
        if self._measured:
            STATEMENTS.labels(operation).observe(seconds)
            if error is not None:
                STATEMENTS_FAILED.labels(operation).inc()
        if self._tracer is not None:
            facts = {"db.system.name": "postgresql", "db.query.text": statement[:_LONGEST_STATEMENT]}
            start = time.time_ns() - int(seconds * 1e9)
            tell_call(self._tracer, f"SQL {operation}", start, facts, None if error is None else type(error).__name__)


@functools.lru_cache(maxsize=500)
def _operation(statement: str) -> str:
    """What a statement does: a WITH writes when one of its parts does."""
    word = _FIRST_WORD.match(statement)
    operation = word[1].lower() if word else ""
    if operation == "with":
        writes = _WRITES.search(statement)
        return writes[1].lower() if writes else "select"
    return operation if operation in _OPERATIONS else "other"
