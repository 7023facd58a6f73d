"""Records as readable lines."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.log_analysis.columns import Columns, parse_mappings
from observability.log_analysis.formatting import format_record
from observability.log_analysis.terminal import Terminal
from tests.observability.log_analysis.records import CONTROLS, PLAIN, failure, query, record, request


def lines(of: dict[str, Any], **options: Any) -> list[str]:  # noqa: ANN401
    return list(format_record(of, Columns(), PLAIN, **options))


def test_line_has_time_level_event_logger_keys_and_the_start_of_the_request_id() -> None:
    assert lines(record(0.25, request_id="0f2a9c7e1234", isbn="9780", note="two words")) == [
        '08:30:00.250 info  book_imported [library] isbn=9780 note="two words" 0f2a9c7e'
    ]


def test_access_line_is_summarized() -> None:
    (line,) = lines(request(duration_ms=12.345, db__repeated_count=7, user__id="1", tenant="acme"))
    assert line == "08:30:00.000 info  GET /books/ 200 12 ms 2q repeated=7 user=1 tenant=acme request-"


def test_line_of_a_command_is_summarized() -> None:
    facts = {"command.name": "prepare", "duration_ms": 958.5, "db.query_count": 580, "db.transaction": "committed"}
    (line,) = lines(record(event="command", logger="observability.command") | facts)
    assert line == "08:30:00.000 info  command prepare 958 ms 580q"


def test_access_line_shows_a_rolled_back_transaction() -> None:
    assert "transaction=rolled_back" in lines(request(db__transaction="rolled_back"))[0]


def test_stack_trace_is_below_the_line() -> None:
    first, *others = lines(failure()[0])
    assert "exception." not in first
    assert others[0] == "    Traceback (most recent call last):"
    assert others[-1] == "    ValueError: no books"


def test_stack_trace_may_be_a_list_of_lines() -> None:
    assert lines(record(stacktrace=["one", "\ttwo"]))[1:] == ["    one", "        two"]


def test_sql_is_below_its_line_of_code() -> None:
    line, statement = lines(query())
    assert 'at="library/reports.py:48 report"' in line
    assert statement == "    SELECT 1"


def test_empty_value_is_quoted() -> None:
    assert 'branch=""' in lines(record(branch=""))[0]


def test_offset_replaces_the_time_and_omits_the_id() -> None:
    (line,) = lines(record(request_id="request-1"), offset="+1.0 ms")
    assert line.startswith("+1.0 ms info")
    assert "request-" not in line


def test_empty_record_is_formatted() -> None:
    assert lines({"timestamp": None}) == ["?       "]


def test_level_is_colored_in_a_color_terminal() -> None:
    (line,) = format_record(record(level="error"), Columns(), Terminal(80, has_colors=True))
    assert "\x1b[31merror\x1b[0m" in line


@pytest.mark.parametrize("key", ["level", "event", "logger", "request_id", "note", "url.path", "exception.stacktrace"])
@pytest.mark.parametrize("make", [record, request, query])
def test_control_characters_in_values_are_escaped(key: str, make: Any) -> None:  # noqa: ANN401
    assert not set("".join(lines(make() | {key: CONTROLS, CONTROLS: CONTROLS}))) & set(CONTROLS)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
OTHERS = ["timestamp", "level", "event", "logger", "request_id", "db.query.text", "stacktrace", "exception.stacktrace"]
OTHERS += ["duration_ms", "db.query_count", "outgoing.duration_ms", "command.name", "http.response.status_code"]


@given(
    st.sampled_from([{}, record(), request(), query(), record(event="command", command__name="prepare")]),
    st.dictionaries(st.sampled_from(OTHERS) | st.text(max_size=4), VALUES, max_size=8),
)
def test_record_with_any_content_is_formatted(own: dict[str, Any], others: dict[str, Any]) -> None:
    found = lines(json.loads(json.dumps(own | others)))
    assert found
    assert not any("\n" in line for line in found)


def test_command_without_a_name_is_formatted() -> None:
    (line,) = lines(record(event="command", command__name=None))
    assert "command ?" in line


def test_line_of_another_program_is_formatted_by_its_mapped_columns() -> None:
    columns = Columns(parse_mappings(["time=ts", "event=msg", "level=severity"]))
    record_of_others = columns.normalize({"ts": 1_767_601_800, "msg": "done", "severity": "WARN"})
    assert next(iter(format_record(record_of_others, columns, PLAIN))).startswith("08:30:00.000 warn  done")
