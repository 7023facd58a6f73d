"""The log formatter for the terminal of a developer."""

import logging
import os
import sys
import traceback
from datetime import datetime
from typing import Any

import structlog

from observability.core.measurements import summarize_request
from observability.logs.formatters import exception_fields, redact_stacktrace
from observability.recorders.log_records import find_exception, find_observation, format_message, record_facts
from observability.redaction import redact, redact_text
from observability.text import escape_controls, escape_lines

# Keys with a special meaning for structlog's renderer.
_rendered = frozenset({"exc_info", "exception", "logger", "logger_name", "stack", "stack_info"})
# Before the later lines of a text that may contain any line.
INDENT = "    "


class ConsoleFormatter(logging.Formatter):
    """Format a record with structlog's console renderer: one readable line, and the traceback below it.

    Lines are colored on a terminal, unless NO_COLOR is set (no-color.org). Access log lines are summarized; the log
    file has all their keys. Control characters are escaped: text of a request cannot change the terminal, and a line
    break in it cannot begin a line of the output.
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
        shown = {escape_controls(key): _escape_value(value) for key, value in (event | facts).items()}
        line = self._render(None, "", shown | _stack_traces(record))
        return line if isinstance(line, str) else str(line)


class EscapingFormatter(logging.Formatter):
    """A formatter of the standard library for a terminal. Control characters are escaped, later lines are indented."""

    def format(self, record: logging.LogRecord) -> str:
        return escape_lines(super().format(record), INDENT)


def _escape_value(value: object) -> object:
    if value is None or type(value) in {bool, int, float}:
        return value
    return escape_controls(value.rstrip("\n") if isinstance(value, str) else repr(value))


def _stack_traces(record: logging.LogRecord) -> dict[str, str]:
    """Return the stack traces of a record by the names that structlog prints below the line."""
    fields, shown = exception_fields(record), {}
    if "exception.stacktrace" in fields:
        error = find_exception(record)
        text = _format_stacktrace(error) if error is not None else None
        shown["exception"] = text or escape_lines(fields["exception.stacktrace"], INDENT)
    if "stacktrace" in fields:
        shown["stack"] = escape_lines(fields["stacktrace"])
    return shown


def _format_stacktrace(error: BaseException) -> str | None:
    """Return the stack trace without secrets, and the later lines of messages indented; None if that fails.

    A message may contain text of a request. Indented, its lines cannot look like lines of the log.
    """
    try:
        found = traceback.TracebackException.from_exception(error, compact=True)
        _indent_messages(found)
        return escape_lines(redact_stacktrace("".join(found.format()).rstrip("\n")))
    except Exception:  # noqa: BLE001 - an exception that cannot be formatted must not lose the record
        return None


def _indent_messages(found: traceback.TracebackException) -> None:
    """Indent notes and the later lines of messages, also of the causes and of the members of exception groups."""
    waiting, seen = [found], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        # The public attributes have no message, except the one of a syntax error.
        for name in ("_str", "msg"):
            if isinstance(text := getattr(each, name, None), str):
                setattr(each, name, text.replace("\n", f"\n{INDENT}"))
        if each.__notes__:
            each.__notes__ = [INDENT + str(note).replace("\n", f"\n{INDENT}") for note in each.__notes__]
        waiting += [other for other in (each.__cause__, each.__context__, *(each.exceptions or ())) if other]
