"""Formatters: one JSON object on one line for files, a readable line for the developer's terminal."""

import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter

from observability.observation import qualified_name
from observability.records import facts_of, observation_of
from observability.redaction import redact, redact_text

BASE_KEYS = ("timestamp", "level", "logger", "event", "request_id", "trace_id", "span_id", "service.name")
EXCEPTION_KEYS = ("exception.type", "exception.message", "exception.stacktrace")


class JsonFormatter(BaseJsonFormatter):
    """A record as one JSON object: the base keys first and in order, then the caller's keys, then the exception's.

    The options of python-json-logger (`rename_fields`, `static_fields`, …) apply. A caller's key that is also a base
    key is kept as `extra.<key>`. Secrets are redacted. ASCII only, so that any text, lone surrogates included, can be
    written.
    """

    def __init__(self, *arguments: Any, service_name: str, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        self.service_name = service_name

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Fill `log_data` in the order in which it is written."""
        given = self.static_fields | {k: v for k, v in message_dict.items() if k not in ("exc_info", "stack_info")}
        facts = redact(given | facts_of(record))
        fields = self._base_fields(record)
        reserved = (*BASE_KEYS, *EXCEPTION_KEYS)
        fields |= {f"extra.{key}" if key in reserved else key: value for key, value in facts.items()}
        fields |= self._exception_fields(record, message_dict)
        log_data.update((self._get_rename(key), value) for key, value in fields.items())

    def _base_fields(self, record: logging.LogRecord) -> dict[str, Any]:
        observation = observation_of(record)
        return {
            "timestamp": timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": redact_text(record.message),
            "request_id": observation.request_id if observation else None,
            "trace_id": observation.trace_id if observation else None,
            "span_id": observation.span_id if observation else None,
            "service.name": self.service_name,
        }

    def _exception_fields(self, record: logging.LogRecord, message_dict: Mapping[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            fields["exception.type"] = qualified_name(type(error))
            fields["exception.message"] = redact_text(_text(error))
        if "exc_info" in message_dict and message_dict["exc_info"] != "NoneType: None":
            fields["exception.stacktrace"] = redact_text(str(message_dict["exc_info"]))
        if "stack_info" in message_dict:
            fields["stacktrace"] = redact_text(str(message_dict["stack_info"]))
        return fields


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
            exception_formatter=structlog.dev.plain_traceback,
        )

    def format(self, record: logging.LogRecord) -> str:
        facts = redact(facts_of(record))
        event: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S.%f")[:-3],
            "level": record.levelname.lower(),
            "event": redact_text(record.getMessage()),
        }
        if record.name == "observability.access":
            event["event"], facts = _short_access(facts)
        observation = observation_of(record)
        if observation is not None:
            facts["request_id"] = observation.request_id[:8]
        if record.exc_info:
            event["exc_info"] = record.exc_info
        line = self._render(None, record.name, event | facts)
        return line if isinstance(line, str) else str(line)


def timestamp(record: logging.LogRecord) -> str:
    """When the record was made: RFC 3339, UTC, microseconds."""
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _short_access(facts: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The event and the keys that a developer looks at, from those of an access line."""
    event = f"{facts.get('http.request.method')} {facts.get('url.path')} {facts.get('http.response.status_code')}"
    repeated = facts.get("db.repeated_count", 0)
    shown = {
        "ms": round(facts.get("duration_ms", 0), 1),
        "queries": facts.get("db.query_count"),
        "db_ms": round(facts.get("db.duration_ms", 0), 1),
        "repeated": repeated if repeated > 1 else None,
        "transaction": facts.get("db.transaction"),
        "user": facts.get("user.id"),
    }
    noted = {key: value for key, value in facts.items() if not key.startswith(_access_prefixes)}
    return event, {key: value for key, value in (shown | noted).items() if value not in (None, "none")}


_access_prefixes = ("http.", "url.", "db.", "client.", "user.", "user_agent.", "duration_ms")


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a message that cannot be made must not lose the record
        return "<exception without a message>"
