"""`logs sql`: SQL over real files, and Parquet files of the results."""

from pathlib import Path

import pytest

from observability.log_analysis import LogAnalysisError
from observability.log_analysis import duckdb_views as module
from tests.observability.log_analysis.records import (
    database_of,
    request,
    rows_of,
    write,
)

# Queries


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select stauts from requests", "stauts"),
        ("selec 1", "syntax error"),
        ("select * from request", "request"),
        ("select cast(path as integer) from requests", "/books/"),
    ],
)
def test_invalid_query_is_reported(log_dir: Path, sql: str, message: str) -> None:
    write(log_dir, request())
    with pytest.raises(LogAnalysisError, match=message):
        rows_of(log_dir, sql)


def test_control_characters_in_an_error_are_escaped(log_dir: Path) -> None:
    write(log_dir, request(url__path="/\x1b[2J\x07"))
    with pytest.raises(LogAnalysisError) as raised:
        rows_of(log_dir, "select cast(path as integer) from requests")
    assert "\x1b" not in str(raised.value)
    assert "\x07" not in str(raised.value)


@pytest.mark.parametrize(
    "sql", ["describe requests", "summarize requests", "show tables", "create table t as select 1"]
)
def test_statement_other_than_select_is_run(log_dir: Path, sql: str) -> None:
    write(log_dir, request())
    assert rows_of(log_dir, sql)


def test_rows_are_in_the_order_of_the_files(log_dir: Path) -> None:
    write(log_dir, *(request(second, f"request-{second:05}") for second in range(9, 6_000)), name="service.jsonl")
    write(log_dir, *(request(second, f"request-{second:05}") for second in range(9)), name="service.jsonl.1")
    ids = [row["request_id"] for row in rows_of(log_dir, "select request_id from requests")]
    assert ids == sorted(ids)


def test_times_are_utc_in_any_time_zone_of_the_machine(log_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    write(log_dir, request(http__route="now"))
    sql = "select current_setting('TimeZone') as zone, time::TIMESTAMPTZ::VARCHAR as time from requests"
    assert rows_of(log_dir, sql) == [{"zone": "UTC", "time": "2026-01-05 08:30:00+00"}]


def test_large_query_uses_a_temporary_directory(log_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMORY_LIMIT", "100MB")
    write(log_dir, *(request(number, f"request-{number}") for number in range(500)))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    # 150,000 texts of 1 kB that are all different.
    texts = "md5(request_id || '/' || i) || repeat('x', 1000)"
    sql = (
        f"select count(distinct {texts}) as n, current_setting('memory_limit') as memory from records, range(300) r(i)"
    )
    assert rows_of(log_dir, sql) == [{"n": 150_000, "memory": "95.3 MiB"}]
    # DuckDB's default is `.tmp` in this directory.
    assert list((tmp_path / "here").iterdir()) == []


# Parquet


def test_parquet_file_has_the_result(log_dir: Path, tmp_path: Path) -> None:
    write(log_dir, request(1, tenant="acme"), request(2, tenant="other"))
    path = tmp_path / "answer.parquet"
    with database_of(log_dir) as database:
        assert database.write_parquet("select time, tenant, http.route from requests", path) == 2
        rows = database.fetch_rows(f"select * from read_parquet('{path}') order by time")
    assert [(row["tenant"], row["route"]) for row in rows] == [("acme", "/books/"), ("other", "/books/")]


@pytest.mark.parametrize(
    "sql", ["select cast(path as integer) from requests", "select nothing from requests", "create table t as select 1"]
)
def test_parquet_file_is_not_created_if_the_query_fails(log_dir: Path, tmp_path: Path, sql: str) -> None:
    write(log_dir, request())
    directory = tmp_path / "answers"
    directory.mkdir()
    with pytest.raises(LogAnalysisError), database_of(log_dir) as database:
        database.write_parquet(sql, directory / "answer.parquet")
    assert list(directory.iterdir()) == []


def test_parquet_file_is_unchanged_if_the_query_fails(log_dir: Path, tmp_path: Path) -> None:
    write(log_dir, request())
    path = tmp_path / "answer.parquet"
    path.write_text("before")
    with pytest.raises(LogAnalysisError), database_of(log_dir) as database:
        database.write_parquet("select cast(path as integer) from requests", path)
    assert path.read_text() == "before"


def test_temporary_parquet_file_is_removed_if_it_cannot_be_renamed(log_dir: Path, tmp_path: Path) -> None:
    write(log_dir, request())
    path = tmp_path / "answers" / "answer.parquet"
    path.mkdir(parents=True)
    with pytest.raises(LogAnalysisError, match=r"answer\.parquet cannot be written"), database_of(log_dir) as database:
        database.write_parquet("select 1", path)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["no-such-directory/answer.parquet", "."])
def test_parquet_file_that_cannot_be_written_is_reported(log_dir: Path, tmp_path: Path, name: str) -> None:
    write(log_dir, request())
    with pytest.raises(LogAnalysisError), database_of(log_dir) as database:
        database.write_parquet("select 1", tmp_path / name)
