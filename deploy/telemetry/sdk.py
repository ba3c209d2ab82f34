"""Temporal's SDK as part of this process: its core's log lines among ours, and its metrics where they are wanted."""

import logging
import socket

from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

# Between finding a free port and listening on it another process may take it.
_PORT_TRIES = 5


def set_up_sdk(measured: bool) -> str | None:
    """Make the SDK log as this process does, and measure; returns where it serves its metrics, on loopback.

    Called before the first client of the process is made.
    """
    if not measured:
        Runtime.set_default(Runtime(telemetry=sdk_telemetry(None)))
        return None
    for tries_left in reversed(range(_PORT_TRIES)):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        metrics = PrometheusConfig(
            bind_address=address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
        )
        try:
            Runtime.set_default(Runtime(telemetry=sdk_telemetry(metrics)))
            break
        except (RuntimeError, ValueError):
            if not tries_left:
                raise
    return f"http://{address}/metrics"


def sdk_telemetry(metrics: PrometheusConfig | None) -> TelemetryConfig:
    """What the SDK tells, and where to; by itself its core writes lines of another form to the standard error."""
    forwarding = LogForwardingConfig(logging.getLogger("temporalio.core"), prepend_target_on_message=False)
    log_filter = TelemetryFilter(core_level="WARN", other_level="ERROR")
    return TelemetryConfig(
        logging=LoggingConfig(filter=log_filter, forwarding=forwarding), metrics=metrics, attach_service_name=False
    )
