"""The log formatter for the terminal of a developer."""

import logging
import os
import sys
from datetime import datetime
from typing import Any

import structlog

from observability.core.measurements import summarize_request
from observability.logs.formatters import exception_fields
from observability.recorders.log_records import find_observation, format_message, record_facts
from observability.redaction import redact, redact_text

# Keys with a special meaning for structlog's renderer.
_rendered = frozenset({"exc_info", "exception", "logger", "logger_name", "stack", "stack_info"})


class ConsoleFormatter(logging.Formatter):
    """Format a record with structlog's console renderer: one readable line, and the traceback below it.

    Lines are colored on a terminal, unless NO_COLOR is set (no-color.org). Access log lines are summarized; the log
    file has all their keys.
    """

    def __init__(self) -> None:
        super().__init__()
        is_colored = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        self._render = structlog.dev.ConsoleRenderer(
            colors=is_colored,
            pad_event_to=32,
            sort_keys=False,
        )

    def format(self, record: logging.LogRecord) -> str:
        facts = redact(record_facts(record))
        event: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S.%f")[:-3],
            "level": record.levelname.lower(),
            "event": redact_text(format_message(record)[0]),
        }
        if record.name == "observability.access":
            event["event"], facts = summarize_request(facts)
        observation = find_observation(record)
        if observation is not None:
            facts["request_id"] = observation.request_id[:8]
        # A key of the caller with the name "event" or "exception" must not replace the real one.
        facts = {f"extra.{key}" if key in event or key in _rendered else key: value for key, value in facts.items()}
        exception = exception_fields(record)
        for key, name in (("exception.stacktrace", "exception"), ("stacktrace", "stack")):
            if key in exception:
                event[name] = exception[key]
        line = self._render(None, record.name, event | facts)
        return line if isinstance(line, str) else str(line)
