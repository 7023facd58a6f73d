"""The DuckDB views over real files."""

import json
import sys
from pathlib import Path

import pytest

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.columns import VIEWS
from tests.observability.log_analysis.records import (
    at,
    count,
    database_of,
    failure,
    matching_ids,
    query,
    record,
    request,
    rows_of,
    run_logs,
    write,
)

# Rows and columns of the views


def test_access_lines_are_requests(log_dir: Path) -> None:
    write(log_dir, record(0), request(1, "request-1"), query(2), record(3, "request", logger="library"))
    assert [row["request_id"] for row in rows_of(log_dir, "select request_id from requests")] == ["request-1"]


def test_records_contain_each_line_of_all_logs_once(log_dir: Path) -> None:
    failed = failure(2)
    write(log_dir, record(0), *failed)
    write(log_dir, *failed, record(-9000, "gone_elsewhere", level="error"), name="errors.jsonl")
    write(log_dir, query(5), name="sql.jsonl")
    events = [row["event"] for row in rows_of(log_dir, "select event from records order by time")]
    assert events == ["gone_elsewhere", "book_imported", failed[0]["event"], "request", "slow_query"]


def test_statements_come_from_the_sql_log(log_dir: Path) -> None:
    write(log_dir, query(1), request(2))
    write(log_dir, query(1), query(3, event="query"), name="sql.jsonl")
    assert count(log_dir, "true", "statements") == 2


def test_statements_come_from_the_main_log_if_there_is_no_sql_log(log_dir: Path) -> None:
    write(log_dir, query(1), request(2))
    assert count(log_dir, "true", "statements") == 1


@pytest.mark.parametrize("view", VIEWS)
def test_each_column_of_a_view_can_be_selected(log_dir: Path, view: str) -> None:
    write(log_dir, *failure(), query(1, http__route=None))
    names = [column.name for column in VIEWS[view]]
    (row, *_) = rows_of(log_dir, f"select {', '.join(names)} from {view}")
    assert list(row) == names


def test_select_star_includes_noted_keys(log_dir: Path) -> None:
    write(log_dir, request(tenant="acme", log__file__path="x", weight=2.5, nested={"a": 1}, is_new=True))
    (row,) = rows_of(log_dir, "select * from requests")
    assert {key: row[key] for key in ("tenant", "log.file.path", "weight", "is_new")} == {
        "tenant": "acme", "log.file.path": "x", "weight": 2.5, "is_new": True,
    }  # fmt: skip
    assert json.loads(row["nested"]) == {"a": 1}


def test_noted_key_is_a_column(log_dir: Path) -> None:
    write(log_dir, request(1, tenant="acme"), request(2, tenant="other"), request(3))
    sql = "select upper(tenant) as tenant, count(*) as n from requests where tenant is not null group by tenant"
    assert sorted(row["tenant"] for row in rows_of(log_dir, sql)) == ["ACME", "OTHER"]


def test_key_with_values_of_several_types_keeps_all_values(log_dir: Path) -> None:
    write(log_dir, request(1, tenant="acme"), request(2, tenant=7), request(3, tenant=True))
    rows = rows_of(log_dir, "select tenant from requests order by time")
    assert [row["tenant"] for row in rows] == ["acme", "7", "true"]


@pytest.mark.parametrize("key", ["filename", "Filename", "time ", "select", 'a"b', "a'b", "Tenant", "车", "\x1b"])
def test_key_may_have_any_name(log_dir: Path, key: str) -> None:
    write(log_dir, request() | {key: "value"})
    quoted = key.replace('"', '""')
    assert rows_of(log_dir, f'select "{quoted}" as "it" from requests') == [{"it": "value"}]


def test_keys_that_differ_in_case_do_not_break_a_query(log_dir: Path) -> None:
    write(log_dir, request() | {"tenant": "small", "Tenant": "large", "STATUS": "x", "Http.Route": "y", "": "z"})
    (row,) = rows_of(log_dir, "select * from requests")
    assert (row["tenant"], row["status"], row["route"]) == ("small", 200, "/books/")


# Conditions


def test_since_is_inclusive_and_until_is_exclusive(log_dir: Path) -> None:
    write(log_dir, *(request(second, f"request-{second}") for second in range(4)))
    assert matching_ids(log_dir, "", since=at(1), until=at(3)) == ["request-1", "request-2"]


@pytest.mark.parametrize(
    "where",
    [
        "http.response.status_code >= 500",
        "status >= 500",
        "STATUS >= 500",
        '"http.response.status_code" >= 500',
        "records.status >= 500",
        "tenant = 'o''brien'",
        "tenant like '%brien' -- of course",
        "note.kind = 'Łódź 车' and url.path != '😀'",
        "status >= 500) or (user.id = 'nobody'",
        "case http.response.status_code when 200 then false when 503 then true end",
    ],
)
def test_where_selects_the_lines_that_match_the_condition(log_dir: Path, where: str) -> None:
    failed = request(1, "failed", http__response__status_code=503, tenant="o'brien", note__kind="Łódź 车")
    write(log_dir, request(0, "well"), failed)
    assert matching_ids(log_dir, where) == ["failed"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("stauts >= 500", 'Candidate bindings: "status"'),
        ("status >= ", "syntax error at the end of the condition"),
        ("status >=\n", "syntax error at the end of the condition"),
        ("status >= 'five", "five"),
        ("count(*) > 1", "aggregate"),
        ("nothing.like.this = 1", "nothing"),
        ("status = 200; drop table records", "syntax error"),
        ("request_id in (select request_id from records)", "single line"),
    ],
)
def test_invalid_condition_is_reported_as_it_was_typed(log_dir: Path, where: str, message: str) -> None:
    write(log_dir, request())
    with pytest.raises(LogAnalysisError) as raised:
        matching_ids(log_dir, where)
    assert str(raised.value).startswith("--where is ")
    assert repr(where) in str(raised.value)
    assert message in str(raised.value)
    assert "create temp table" not in str(raised.value)


def test_condition_that_fails_at_a_line_is_reported(log_dir: Path) -> None:
    write(log_dir, request())
    with pytest.raises(LogAnalysisError, match=r"^--where is 'cast\(path as integer\) = 1': .*/books/[^\n]*$"):
        matching_ids(log_dir, "cast(path as integer) = 1")


def test_match_records_returns_whether_each_record_matches_the_condition(log_dir: Path) -> None:
    records = [request(0, tenant="acme"), request(1), record(2, tenant="acme \ud800")]
    write(log_dir, *records)
    with database_of(log_dir, where="tenant like 'acme%' and http.response.status_code is null") as database:
        assert database.match_records(records) == [False, False, True]


# Without DuckDB


@pytest.fixture
def no_duckdb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)


@pytest.mark.usefixtures("no_duckdb")
@pytest.mark.parametrize("subcommand", ["top", "sql"])
def test_missing_duckdb_is_reported(log_dir: Path, subcommand: str) -> None:
    write(log_dir, request())
    with pytest.raises(LogAnalysisError, match=r"DuckDB is not installed.*pip install 'duckdb>=1.5'"):
        run_logs(log_dir, subcommand, sql="select 1", by="time")


@pytest.mark.usefixtures("no_duckdb")
def test_condition_needs_duckdb(log_dir: Path) -> None:
    write(log_dir, request())
    with pytest.raises(LogAnalysisError, match=r"DuckDB is not installed.*pip install 'duckdb>=1.5'"):
        run_logs(log_dir, None, where="status = 200")


@pytest.mark.usefixtures("no_duckdb")
def test_following_and_request_work_without_duckdb(log_dir: Path) -> None:
    write(log_dir, request())
    assert "GET /books/ 200" in run_logs(log_dir, None)[0]
    assert "GET /books/  200" in run_logs(log_dir, "request", request_id="request-1")[0]
