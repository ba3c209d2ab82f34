"""Log lines: JSON for machines, coloured for a terminal, each tied to its order and its trace."""

import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TextIO

from opentelemetry import trace

from deploy.telemetry.context import followed
from deploy.telemetry.redact import Redactor
from deploy.telemetry.settings import LogFormat, LogLevel

# One line per call of a node or of a signing service would drown everything else.
_CHATTY = ("httpx", "httpx2", "httpcore", "websockets", "urllib3", "opentelemetry.exporter")

_SECRET_VARIABLE = re.compile(r"(?i)(?:PASSWORD|SECRET|TOKEN|API_?KEY|PRIVATE|CREDENTIAL|OTEL_EXPORTER_OTLP\w*HEADERS)")

_COLOURS = {"WARNING": "33", "ERROR": "31", "CRITICAL": "1;31", "DEBUG": "2"}


def set_up_logs(
    process: str, log_format: LogFormat, log_level: LogLevel = LogLevel.INFO, stream: TextIO = sys.stderr
) -> None:
    """Send every log line of this process from `log_level` on to `stream`, once, in the form of `log_format`."""
    as_json = log_format is LogFormat.JSON or (log_format is LogFormat.AUTO and not stream.isatty())
    redactor = Redactor(secrets_of(os.environ.items()))
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(process, redactor) if as_json else HumanLines(redactor, stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log_level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def secrets_of(variables: Iterable[tuple[str, str]]) -> list[str]:
    """The values of variables that are named like secrets."""
    return [value for name, value in variables if _SECRET_VARIABLE.search(name)]


class JsonLines(logging.Formatter):
    """One JSON object per line: time (RFC 3339, UTC), level, process, logger, message, and whose work it was."""

    def __init__(self, process: str, redactor: Redactor) -> None:
        super().__init__()
        self._process = process
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": self._redactor(record.getMessage()),
            **context(),
        }
        if error := _error(record):
            line["error"] = self._redactor(error)
        return json.dumps(line, ensure_ascii=False)


class HumanLines(logging.Formatter):
    """A line for people: time, level, message, and at its end the order."""

    def __init__(self, redactor: Redactor, coloured: bool) -> None:
        super().__init__()
        self._redactor = redactor
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the traceback below it where there is one."""
        at = datetime.fromtimestamp(record.created, UTC).astimezone().isoformat(" ", timespec="milliseconds")[:23]
        whose = " ".join(f"{name}={value}" for name, value in context().items() if name != "spanId")
        level = self._paint(f"{record.levelname:7}", _COLOURS.get(record.levelname))
        line = f"{at} {level} {self._redactor(record.getMessage())} {self._paint(record.name, '2')}"
        if whose:
            line += f" {self._paint(whose, '36')}"
        error = _error(record)
        return f"{line}\n{self._redactor(error)}" if error else line

    def _paint(self, text: str, colour: str | None) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._coloured and colour else text


def context() -> dict[str, Any]:
    """The order and the trace that the running code works for, as far as they are known."""
    found: dict[str, Any] = {}
    order = followed()
    if order is not None:
        facts = (("orderId", order.order_id), ("account", order.account), ("attempt", order.attempt))
        found.update((name, value) for name, value in facts if value is not None)
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        found["traceId"] = trace.format_trace_id(span.trace_id)
        found["spanId"] = trace.format_span_id(span.span_id)
    return found


def _error(record: logging.LogRecord) -> str:
    if record.exc_info and record.exc_info[0] is not None:
        return "".join(traceback.format_exception(*record.exc_info)).rstrip()
    return record.stack_info or ""
