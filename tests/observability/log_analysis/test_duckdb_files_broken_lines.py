"""Damaged files and broken lines, in each view."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observability.log_analysis.columns import VIEWS
from tests.observability.log_analysis.records import (
    FRAGMENT,
    after_fragment,
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
    to_lines,
    write,
)


@pytest.mark.parametrize("view", ["requests", "records"])
def test_record_after_a_fragment_is_counted_once(log_dir: Path, view: str) -> None:
    write(log_dir, request(0, "request-0"), after_fragment(request(1, "request-1")), request(2, "request-2"))
    ids = [row["request_id"] for row in rows_of(log_dir, f"select request_id from {view} order by time")]
    assert ids == ["request-0", "request-1", "request-2"]


def test_record_after_a_fragment_is_counted_once_in_each_view_of_a_query(log_dir: Path) -> None:
    write(
        log_dir, request(0, "request-0"), after_fragment(request(1, "request-1")), after_fragment(query(2, "request-1"))
    )
    sql = (
        "select (select count(*) from requests) as requests, (select count(*) from records) as records, "
        "(select count(*) from statements) as statements"
    )
    assert rows_of(log_dir, sql) == [{"requests": 2, "records": 3, "statements": 1}]


@pytest.mark.parametrize("torn", ["service.jsonl", "errors.jsonl", "both"])
def test_line_that_is_torn_in_one_log_and_complete_in_another_is_counted_once(log_dir: Path, torn: str) -> None:
    failed = failure()[0]
    for name in ("service.jsonl", "errors.jsonl"):
        write(log_dir, "rubbish", after_fragment(failed) if torn in (name, "both") else failed, name=name)
    assert count(log_dir, "true", "records") == 1
    with database_of(log_dir) as database:
        database.load("records", ["logger", "event"])
        assert len(database.fetch_rows("select * from records")) == 1


def test_report_reads_the_record_after_a_fragment(log_dir: Path) -> None:
    write(log_dir, request(0, "request-0"), after_fragment(request(1, "request-1")), after_fragment(record(2)))
    assert matching_ids(log_dir, "") == ["request-0", "request-1"]


def test_broken_lines_are_counted_once_for_several_views(log_dir: Path) -> None:
    write(log_dir, request(), "rubbish", "{}", "", "[1]", "null", '{"timestamp": null}', FRAGMENT)
    write(log_dir, "rubbish", record(level="error"), name="errors.jsonl")
    sql = "select 1 from requests, records r1, records r2, statements"
    _, messages = run_logs(log_dir, "sql", sql=sql)
    assert messages.startswith("7 broken lines left out")


SCALARS = (
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from([at(0), "infinity", "0000-01-01", "9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00"])
)
KEYS = st.sampled_from(["timestamp", "duration_ms", "db.query_count", "event", "logger", "tenant"]) | st.text(
    max_size=3
)
OBJECTS = st.recursive(SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=6)


@given(lines=st.lists(st.binary(max_size=30) | OBJECTS.map(lambda each: to_lines([each]).strip()), max_size=60))
# Each example reads its own log, so there are few examples with many lines.
@settings(max_examples=10)
def test_lines_of_any_content_leave_the_others_readable(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    directory = tmp_path_factory.mktemp("log")
    content = b"\n".join([to_lines([request()]).strip(), *lines, to_lines([request(1)])])
    (directory / "service.jsonl").write_bytes(content)
    assert len(rows_of(directory, "select * from records where event = 'request'")) == 2


def test_truncated_compressed_file_is_read_up_to_its_end_and_reported(log_dir: Path) -> None:
    content = gzip.compress(to_lines(request(second, f"request-{second}") for second in range(2_000)))
    (log_dir / "service.jsonl.1.gz").write_bytes(content[: len(content) // 2])
    write(log_dir, request(3_000, "request-3000"))
    with database_of(log_dir) as database:
        database.load("requests", ["request_id"])
        (row,) = database.fetch_rows("select count(*) as n, count(distinct request_id) as ids from requests")
        assert 1 < row["n"] < 2_000
        assert row["n"] == row["ids"]
        assert database.files.problems == [
            f"{log_dir}/service.jsonl.1.gz is damaged: the result has only the lines before the damage."
        ]


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(to_lines([request()]))[:-8] + b"12345678"])
def test_invalid_compressed_file_leaves_other_files_readable(log_dir: Path, content: bytes) -> None:
    (log_dir / "service.jsonl.1.gz").write_bytes(content)
    write(log_dir, request(1, "request-1"))
    assert "request-1" in matching_ids(log_dir, "")


def test_log_without_lines_has_no_rows(log_dir: Path) -> None:
    write(log_dir)
    (log_dir / "service.jsonl.1").touch()
    for view in VIEWS:
        assert rows_of(log_dir, f"select * from {view}") == []
