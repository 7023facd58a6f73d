"""What a line says of an exception: its type, its message and its stack trace, each bounded."""

import logging
import traceback
from typing import Any

from observability.recorders.log_records import find_exception
from observability.redaction import MAX_TEXT, redact_text
from observability.text import exception_type_name

EXCEPTION_KEYS = ("exception.type", "exception.message", "exception.stacktrace", "stacktrace")
MAX_STACKTRACE = 24_576
MAX_MESSAGE = 4_096


def exception_fields(record: logging.LogRecord) -> dict[str, Any]:
    """The keys of the exception that a record carries, and `stacktrace` where its caller asked for the stack.

    The stack trace is one text with the chain of causes, the notes (PEP 678) and the members of groups; it is made once
    for all handlers of the record, and cut in its middle at 24 KiB. Source and secrets: see `redact_text`.
    """
    fields: dict[str, Any] = {}
    error = find_exception(record)
    if error is not None:
        fields["exception.type"] = exception_type_name(type(error))
        fields["exception.message"] = _shown(_text(error), MAX_MESSAGE)
        record.exc_text = record.exc_text or _stacktrace(error)
    if record.exc_text:
        fields["exception.stacktrace"] = _shown(record.exc_text, MAX_STACKTRACE)
    if record.stack_info:
        fields["stacktrace"] = _shown(record.stack_info, MAX_STACKTRACE)
    return fields


def _shown(text: str, limit: int) -> str:
    return _shortened(redact_text(_shortened(text, MAX_TEXT - 100)), limit)


def _shortened(text: str, limit: int) -> str:
    """A text of at most about `limit` characters: its beginning and its end, where one looks first."""
    if len(text) <= limit:
        return text
    half = limit // 2
    # At white space: a part of a secret could not be told from other text.
    beginning, end = text[:half].rpartition(" ")[0] or text[:half], text[-half:].partition(" ")[2] or text[-half:]
    return f"{beginning}\n… {len(text) - len(beginning) - len(end)} characters left out …\n{end}"


def _stacktrace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)).rstrip("\n")
    except Exception:  # noqa: BLE001 - an exception that cannot be shown must not lose the record
        return f"{exception_type_name(type(error))}: <its stack trace cannot be made>"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - as above
        return f"<{type(error).__qualname__} without a text>"
