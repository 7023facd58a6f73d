"""Log lines as JSON."""

import contextvars
import dataclasses
import enum
import json
import logging
import math
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from observability import note, observe
from observability.logs.formatters import BASE_KEYS, JsonFormatter
from tests.observability.log_records import log_record


class Lines(logging.Handler):
    """Stores the formatted lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(JsonFormatter(service_name="vitrine"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def only(self) -> dict[str, Any]:
        (line,) = self.lines
        assert "\n" not in line
        parsed: dict[str, Any] = json.loads(line, parse_constant=pytest.fail)
        return parsed


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logger = logging.getLogger("tests.formatters")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)


standard = logging.getLogger("tests.formatters")
structured = structlog.get_logger("tests.formatters")


def test_structlog_and_the_standard_library_write_the_same_line(lines: Lines) -> None:
    with observe("work"):
        structured.info("book_imported", isbn="X", count=2)
        standard.info("book_imported", extra={"isbn": "X", "count": 2})
    one, other = (json.loads(line) for line in lines.lines)
    assert one | {"timestamp": ""} == other | {"timestamp": ""}
    assert list(one) == [*BASE_KEYS, "isbn", "count"] == list(other)


def test_timestamp_is_utc_with_microseconds(lines: Lines) -> None:
    before = datetime.now(UTC)
    structured.info("event")
    written = lines.only()["timestamp"]
    assert written.endswith("Z")
    assert abs((datetime.fromisoformat(written) - before).total_seconds()) < 60


def test_each_record_has_its_timestamp() -> None:
    formatter = JsonFormatter(service_name="probe")
    lines = [json.loads(formatter.format(log_record(created=created))) for created in (0.25, 0.5, 61.5, 0.75)]
    assert [line["timestamp"][17:] for line in lines] == ["00.250000Z", "00.500000Z", "01.500000Z", "00.750000Z"]


def test_ids_are_null_outside_of_any_work(lines: Lines) -> None:
    structured.info("event")
    assert [lines.only()[key] for key in ("request_id", "trace_id", "span_id")] == [None] * 3


def test_caller_cannot_overwrite_a_base_key(lines: Lines) -> None:
    structured.info("event", level="caller's", logger="caller's", timestamp="caller's", name="kept", message="kept")
    line = lines.only()
    assert (line["level"], line["logger"], line["event"]) == ("info", "tests.formatters", "event")
    assert (line["extra.level"], line["name"], line["message"]) == ("caller's", "kept", "kept")


def test_exception_has_its_type_message_and_chain(lines: Lines) -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error
    except ValueError:
        structured.exception("import_failed")
    line = lines.only()
    assert (line["level"], line["exception.type"], line["exception.message"]) == ("error", "ValueError", "outer")
    assert "KeyError: 'inner'" in line["exception.stacktrace"]
    assert "direct cause" in line["exception.stacktrace"]


def test_secrets_are_redacted(lines: Lines) -> None:
    structured.info("login", password="s3cret", nested={"api_key": "s3cret"}, url="https://u:s3cret@example.com/")
    assert "s3cret" not in lines.lines[0]


def test_secrets_in_the_event_and_in_the_exception_are_redacted(lines: Lines) -> None:
    try:
        raise ValueError("no answer from https://u:s3cret@example.com/")
    except ValueError:
        standard.exception("requested with Bearer s3cret-s3cret", stack_info=True)
    assert "s3cret" not in lines.lines[0].replace('raise ValueError(\\"no answer from https://u:s3cret', "")
    assert "Stack (most recent call last)" in lines.only()["stacktrace"]


def test_exc_info_outside_of_an_exception_adds_nothing(lines: Lines) -> None:
    structured.info("event", exc_info=True)
    assert list(lines.only()) == list(BASE_KEYS)


def list_that_contains_itself() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


class UnprintableValue:
    def __repr__(self) -> str:
        raise RuntimeError


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Login:
    user: str
    password: str


class Text(str):
    __slots__ = ()


VALUES = {
    "surrogate": "\ud800", "large": 2**100, "nan": math.nan, "infinity": -math.inf, "bytes": b"\xff",
    "tuple key": {(1, 2): 3}, "contains itself": list_that_contains_itself(),
    "unprintable": UnprintableValue(), "unprintable key": {UnprintableValue(): 1},
    "datetime": datetime.now(UTC), "set": {1}, "class": object, "enum": Color.RED, "uuid": uuid4(), "text": Text("a"),
    "dataclass": Login("ada", "s3cret"), "decimal": Decimal("1.5"), "path": Path("/srv"), "function": len,
    "generator": iter([1]), "complex": 1j, "error": ValueError("x"), "deep": [[[[[[[[[[1]]]]]]]]]],
    "many": list(range(5000)), "null byte": "\0", "line": "a\u2028b", "surrogate key": {"\udfff": 1},
    "number key": {1: 2, None: 3, 1.5: 4}, "negative zero": -0.0, "range": range(3),
}  # fmt: skip


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_any_value_becomes_one_line_of_json(lines: Lines, value: object) -> None:
    structured.info("event", value=value, after=1)
    standard.info("event", extra={"value": value, "after": 1})
    structured.info("event", value=value, after=1)
    parsed = [json.loads(line.encode("utf-8"), parse_constant=pytest.fail) for line in lines.lines]
    assert [(line["event"], line["after"], "value" in line) for line in parsed] == [("event", 1, True)] * 3
    assert parsed[0]["value"] == parsed[1]["value"] == parsed[2]["value"]
    assert "s3cret" not in "".join(lines.lines)


leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | st.binary()
    | st.sampled_from([value for name, value in VALUES.items() if "unprintable" not in name])
)  # fmt: skip
keys = st.text(st.characters(codec=None)) | st.sampled_from(
    [*BASE_KEYS, "name", "args", "exc_info", "facts", "password"]
)
facts = st.dictionaries(
    keys, st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=8)
)


# One example takes as long as ten usual examples, because facts are so different.
@settings(max_examples=40)
@given(facts)
def test_any_facts_become_one_line_of_json_with_the_base_keys(given_facts: dict[str, Any]) -> None:
    record = log_record(facts=given_facts)
    line = JsonFormatter(service_name="vitrine").format(record)
    assert "\n" not in line
    parsed = json.loads(line.encode(), parse_constant=pytest.fail)
    assert list(parsed)[: len(BASE_KEYS)] == list(BASE_KEYS)
    assert (parsed["event"], parsed["logger"], parsed["service.name"]) == ("event", "tests", "vitrine")
    assert len(parsed) == len(BASE_KEYS) + len(given_facts)


@given(st.dictionaries(st.sampled_from(["a", "b.c", "token", "event"]), leaves))
def test_fast_path_writes_the_same_line(given_facts: dict[str, Any]) -> None:
    record = log_record(facts=given_facts)
    formatter = JsonFormatter(service_name="vitrine")
    careful, quick = formatter.format(record), formatter.format(record)
    assert json.loads(quick) == json.loads(careful)


def test_message_whose_arguments_do_not_fit_is_written_with_the_reason() -> None:
    line = formatted(log_record("%d books", args=("many",)))
    assert line["event"] == "%d books ('many',)"
    assert line["logging.error"].startswith("TypeError: %d format")


@pytest.mark.parametrize("message", [{"event": "imported", "count": 2}, {"message": "imported", "count": 2}])
def test_message_that_is_a_mapping_becomes_event_and_keys(lines: Lines, message: dict[str, object]) -> None:
    standard.info(message)
    assert (lines.only()["event"], lines.only()["count"]) == ("imported", 2)


@pytest.mark.parametrize(
    ("message", "event"), [(ValueError("broken"), "broken"), (UnprintableValue(), "<unprintable UnprintableValue>")]
)
def test_message_that_is_an_object_is_written_as_text(message: object, event: str) -> None:
    assert formatted(log_record(message))["event"] == event


def test_secret_is_redacted_also_if_its_key_is_cached(lines: Lines) -> None:
    """The key is cached before the line with the secret."""
    for value in (
        "plain",
        "requested with bearer abcdefghijklm",
        "https://u:pw@example.com/",
        "a=1&api_key=pw",
    ):
        structured.info("event", value=value)
    structured.info("event", value={"pin": "x"})
    shown = [json.loads(line)["value"] for line in lines.lines]
    assert shown == [
        "plain", "requested with bearer [redacted]", "https://[redacted]@example.com/", "a=1&api_key=[redacted]",
        {"pin": "[redacted]"},
    ]  # fmt: skip


def test_line_break_in_a_value_does_not_break_the_line(lines: Lines) -> None:
    standard.info("first\nsecond", extra={"text": "a\nb"})
    assert (lines.only()["event"], lines.only()["text"]) == ("first\nsecond", "a\nb")


def test_renamed_key_keeps_its_place(lines: Lines) -> None:
    lines.setFormatter(
        JsonFormatter(service_name="vitrine", rename_fields={"timestamp": "@timestamp"}, static_fields={"region": "cn"})
    )
    structured.info("event")
    assert next(iter(lines.only())) == "@timestamp"
    assert lines.only()["region"] == "cn"


def formatted(record: logging.LogRecord, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    parsed: dict[str, Any] = json.loads(JsonFormatter(service_name="vitrine", **options).format(record))
    return parsed


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"static_fields": {"region": "cn"}}, {"region": "cn", "isbn": "X"}),
        ({"defaults": {"isbn": "none", "region": "cn"}}, {"region": "cn", "isbn": "X"}),
        ({"rename_fields": {"isbn": "book.id"}}, {"book.id": "X"}),
        ({"rename_fields": {"absent": "there"}, "rename_fields_keep_missing": True}, {"there": None}),
        ({"fmt": "%(message)s %(funcName)s"}, {"funcName": "save", "event": "event"}),
        ({"reserved_attrs": ["isbn"]}, {"funcName": "save", "lineno": 7}),
        ({"timestamp": "@timestamp"}, {"@timestamp": "1970-01-01T00:00:00.000000Z"}),
        ({"static_fields": {"password": "s3cret"}}, {"password": "[redacted]"}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_option_of_python_json_logger_applies(options: dict[str, Any], expected: dict[str, Any]) -> None:
    line = formatted(log_record(isbn="X", funcName="save", lineno=7, created=0.0), **options)
    assert {key: line.get(key) for key in expected} == expected
    assert ("isbn" in line) == ("book.id" not in line and "reserved_attrs" not in options)


def test_key_of_the_caller_does_not_replace_a_renamed_base_key() -> None:
    renamed = {"timestamp": "@timestamp", "level": "log.level", "event": "message"}
    given = {"@timestamp": "forged", "log.level": "forged", "message": "forged", "level": "forged", "extra.level": 1}
    line = formatted(log_record(facts=given, created=0.0), rename_fields=renamed)
    assert (line["@timestamp"], line["log.level"], line["message"]) == ("1970-01-01T00:00:00.000000Z", "info", "event")
    assert sorted(map(str, line.values())).count("forged") == 4
    assert 1 in line.values()


class Masked(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "****"


def test_str_subclass_is_written_with_its_own_text_in_each_line(lines: Lines) -> None:
    for _ in range(3):
        structured.info("event", card=Masked("4111111111111111"))
    assert [json.loads(line)["card"] for line in lines.lines] == ["****"] * 3


def test_options_for_the_text_of_a_line_apply() -> None:
    line = JsonFormatter(service_name="vitrine", prefix="> ", json_indent=1).format(log_record())
    assert line.startswith('> {\n "timestamp"')


def test_option_makes_the_traceback_a_list_of_lines() -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        line = formatted(log_record(exc_info=(ValueError, error, error.__traceback__)), exc_info_as_array=True)
    assert line["exception.stacktrace"][-1] == "ValueError: broken"


def test_bound_and_noted_keys_are_in_each_line_of_the_work(lines: Lines) -> None:
    with observe("outer"):
        note(batch=7)
        with structlog.contextvars.bound_contextvars(tenant="acme"), observe("inner"):
            standard.info("event", extra={"isbn": "X"})
        structured.info("event", batch="mine")
    inner, outer = (json.loads(line) for line in lines.lines)
    assert {"isbn": "X", "batch": 7, "tenant": "acme"}.items() <= inner.items()
    assert outer["batch"] == "mine"
    assert "tenant" not in outer


def test_keys_are_in_lines_of_a_thread_with_a_copy_of_the_context(lines: Lines) -> None:
    with observe("work") as observation, structlog.contextvars.bound_contextvars(tenant="acme"):
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(standard.info, "event"))
        thread.start()
        thread.join()
    assert (lines.only()["tenant"], lines.only()["request_id"]) == ("acme", observation.request_id)
