"""The columns, also for lines of other programs."""

import json
from pathlib import Path
from typing import Any

import pytest

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.columns import COLUMNS, VIEWS, Columns, parse_mappings
from observability.log_analysis.terminal import Terminal
from tests.observability.log_analysis.records import rows_of, run_logs, write

TIME = "time=ts"
NGINX = ("time=ts", "status=code", "duration_ms=seconds*1000", "route=$.request.path", "method=$.request.method")
PLAIN = Terminal(None, has_colors=False)


def line_of_another_program(**others: object) -> dict[str, Any]:
    """Return a line with the keys of another program."""
    line = {"ts": "2026-01-05T08:30:00Z", "code": "200", "seconds": 0.25, "msg": "done"}
    return line | {"request": {"path": "/shop/", "method": "GET"}} | others


# Mappings


@pytest.mark.parametrize(
    ("written", "key", "factor", "path"),
    [
        ("status=code", "code", 1.0, ["code"]),
        ("status=http.code", "http.code", 1.0, ["http.code"]),
        ("route=$.request.path", "$.request.path", 1.0, ["request", "path"]),
        ("duration_ms=seconds*1000", "seconds", 1000.0, ["seconds"]),
        ("duration_ms=took*0.001", "took", 0.001, ["took"]),
        ("event=a=b*c", "a=b*c", 1.0, ["a=b*c"]),
    ],
)
def test_mapping_has_key_path_and_factor(written: str, key: str, factor: float, path: list[str]) -> None:
    ((_, mapped),) = parse_mappings([written]).items()
    assert (mapped.key, mapped.factor, mapped.path) == (key, factor, path)


@pytest.mark.parametrize("written", ["status", "status=", "=code", "code=status", "Status=code", ""])
def test_invalid_mapping_is_reported_with_the_allowed_form(written: str) -> None:
    with pytest.raises(LogAnalysisError, match="NAME=KEY") as raised:
        parse_mappings([written])
    assert repr(written) in str(raised.value)
    assert "user_id" in str(raised.value)


# Times


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-01-05T08:30:00Z", "2026-01-05T08:30:00.000000"),
        ("2026-01-05T08:30:00.123456Z", "2026-01-05T08:30:00.123456"),
        ("2026-01-05T10:30:00+02:00", "2026-01-05T08:30:00.000000"),
        ("2026-01-05 08:30:00,250", "2026-01-05T08:30:00.250000"),
        ("2026-01-05T08:30:00,250Z", "2026-01-05T08:30:00.250000"),
        ("2026-01-05 08:30:00", "2026-01-05T08:30:00.000000"),
        (1_767_601_800, "2026-01-05T08:30:00.000000"),
        (1_767_601_800.25, "2026-01-05T08:30:00.250000"),
        (1_767_601_800_250, "2026-01-05T08:30:00.250000"),
        (1_767_601_800_250_000, "2026-01-05T08:30:00.250000"),
    ],
)
@pytest.mark.parametrize("key", ["ts", "timestamp"])
def test_time_is_parsed(log_dir: Path, written: object, utc: str, key: str) -> None:
    write(log_dir, {key: written, "event": "done"})
    columns = [f"time={key}"] if key == "ts" else None
    assert rows_of(log_dir, "select time from records", columns=columns) == [{"time": f"{utc}Z"}]


@pytest.mark.parametrize("written", ["yesterday", "inf", "nan", "infinity", "1e300", "", True, [], "44-03-15 (BC)"])
def test_line_with_an_invalid_time_is_reported_as_broken(log_dir: Path, written: object) -> None:
    write(log_dir, line_of_another_program(), line_of_another_program(ts=written))
    text, messages = run_logs(log_dir, "sql", sql="select count(*) as n from records", columns=[TIME], as_json=True)
    assert json.loads(text) == {"n": 1}
    assert messages.startswith("1 broken line left out")


def test_time_may_be_nested(log_dir: Path) -> None:
    write(log_dir, {"meta": {"at": "2026-01-05T08:30:00Z", "host": "one"}})
    rows = rows_of(log_dir, "select time, service from records", columns=["time=$.meta.at", "service=$.meta.host"])
    assert rows == [{"time": "2026-01-05T08:30:00.000000Z", "service": "one"}]


# Other values


def test_lines_of_other_programs_are_requests_if_status_and_duration_are_mapped(log_dir: Path) -> None:
    write(
        log_dir,
        line_of_another_program(),
        line_of_another_program(code=503, seconds="1.5"),
        {"ts": "2026-01-05T08:30:00Z", "msg": "started"},
    )
    rows = rows_of(log_dir, "select status, duration_ms, route, method from requests order by 1", columns=list(NGINX))
    assert rows == [
        {"status": 200, "duration_ms": 250.0, "route": "/shop/", "method": "GET"},
        {"status": 503, "duration_ms": 1500.0, "route": "/shop/", "method": "GET"},
    ]


def test_path_is_the_route_if_no_route_is_mapped(log_dir: Path) -> None:
    write(log_dir, line_of_another_program(uri="/a/"))
    columns = ["time=ts", "status=code", "path=uri"]
    assert rows_of(log_dir, "select route from requests", columns=columns) == [{"route": "/a/"}]


def test_integer_column_stays_an_integer_with_a_factor(log_dir: Path) -> None:
    write(log_dir, line_of_another_program(kib="1.5"))
    columns = [*NGINX, "body_bytes=kib*1024"]
    assert rows_of(log_dir, "select body_bytes from requests", columns=columns) == [{"body_bytes": 1536}]


def test_mapped_key_can_be_selected_by_its_own_name(log_dir: Path) -> None:
    write(log_dir, line_of_another_program(), line_of_another_program(seconds=0.5))
    rows = rows_of(log_dir, "select max(seconds) as longest, max(duration_ms) as ms from requests", columns=list(NGINX))
    assert rows == [{"longest": 0.5, "ms": 500.0}]


def test_value_that_does_not_fit_its_column_is_null(log_dir: Path) -> None:
    write(log_dir, line_of_another_program(code="teapot"), line_of_another_program())
    rows = rows_of(log_dir, "select status from records order by 1", columns=list(NGINX))
    assert rows == [{"status": 200}, {"status": None}]


@pytest.mark.parametrize("seconds", [0.25, "0.25"])
def test_normalized_record_equals_the_row_of_the_view(seconds: object) -> None:
    record = Columns(parse_mappings(NGINX)).normalize(line_of_another_program(seconds=seconds, ts=1_767_601_800))
    assert {key: record[key] for key in ("timestamp", "http.response.status_code", "duration_ms", "http.route")} == {
        "timestamp": "2026-01-05T08:30:00.000000Z",
        "http.response.status_code": 200.0,
        "duration_ms": 250.0,
        "http.route": "/shop/",
    }


@pytest.mark.parametrize("code", ["teapot", None, [], {}])
def test_record_without_the_request_columns_is_not_a_request(code: object) -> None:
    columns = Columns(parse_mappings(NGINX))
    assert not columns.is_request_record(columns.normalize(line_of_another_program(code=code)))


# Names


def test_names_and_keys_of_columns_are_unique() -> None:
    assert len({column.key for column in COLUMNS.values()}) == len(COLUMNS)
    assert all(COLUMNS[column.name] == column for columns in VIEWS.values() for column in columns)


@pytest.mark.parametrize("key", ["status", "http.route", "STATUS", "Http.Route", "", "a\0b", "#file"])
def test_reserved_key_does_not_become_a_column(key: str) -> None:
    columns = Columns()
    columns.add(key)
    assert columns.extra == {}


def test_key_that_differs_in_case_only_does_not_become_a_column() -> None:
    columns = Columns()
    columns.add("tenant")
    columns.add("Tenant")
    assert list(columns.extra) == ["tenant"]
