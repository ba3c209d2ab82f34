"""Failures of telemetry that a person can act on."""


class TelemetryError(Exception):
    """Logs, metrics or traces cannot be set up as asked; the message is one line that says what to change."""
