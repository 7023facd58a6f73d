"""The formatter of the log files: one JSON object per line. Lines that are too long are truncated."""

import json
import logging
import re
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter

from observability.core.observation import Observation
from observability.recorders.log_records import find_exception, find_observation, format_message, record_facts
from observability.redaction import MAX_TEXT, NAME_KEYS, is_secret, json_may_hold_secret, redact, redact_text
from observability.text import CONTROLS, ELLIPSIS, exception_type_name, safe_str

BASE_KEYS = ("timestamp", "level", "logger", "event", "request_id", "trace_id", "span_id", "service.name")
EXCEPTION_KEYS = ("exception.type", "exception.message", "exception.stacktrace", "stacktrace")
PROBLEM_KEY = "logging.error"
TRUNCATED = "truncated"

# The maximum length in characters.
MAX_STACKTRACE = 24_576
MAX_MESSAGE = 4_096
# If a line is too long, at most this many values are truncated, and each keeps this many characters or more.
MAX_TRUNCATED_VALUES = 8
MIN_VALUE_LENGTH = 200
# The maximum number of cached keys and events, and the maximum length of a cached event.
MAX_CACHE_ENTRIES = 2_048
MAX_CACHED_EVENT = 128

# Pass through the values that orjson and `str()` write differently.
_OPTIONS = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATETIME

# Control characters that JSON does not have to escape. A terminal that shows a log file would execute them.
_controls = re.compile(f"[{CONTROLS}](?<![\x00-\x1f])")
_reserved = frozenset((*BASE_KEYS, *EXCEPTION_KEYS, PROBLEM_KEY, TRUNCATED))


class JsonFormatter(BaseJsonFormatter):
    """Format a record as one JSON object: base keys in a fixed order, keys of the caller, keys of the exception.

    All options of python-json-logger are supported (`rename_fields`, `static_fields`, `reserved_attrs`, …). If a key of
    the caller has the name of a base key, it becomes `extra.<key>`. Secrets are redacted. No value raises an exception:
    a value that JSON cannot represent becomes text. If the arguments do not fit the message, the message is written
    unformatted, and the key `logging.error` has the reason.

    Without options, most records take a fast path: all keys are cached, all values are text or numbers, and a search of
    the JSON finds no sign of a secret. dictConfig creates the formatter once, and all threads use it at the same time.
    Its caches are bounded and are never invalidated.
    """

    def __init__(self, *arguments: Any, service_name: str, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        self.service_name = service_name
        self._has_options = bool(arguments or options)
        self._skipped = frozenset(options.get("reserved_attrs") or ())
        self._reserved = _reserved | {self._get_rename(key) for key in _reserved}
        self._encodes = not any(name.startswith("json_") for name in options)
        self._service = f'"service.name":{encode(service_name)}'
        self._second = (10**12, "")
        self._heads: dict[tuple[str, int, str], str] = {}
        self._known_keys: set[str] = set()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its line break."""
        if not self._has_options:
            line = self._fast_path_line(record)
            if line is not None:
                return line
        fields: dict[str, Any] = {}
        self.add_fields(fields, record, record.msg if isinstance(record.msg, dict) else {})
        return self.serialize_log_record(self.process_log_record(fields))

    def _fast_path_line(self, record: logging.LogRecord) -> str | None:
        """Return the line of a record that certainly needs no redaction and no conversion; None for other records."""
        message = record.msg
        if record.args or record.exc_info or record.exc_text or record.stack_info or type(message) is not str:
            return None
        observation = find_observation(record)
        facts = record_facts(record, observation)
        if not self._known_keys.issuperset(facts) or ("value" in facts and not NAME_KEYS.isdisjoint(facts)):
            return None
        try:
            text = _escape_controls(orjson.dumps(facts, None, _OPTIONS).decode())
        except (TypeError, ValueError):
            return None
        # A nested value has keys, which may be names of secrets.
        if "[" in text or text.rfind("{") > 0 or json_may_hold_secret(text, len(facts)):
            return None
        head = self._heads.get((record.name, record.levelno, message)) or self._head(record, message)
        separator = "," if facts else ""
        return f'{{"timestamp":"{self._timestamp(record.created)}",{head},{self._ids(observation)}{separator}{text[1:]}'

    def _timestamp(self, created: float) -> str:
        second, text = self._second
        microseconds = round((created - second) * 1e6)
        if not 0 <= microseconds < 1_000_000:  # noqa: PLR2004 - in a second
            second = int(created)
            second, microseconds = divmod(second * 1_000_000 + round((created - second) * 1e6), 1_000_000)
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = (second, text)
        return f"{text}.{microseconds:06d}Z"

    def _head(self, record: logging.LogRecord, message: str) -> str:
        fields = {"level": record.levelname.lower(), "logger": record.name, "event": redact_text(message)}
        head = encode(fields)[1:-1]
        if len(message) <= MAX_CACHED_EVENT:
            if len(self._heads) >= MAX_CACHE_ENTRIES:
                self._heads.clear()
            self._heads[record.name, record.levelno, message] = head
        return head

    def _ids(self, observation: Observation | None) -> str:
        if observation is None:
            return f'"request_id":null,"trace_id":null,"span_id":null,{self._service}'
        # An id has no characters that JSON must escape: the middleware does not accept them.
        return (
            f'"request_id":"{observation.request_id}","trace_id":"{observation.trace_id}",'
            f'"span_id":"{observation.span_id}",{self._service}'
        )

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Fill `log_data` in the order of the line. If the message is a mapping, it is `message_dict`."""
        fields = self._base_fields(record)
        for key, value in redact(self._facts(record, message_dict)).items():
            is_used = self._get_rename(key) in self._reserved or key in fields
            fields[self._unused_key(key, fields) if is_used else key] = value
            self._cache_key(key)
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

    def _unused_key(self, key: str, fields: Mapping[str, object]) -> str:
        """Return a new name for a key that the line already has."""
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
        """Return the fields from the options: defaults, record attributes, static fields, a second timestamp."""
        if "asctime" in self._required_fields:
            record.asctime = self.formatTime(record, self.datefmt)
        # The message is the event. Other attributes are written only if the options name them.
        attributes = [name for name in self._required_fields if name != "message"]
        attributes += [name for name in RESERVED_ATTRS if name not in self.reserved_attrs and name in record.__dict__]
        facts = self.defaults | {name: record.__dict__.get(name) for name in attributes} | self.static_fields
        if isinstance(self.timestamp, str):
            facts[self.timestamp] = self._timestamp(record.created)
        return facts

    def _cache_key(self, key: str) -> None:
        if (
            key not in _reserved
            and not is_secret(key)
            and redact_text(key) == key
            and len(self._known_keys) < MAX_CACHE_ENTRIES
        ):
            self._known_keys.add(key)

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """Return the JSON of a line. The options may set another serializer."""
        return encode(log_data) if self._encodes else super().jsonify_log_record(log_data)


def exception_fields(record: logging.LogRecord) -> dict[str, str]:
    """Return the keys of a record's exception, and `stacktrace` if the caller passed `stack_info`.

    The stack trace is one text with all causes, notes (PEP 678) and members of exception groups. It is formatted once
    for all handlers of the record. If it has more than 24,576 characters, its middle is cut out. `redact_text` removes
    secrets.
    """
    fields: dict[str, str] = {}
    error = find_exception(record)
    if error is not None:
        fields["exception.type"] = exception_type_name(type(error))
        fields["exception.message"] = _redact_and_cut(safe_str(error), MAX_MESSAGE)
        record.exc_text = record.exc_text or _format_stacktrace(error)
    if record.exc_text:
        fields["exception.stacktrace"] = _redact_and_cut(record.exc_text, MAX_STACKTRACE)
    if record.stack_info:
        fields["stacktrace"] = _redact_and_cut(record.stack_info, MAX_STACKTRACE)
    return fields


def _format_stacktrace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)).rstrip("\n")
    except Exception:  # noqa: BLE001 - an exception that cannot be formatted must not lose the record
        return f"{exception_type_name(type(error))}: <unprintable stack trace>"


def redact_stacktrace(text: str) -> str:
    """Return a stack trace without secrets. If it has more than 24,576 characters, its middle is cut out."""
    return _redact_and_cut(text, MAX_STACKTRACE)


def _redact_and_cut(text: str, max_length: int) -> str:
    return _cut_middle(redact_text(_cut_middle(text, MAX_TEXT - 100)), max_length)


def _cut_middle(text: str, max_length: int) -> str:
    """Return about `max_length` characters of a text: its start and its end, which usually explain the error."""
    if len(text) <= max_length:
        return text
    half = max_length // 2
    # Cut at white space: a part of a secret would not be recognized as a secret.
    beginning, end = text[:half].rpartition(" ")[0] or text[:half], text[-half:].partition(" ")[2] or text[-half:]
    return f"{beginning}\n{ELLIPSIS} {len(text) - len(beginning) - len(end)} characters left out {ELLIPSIS}\n{end}"


def encode(value: object) -> str:
    """Return the JSON of a value, on one line.

    orjson rejects lone surrogates and integers of more than 64 bits; the standard library accepts them. A surrogate is
    escaped, so that the line can be encoded as UTF-8. Control characters are escaped, so that a terminal can show it.
    """
    try:
        text = orjson.dumps(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
    return _escape_controls(text)


def _escape_controls(text: str) -> str:
    """Escape control characters in JSON, which then has the same value."""
    # The first test is the fastest one. No control character is printable.
    if (text.isascii() and "\x7f" not in text) or text.isprintable():
        return text
    return _controls.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def truncate_line(line: bytes, max_bytes: int) -> bytes:
    """Truncate a line that is too long to at most `max_bytes`, including its line break.

    The result for a JSON object is a JSON object: its longest values are truncated (and become strings), and the key
    `truncated` has their names. If that is not enough, the last keys are removed. Text that is not JSON is cut.
    """
    try:
        # The standard library accepts a lone surrogate; orjson does not.
        fields = json.loads(line)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        return line[: max_bytes - 5].decode("utf-8", "ignore").encode() + f"{ELLIPSIS}\n".encode()
    return (_truncate_object(fields, max_bytes - len("\n")) + "\n").encode()


def _truncate_object(fields: dict[str, object], max_bytes: int) -> str:
    fields.pop(TRUNCATED, None)
    sizes = {key: _size(key) + _size(value) + len(":,") for key, value in fields.items()}
    truncated: list[str] = []
    for key in sorted(sizes, key=sizes.__getitem__, reverse=True)[:MAX_TRUNCATED_VALUES]:
        excess = sum(sizes.values()) + _size({TRUNCATED: [*truncated, key, ELLIPSIS]}) - max_bytes
        if excess <= 0 or sizes[key] <= 2 * MIN_VALUE_LENGTH:
            break
        truncated.append(key[:MIN_VALUE_LENGTH])
        size_of_key = _size(key) + len(":,")
        fields[key] = _truncate_value(fields[key], sizes[key] - size_of_key - excess)
        sizes[key] = size_of_key + _size(fields[key])
    remaining = max_bytes - _size({TRUNCATED: [*truncated, ELLIPSIS]})
    fields_that_fit: dict[str, object] = {}
    for key, value in fields.items():
        remaining -= sizes[key]
        if remaining < 0:
            truncated.append(ELLIPSIS)
            break
        fields_that_fit[key] = value
    return encode(fields_that_fit | {TRUNCATED: truncated})


def _size(value: object) -> int:
    return len(encode(value).encode())


def _truncate_value(value: object, max_bytes: int) -> str:
    """Return the start of a value as text. Its JSON has at most `max_bytes`, but 200 characters are always kept."""
    text = value if isinstance(value, str) else encode(value)
    length = max(MIN_VALUE_LENGTH, min(len(text), max_bytes - 8))
    while length > MIN_VALUE_LENGTH and _size(text[:length]) > max_bytes - 8:
        length = max(MIN_VALUE_LENGTH, length * 7 // 8)
    return f"{text[:length]}{ELLIPSIS}"
