"""Log lines: JSON for files, readable ones for the terminal."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from observability import observe
from observability.logs.formatters import BASE_KEYS, JsonFormatter


class Lines(logging.Handler):
    """Keeps the formatted lines."""

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
        structured.info("truck_imported", vin="X", count=2)
        standard.info("truck_imported", extra={"vin": "X", "count": 2})
    one, other = (json.loads(line) for line in lines.lines)
    assert one | {"timestamp": ""} == other | {"timestamp": ""}
    assert list(one) == [*BASE_KEYS, "vin", "count"] == list(other)


def test_timestamp_is_utc_with_microseconds(lines: Lines) -> None:
    before = datetime.now(UTC)
    structured.info("event")
    written = lines.only()["timestamp"]
    assert written.endswith("Z")
    assert abs((datetime.fromisoformat(written) - before).total_seconds()) < 60


def test_line_outside_of_any_work_has_ids_of_null(lines: Lines) -> None:
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


def test_secrets_are_hidden(lines: Lines) -> None:
    structured.info("login", password="s3cret", nested={"api_key": "s3cret"}, url="https://u:s3cret@example.com/")
    assert "s3cret" not in lines.lines[0]


def test_secrets_in_the_text_of_a_line_and_of_its_exception_are_hidden(lines: Lines) -> None:
    try:
        raise ValueError("no answer from https://u:s3cret@example.com/")
    except ValueError:
        standard.exception("asked with Bearer s3cret-s3cret", stack_info=True)
    assert "s3cret" not in lines.lines[0].replace('raise ValueError(\\"no answer from https://u:s3cret', "")
    assert "Stack (most recent call last)" in lines.only()["stacktrace"]


def test_exc_info_outside_of_an_exception_adds_nothing(lines: Lines) -> None:
    structured.info("event", exc_info=True)
    assert list(lines.only()) == list(BASE_KEYS)


def itself() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    "value",
    ["\ud800", 2**100, float("nan"), b"\xff", {(1, 2): 3}, itself(), Unspeakable(), datetime.now(UTC), {1}, object],
    ids=["surrogate", "large", "nan", "bytes", "tuple key", "itself", "unspeakable", "datetime", "set", "class"],
)
def test_any_value_becomes_one_line_of_json(lines: Lines, value: object) -> None:
    structured.info("event", value=value, after=1)
    assert lines.only()["after"] == 1


def test_line_break_in_a_value_does_not_break_the_line(lines: Lines) -> None:
    standard.info("first\nsecond", extra={"text": "a\nb"})
    assert (lines.only()["event"], lines.only()["text"]) == ("first\nsecond", "a\nb")


def test_options_of_python_json_logger_apply(lines: Lines) -> None:
    lines.setFormatter(
        JsonFormatter(service_name="vitrine", rename_fields={"timestamp": "@timestamp"}, static_fields={"region": "cn"})
    )
    structured.info("event")
    assert next(iter(lines.only())) == "@timestamp"
    assert lines.only()["region"] == "cn"
