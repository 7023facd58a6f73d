"""The formatter of the log files: a record is one JSON object on one line."""

import logging
from datetime import UTC, datetime
from typing import Any

import orjson
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter

from observability.core.observation import Observation
from observability.logs.encoding import TRUNCATED, encode
from observability.logs.exceptions import EXCEPTION_KEYS, exception_fields
from observability.recorders.log_records import find_observation, format_message, record_facts
from observability.redaction import is_secret, may_hold_secret, redact, redact_text

BASE_KEYS = ("timestamp", "level", "logger", "event", "request_id", "trace_id", "span_id", "service.name")
PROBLEM_KEY = "logging.error"

MAX_KNOWN = 2_048
MAX_KNOWN_EVENT = 128

# What `str()` may show in another way than orjson.
_OPTIONS = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME

_reserved = frozenset((*BASE_KEYS, *EXCEPTION_KEYS, PROBLEM_KEY, TRUNCATED))


class JsonFormatter(BaseJsonFormatter):
    """A record as one JSON object: the base keys first and in order, then the caller's keys, then the exception's.

    The options of python-json-logger (`rename_fields`, `static_fields`, `reserved_attrs`, …) apply. A caller's key that
    is also a base key is kept as `extra.<key>`. Secrets are redacted. No value raises: what JSON does not have becomes
    text, and a message whose arguments do not fit is written as it is, with the reason in `logging.error`.

    Without options, a record whose facts are flat and harmless takes a path of its own, which is most of its speed: its
    keys have been seen before, its values are text and numbers, and one look at their JSON finds no sign of a secret.
    Made once by dictConfig and used by all threads at once; what it learns is bounded and holds as long as it does.
    """

    def __init__(self, *arguments: Any, service_name: str, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        self.service_name = service_name
        self._has_options = bool(arguments or options)
        self._skipped = frozenset(options.get("reserved_attrs") or ())
        self._reserved = _reserved | {self._get_rename(key) for key in _reserved}
        self._encodes = not any(name.startswith("json_") for name in options)
        self._service = f'"service.name":{encode(service_name)}'
        self._second = ("", "")
        self._heads: dict[tuple[str, int, str], str] = {}
        self._known_keys: set[str] = set()

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        if not self._has_options:
            line = self._quick_line(record)
            if line is not None:
                return line
        fields: dict[str, Any] = {}
        self.add_fields(fields, record, record.msg if isinstance(record.msg, dict) else {})
        return self.serialize_log_record(self.process_log_record(fields))

    def _quick_line(self, record: logging.LogRecord) -> str | None:
        """The line of a record with nothing to hide and nothing to mend; None where that is not certain."""
        message = record.msg
        if record.args or record.exc_info or record.exc_text or record.stack_info or type(message) is not str:
            return None
        observation = find_observation(record)
        facts = record_facts(record, observation)
        if not self._known_keys.issuperset(facts):
            return None
        try:
            text = orjson.dumps(facts, None, _OPTIONS).decode()
        except (TypeError, ValueError):
            return None
        # What is nested has keys of its own that may tell of a secret.
        if "[" in text or text.find("{", 1) > 0 or may_hold_secret(text):
            return None
        head = self._heads.get((record.name, record.levelno, message)) or self._head(record, message)
        separator = "," if facts else ""
        return f'{{"timestamp":"{self._timestamp(record.created)}",{head},{self._ids(observation)}{separator}{text[1:]}'

    def _timestamp(self, created: float) -> str:
        seconds = f"{created:.6f}"
        known, text = self._second
        if seconds[:-7] != known:
            known = seconds[:-7]
            text = datetime.fromtimestamp(int(known), UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = (known, text)
        return f"{text}{seconds[-7:]}Z"

    def _head(self, record: logging.LogRecord, message: str) -> str:
        fields = {"level": record.levelname.lower(), "logger": record.name, "event": redact_text(message)}
        head = encode(fields)[1:-1]
        if len(message) <= MAX_KNOWN_EVENT:
            if len(self._heads) >= MAX_KNOWN:
                self._heads.clear()
            self._heads[record.name, record.levelno, message] = head
        return head

    def _ids(self, observation: Observation | None) -> str:
        if observation is None:
            return f'"request_id":null,"trace_id":null,"span_id":null,{self._service}'
        # The middleware lets nothing into an id that JSON would have to escape.
        return (
            f'"request_id":"{observation.request_id}","trace_id":"{observation.trace_id}",'
            f'"span_id":"{observation.span_id}",{self._service}'
        )

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Fill `log_data` in the order in which it is written; `message_dict` is a message that is a mapping."""
        fields = self._base_fields(record)
        for key, value in redact(self._facts(record, message_dict)).items():
            is_taken = self._get_rename(key) in self._reserved or key in fields
            fields[self._free(key, fields) if is_taken else key] = value
            self._learn(key)
        fields |= exception_fields(record)
        for key, is_array in (
            ("exception.stacktrace", self.exc_info_as_array),
            ("stacktrace", self.stack_info_as_array),
        ):
            if is_array and key in fields:
                fields[key] = fields[key].splitlines()
        log_data.update((self._get_rename(key), value) for key, value in fields.items())
        if self.rename_fields_keep_missing:
            log_data |= {name: None for name in self.rename_fields.values() if name not in log_data}

    def _free(self, key: str, fields: dict[str, Any]) -> str:
        """Another name for a key that stands for something else in a line."""
        name = f"extra.{key}"
        while name in fields:
            name = f"extra.{name}"
        return name

    def _base_fields(self, record: logging.LogRecord) -> dict[str, Any]:
        observation = find_observation(record)
        event, problem = format_message(record)
        fields = {
            "timestamp": self._timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": redact_text(event),
            "request_id": observation.request_id if observation else None,
            "trace_id": observation.trace_id if observation else None,
            "span_id": observation.span_id if observation else None,
            "service.name": self.service_name,
        }
        return fields | {PROBLEM_KEY: problem} if problem else fields

    def _facts(self, record: logging.LogRecord, message_dict: dict[str, Any]) -> dict[str, Any]:
        facts = self._facts_of_options(record) if self._has_options else {}
        facts |= message_dict | record_facts(record)
        return {key: value for key, value in facts.items() if key not in self._skipped}

    def _facts_of_options(self, record: logging.LogRecord) -> dict[str, Any]:
        """What the options ask for: defaults, attributes of the record, the same fields in each line, another time."""
        if "asctime" in self._required_fields:
            record.asctime = self.formatTime(record, self.datefmt)
        # The event is the message. Of the other attributes none is written unless it is asked for.
        asked = [name for name in self._required_fields if name != "message"]
        asked += [name for name in RESERVED_ATTRS if name not in self.reserved_attrs and name in record.__dict__]
        facts = self.defaults | {name: record.__dict__.get(name) for name in asked} | self.static_fields
        if isinstance(self.timestamp, str):
            facts[self.timestamp] = self._timestamp(record.created)
        return facts

    def _learn(self, key: str) -> None:
        if key not in _reserved and not is_secret(key) and len(self._known_keys) < MAX_KNOWN:
            self._known_keys.add(key)

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """The JSON of a line, by the serializer of the options where they name one."""
        return encode(log_data) if self._encodes else super().jsonify_log_record(log_data)
