"""What localnet measures: its calls by method, the faults that struck requests, and its slot."""

import functools
import time
from collections.abc import Callable, Container
from typing import TypeVar

from prometheus_client import Counter, Gauge, Histogram

from deploy.localnet.chain_errors import Json
from deploy.localnet.node import Node

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)

CALLS = Counter(
    "order_engine_localnet_requests_total", "Calls by method and outcome: answered or error.", ("method", "outcome")
)
CALL_TIME = Histogram(
    "order_engine_localnet_request_duration_seconds", "Time to answer a call.", ("method",), buckets=_SECONDS
)
FAULTS = Counter("order_engine_localnet_faults_total", "Requests that an injected fault struck.", ("kind",))
SLOT = Gauge("order_engine_localnet_slot", "The slot in progress at the last call.")

Request = TypeVar("Request", bound=object)
_Call = Callable[[Node, Request], dict[str, Json]]


def measured(known: Container[str]) -> Callable[[_Call[Request]], _Call[Request]]:
    """Measure what answers a single call. Methods that are not among the known ones count as one."""

    def around(call: _Call[Request]) -> _Call[Request]:
        @functools.wraps(call)
        def answer(node: Node, request: Request) -> dict[str, Json]:
            started = time.perf_counter()
            reply = call(node, request)
            named = request.get("method") if isinstance(request, dict) else None
            method = named if isinstance(named, str) and named in known else "other"
            CALLS.labels(method, "error" if "error" in reply else "answered").inc()
            CALL_TIME.labels(method).observe(time.perf_counter() - started)
            SLOT.set(node.ledger.clock.slot())
            return reply

        return answer

    return around
