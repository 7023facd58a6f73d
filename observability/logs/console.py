"""The formatter of the developer's terminal."""

import logging
import os
import sys
from datetime import datetime
from typing import Any

import structlog

from observability.core.measurements import summarize_request
from observability.logs.exceptions import exception_fields
from observability.recorders.log_records import find_observation, format_message, record_facts
from observability.redaction import redact, redact_text

# The keys that structlog's renderer gives a place of their own.
_rendered = frozenset({"exc_info", "exception", "logger", "logger_name", "stack", "stack_info"})


class ConsoleFormatter(logging.Formatter):
    """A record as a line for a person, by structlog's console renderer, with the traceback below it.

    Coloured on a terminal, unless NO_COLOR is set (no-color.org). The access line is shortened to what a developer
    looks at; the whole of it is in the file.
    """

    def __init__(self) -> None:
        super().__init__()
        is_coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        self._render = structlog.dev.ConsoleRenderer(
            colors=is_coloured,
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
        # What a caller calls "event" or "exception" stays its own.
        facts = {f"extra.{key}" if key in event or key in _rendered else key: value for key, value in facts.items()}
        shown = exception_fields(record)
        for key, name in (("exception.stacktrace", "exception"), ("stacktrace", "stack")):
            if key in shown:
                event[name] = shown[key]
        line = self._render(None, record.name, event | facts)
        return line if isinstance(line, str) else str(line)
