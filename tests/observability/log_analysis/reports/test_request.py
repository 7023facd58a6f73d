"""`logs request`: all lines of one request."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.columns import COLUMNS, Columns, parse_mappings
from observability.log_analysis.log_files import find_logs
from observability.log_analysis.reports.request import find_observations, render_observation
from observability.log_analysis.snapshot import open_logs
from observability.log_analysis.times import TimeRange, parse_time
from tests.observability.log_analysis.records import CONTROLS, PLAIN, at, failure, query, record, request, write

EVENT_ID = "c6d3854f259c0714b51cc3d85ceb1e48"

ALWAYS = TimeRange()


def found(
    directory: Path, id_prefix: str, time_range: TimeRange = ALWAYS, columns: tuple[str, ...] = ()
) -> list[list[str]]:
    """Return the events of each observation."""
    with open_logs(find_logs([directory])) as (logs, _):
        observations = find_observations(logs, Columns(parse_mappings(columns)), time_range, id_prefix)
    return [[record["event"] for record in records] for records in observations]


def shown(*records: dict[str, Any]) -> list[str]:
    return list(render_observation(records, Columns(), PLAIN))


# Find


@pytest.mark.parametrize("id_prefix", ["0f2a9c7e-1", "0f2a9c", "trace-0f2a9c7e-1", "trace-"])
def test_request_is_found_by_the_start_of_its_request_id_or_trace_id(log_dir: Path, id_prefix: str) -> None:
    write(log_dir, request(0, "another-1", trace_id=None))
    write(log_dir, record(0, request_id="0f2a9c7e-1"), request(1, "0f2a9c7e-1"))
    assert found(log_dir, id_prefix) == [["book_imported", "request"]]


def test_middle_of_an_id_does_not_match(log_dir: Path) -> None:
    write(log_dir, request(0, "0f2a9c7e-1", note="0f2a9c7e-2"))
    assert found(log_dir, "a9c7e-") == []
    assert found(log_dir, "0f2a9c7e-2") == []


def test_request_is_found_with_all_lines_by_its_sentry_event(log_dir: Path) -> None:
    write(log_dir, *failure(0, "request-1", sentry__event_id=EVENT_ID), *failure(0, "request-11"))
    write(log_dir, record(-1, request_id="request-1"), name="service.jsonl.1")
    assert found(log_dir, EVENT_ID[:8]) == [["book_imported", "Internal Server Error: /books/", "request"]]


def test_sentry_event_outside_of_a_request_is_found(log_dir: Path) -> None:
    write(log_dir, record(0, "reported", sentry__event_id=EVENT_ID))
    assert found(log_dir, EVENT_ID) == [["reported"]]


def test_start_of_several_ids_finds_each_request_completely(log_dir: Path) -> None:
    write(log_dir, *failure(0, "request-1", sentry__event_id="abcdef12"), record(5, request_id="abcdef99"))
    assert list(map(len, found(log_dir, "abcdef"))) == [2, 1]


def test_repeated_inbound_id_is_two_requests(log_dir: Path) -> None:
    first, second = ([record(s, request_id="again-1"), request(s + 1, "again-1")] for s in (0, 0.5))
    write(log_dir, *first, *({**each, "span_id": "another"} for each in second))
    assert found(log_dir, "again-1") == [["book_imported", "request"]] * 2


def test_line_in_two_logs_is_found_once(log_dir: Path) -> None:
    write(log_dir, *failure())
    write(log_dir, failure()[0], name="errors.jsonl")
    assert list(map(len, found(log_dir, "request-1"))) == [2]


def test_line_that_is_torn_in_one_log_and_complete_in_another_is_found_once(log_dir: Path) -> None:
    whole = json.dumps(failure()[0], separators=(",", ":"))
    write(log_dir, f'{{"timestamp":"2026-{whole}', request(1))
    write(log_dir, whole, name="errors.jsonl")
    assert list(map(len, found(log_dir, "request-1"))) == [2]


def test_lines_are_ordered_by_time(log_dir: Path) -> None:
    write(log_dir, request(3), record(1, "held", "request-1", level="debug"), record(2, "second", "request-1"))
    assert found(log_dir, "request-1") == [["held", "second", "request"]]


def test_time_range_limits_the_found_requests(log_dir: Path) -> None:
    write(log_dir, request(0, "request-1"), request(100, "request-2"))
    time_range = TimeRange(since=parse_time(at(50), "--since"))
    assert list(map(len, found(log_dir, "request-", time_range))) == [1]


@pytest.mark.parametrize("id_prefix", ["short", "", "with space", "a" * 129, "Łódź-123", "quote'1", "a\nb-cdef"])
def test_invalid_id_is_reported(log_dir: Path, id_prefix: str) -> None:
    write(log_dir, request())
    with pytest.raises(LogAnalysisError, match="is not an id"):
        found(log_dir, id_prefix)


def test_request_of_another_program_is_found_by_its_mapped_keys(log_dir: Path) -> None:
    write(log_dir, *({"ts": 1_767_601_800 + s, "rid": "0f2a9c7e", "msg": f"event-{s}"} for s in (1, 0)))
    columns = ("time=ts", "request_id=rid", "event=msg")
    assert found(log_dir, "0f2a9c", columns=columns) == [["event-0", "event-1"]]


# Render


def test_heading_has_method_path_status_and_duration() -> None:
    assert shown(request(duration_ms=1_840.0))[0] == "GET /books/  200 in 1.8 s"


def test_heading_of_a_command_has_its_name() -> None:
    facts: dict[str, Any] = {"logger": "observability.command", "command__name": "import_books", "duration_ms": 90_000}
    lines = shown(record(event="command", request_id="command-1", **facts))
    assert lines[0] == "command import_books in 90 s"
    assert "  request id   command-1" in lines


def test_event_named_like_a_completion_is_not_one() -> None:
    assert shown(record(event="work", duration_ms=5))[0].startswith("No completion record")


def test_missing_completion_record_is_reported() -> None:
    assert shown(record(request_id="request-1"))[0].startswith("No completion record")


def test_summary_has_only_meaningful_values() -> None:
    facts = {"db__repeated_count": 40, "db__query_count": 48, "db__transaction": "rolled_back", "user__id": "7"}
    lines = shown(request(**facts, sentry__event_id="event-1", outgoing__count=2, outgoing__duration_ms=80))
    assert "  queries      48 in 4.0 ms, the same one up to 40 times" in lines
    assert "  transaction  rolled back: its changes were not stored" in lines
    assert "  outgoing     2 in 80 ms" in lines
    assert "  user         7" in lines
    assert "  sentry       event event-1" in lines
    assert not any("budget" in line or "error  " in line for line in lines)


def test_each_line_has_its_time_since_the_start() -> None:
    lines = shown(record(0.01, request_id="request-1"), request(0.05, duration_ms=50.0))
    assert [line.split(" ms ")[0].strip() for line in lines[-2:]] == ["+10.0", "+50.0"]


def test_queries_without_a_log_line_are_counted() -> None:
    assert shown(query(0), request(1, db__query_count=3))[-1].startswith("    2 more queries ")
    assert "more" not in shown(query(0), request(1, db__query_count=1))[-1]


def test_control_characters_in_the_summary_are_escaped() -> None:
    unchanged = ("timestamp", "event", "logger")
    texts = {each.key: CONTROLS for each in COLUMNS.values() if each.type == "VARCHAR" and each.key not in unchanged}
    assert not set("".join(shown(request() | texts))) & set(CONTROLS)


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just([1]) | st.just({"a": 1})
)


@given(
    st.dictionaries(st.sampled_from([column.key for column in COLUMNS.values() if column.key != "timestamp"]), VALUES)
)
def test_request_with_any_content_is_rendered(others: dict[str, Any]) -> None:
    numbers = {} if others.get("db.repeated_count") is None else {"db.repeated_count": 1}
    assert shown({"timestamp": at(0)} | others)
    assert shown(request() | others | {"event": "request", "logger": "observability.access"} | numbers)
