"""The views over real files, and what is asked of them."""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observability.logs.reading.columns import VIEWS
from observability.logs.reading.mistake import ReadingError
from tests.observability.logs.reading.records import (
    answered,
    at,
    database_of,
    dumped,
    failure,
    query,
    record,
    request,
    rows_of,
    write,
)

TORN = '{"timestamp":"2026-01-05T08:30:00.000000Z","level":"info","logger":"obser'


def glued(whole: dict[str, Any]) -> str:
    """What a kill in the middle of a call leaves: the next line stands right behind it."""
    return f"{TORN}{json.dumps(whole, separators=(',', ':'))}"


def count(directory: Path, condition: str, view: str = "requests") -> int:
    (row,) = rows_of(directory, f"select count(*) as n from {view} where {condition}")
    return int(row["n"])


def kept(directory: Path, where: str, **options: str) -> list[str]:
    """The ids of the requests for which --where holds."""
    with database_of(directory, where=where, **options) as database:
        database.load("requests", ["request_id"])
        return [row["request_id"] for row in database.rows("select request_id from requests order by time")]


# What the views have


def test_access_lines_are_requests(log_dir: Path) -> None:
    write(log_dir, record(0), request(1, "request-1"), query(2), record(3, "request", logger="service"))
    assert [row["request_id"] for row in rows_of(log_dir, "select request_id from requests")] == ["request-1"]


def test_records_are_the_lines_of_all_logs_each_once(log_dir: Path) -> None:
    failed = failure(2)
    write(log_dir, record(0), *failed)
    write(log_dir, *failed, record(-9000, "gone_elsewhere", level="error"), name="errors.jsonl")
    write(log_dir, query(5), name="sql.jsonl")
    events = [row["event"] for row in rows_of(log_dir, "select event from records order by time")]
    assert events == ["gone_elsewhere", "truck_imported", failed[0]["event"], "request", "slow_query"]


def test_statements_are_those_of_the_log_of_statements(log_dir: Path) -> None:
    write(log_dir, query(1), request(2))
    write(log_dir, query(1), query(3, event="query"), name="sql.jsonl")
    assert count(log_dir, "true", "statements") == 2


def test_statements_are_those_of_the_main_log_where_there_is_no_other(log_dir: Path) -> None:
    write(log_dir, query(1), request(2))
    assert count(log_dir, "true", "statements") == 1


@pytest.mark.parametrize("view", VIEWS)
def test_each_column_of_a_view_can_be_asked_for(log_dir: Path, view: str) -> None:
    write(log_dir, *failure(), query(1, http__route=None))
    names = [column.name for column in VIEWS[view]]
    (row, *_) = rows_of(log_dir, f"select {', '.join(names)} from {view}")
    assert list(row) == names


def test_all_columns_include_the_keys_that_are_noted(log_dir: Path) -> None:
    write(log_dir, request(tenant="acme", log__file__path="x", weight=2.5, nested={"a": 1}, is_new=True))
    (row,) = rows_of(log_dir, "select * from requests")
    assert {key: row[key] for key in ("tenant", "log.file.path", "weight", "is_new")} == {
        "tenant": "acme", "log.file.path": "x", "weight": 2.5, "is_new": True,
    }  # fmt: skip
    assert json.loads(row["nested"]) == {"a": 1}


def test_key_that_is_noted_is_a_column_of_its_own_name(log_dir: Path) -> None:
    write(log_dir, request(1, tenant="acme"), request(2, tenant="other"), request(3))
    sql = "select upper(tenant) as tenant, count(*) as n from requests where tenant is not null group by tenant"
    assert sorted(row["tenant"] for row in rows_of(log_dir, sql)) == ["ACME", "OTHER"]


def test_key_that_has_values_of_several_types_keeps_them_all(log_dir: Path) -> None:
    write(log_dir, request(1, tenant="acme"), request(2, tenant=7), request(3, tenant=True))
    rows = rows_of(log_dir, "select tenant from requests order by time")
    assert [row["tenant"] for row in rows] == ["acme", "7", "true"]


@pytest.mark.parametrize("key", ["filename", "Filename", "time ", "select", 'a"b', "a'b", "Tenant", "车", "\x1b"])
def test_key_may_have_any_name(log_dir: Path, key: str) -> None:
    write(log_dir, request() | {key: "value"})
    quoted = key.replace('"', '""')
    assert rows_of(log_dir, f'select "{quoted}" as "it" from requests') == [{"it": "value"}]


def test_keys_that_differ_in_their_case_do_not_hinder_a_question(log_dir: Path) -> None:
    write(log_dir, request() | {"tenant": "small", "Tenant": "large", "STATUS": "x", "Http.Route": "y", "": "z"})
    (row,) = rows_of(log_dir, "select * from requests")
    assert (row["tenant"], row["status"], row["route"]) == ("small", 200, "/trucks/")


# Which lines


def test_since_is_the_first_time_and_until_is_none(log_dir: Path) -> None:
    write(log_dir, *(request(second, f"request-{second}") for second in range(4)))
    assert kept(log_dir, "", since=at(1), until=at(3)) == ["request-1", "request-2"]


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
def test_where_keeps_the_lines_for_which_it_holds(log_dir: Path, where: str) -> None:
    failed = request(1, "failed", http__response__status_code=503, tenant="o'brien", note__kind="Łódź 车")
    write(log_dir, request(0, "well"), failed)
    assert kept(log_dir, where) == ["failed"]


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("stauts >= 500", "stauts"),
        ("status >= ", "syntax error"),
        ("status >= 'five", "five"),
        ("count(*) > 1", "aggregate"),
        ("nothing.like.this = 1", "nothing"),
        ("status = 200; drop table records", "syntax error"),
        ("request_id in (select request_id from records)", "one line"),
    ],
)
def test_condition_that_is_none_is_told_as_it_was_typed(log_dir: Path, where: str, told: str) -> None:
    write(log_dir, request())
    with pytest.raises(ReadingError) as raised:
        kept(log_dir, where)
    assert str(raised.value).startswith("--where is ")
    assert repr(where) in str(raised.value)
    assert told in str(raised.value)
    assert "create temp table" not in str(raised.value)


def test_condition_that_fails_at_a_line_is_told(log_dir: Path) -> None:
    write(log_dir, request())
    with pytest.raises(ReadingError, match=r"^--where is 'cast\(path as integer\) = 1': .*/trucks/[^\n]*$"):
        kept(log_dir, "cast(path as integer) = 1")


def test_matching_tells_of_each_record_whether_the_condition_holds(log_dir: Path) -> None:
    records = [request(0, tenant="acme"), request(1), record(2, tenant="acme \ud800")]
    write(log_dir, *records)
    with database_of(log_dir, where="tenant like 'acme%' and http.response.status_code is null") as database:
        assert database.matching(records) == [False, False, True]


# What is asked


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select stauts from requests", "stauts"),
        ("selec 1", "syntax error"),
        ("select * from request", "request"),
        ("select cast(path as integer) from requests", "/trucks/"),
    ],
)
def test_question_that_cannot_be_answered_is_told_of(log_dir: Path, sql: str, told: str) -> None:
    write(log_dir, request())
    with pytest.raises(ReadingError, match=told):
        rows_of(log_dir, sql)


def test_what_a_line_says_steers_no_terminal_from_an_error(log_dir: Path) -> None:
    write(log_dir, request(url__path="/\x1b[2J\x07"))
    with pytest.raises(ReadingError) as raised:
        rows_of(log_dir, "select cast(path as integer) from requests")
    assert "\x1b" not in str(raised.value)
    assert "\x07" not in str(raised.value)


@pytest.mark.parametrize(
    "sql", ["describe requests", "summarize requests", "show tables", "create table t as select 1"]
)
def test_statement_that_is_no_select_is_answered_too(log_dir: Path, sql: str) -> None:
    write(log_dir, request())
    assert rows_of(log_dir, sql)


def test_lines_come_in_the_order_of_the_files(log_dir: Path) -> None:
    write(log_dir, *(request(second, f"request-{second:05}") for second in range(9, 6_000)), name="service.jsonl")
    write(log_dir, *(request(second, f"request-{second:05}") for second in range(9)), name="service.jsonl.1")
    ids = [row["request_id"] for row in rows_of(log_dir, "select request_id from requests")]
    assert ids == sorted(ids)


def test_times_are_utc_in_a_question_wherever_the_machine_stands(
    log_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    write(log_dir, request(http__route="now"))
    sql = "select current_setting('TimeZone') as zone, time::TIMESTAMPTZ::VARCHAR as time from requests"
    assert rows_of(log_dir, sql) == [{"zone": "UTC", "time": "2026-01-05 08:30:00+00"}]


# Parquet


def test_parquet_file_has_the_answer(log_dir: Path, tmp_path: Path) -> None:
    write(log_dir, request(1, tenant="acme"), request(2, tenant="other"))
    path = tmp_path / "answer.parquet"
    with database_of(log_dir) as database:
        assert database.write_parquet("select time, tenant, http.route from requests", path) == 2
        rows = database.rows(f"select * from read_parquet('{path}') order by time")
    assert [(row["tenant"], row["route"]) for row in rows] == [("acme", "/trucks/"), ("other", "/trucks/")]


@pytest.mark.parametrize(
    "sql", ["select cast(path as integer) from requests", "select nothing from requests", "create table t as select 1"]
)
def test_parquet_file_is_not_there_where_the_question_fails(log_dir: Path, tmp_path: Path, sql: str) -> None:
    write(log_dir, request())
    directory = tmp_path / "answers"
    directory.mkdir()
    with pytest.raises(ReadingError), database_of(log_dir) as database:
        database.write_parquet(sql, directory / "answer.parquet")
    assert list(directory.iterdir()) == []


def test_parquet_file_stays_as_it_was_where_the_question_fails(log_dir: Path, tmp_path: Path) -> None:
    write(log_dir, request())
    path = tmp_path / "answer.parquet"
    path.write_text("before")
    with pytest.raises(ReadingError), database_of(log_dir) as database:
        database.write_parquet("select cast(path as integer) from requests", path)
    assert path.read_text() == "before"


@pytest.mark.parametrize("name", ["no-such-directory/answer.parquet", "."])
def test_parquet_file_that_cannot_be_written_is_told_of(log_dir: Path, tmp_path: Path, name: str) -> None:
    write(log_dir, request())
    with pytest.raises(ReadingError), database_of(log_dir) as database:
        database.write_parquet("select 1", tmp_path / name)


# Files that are not whole


@pytest.mark.parametrize("view", ["requests", "records"])
def test_line_behind_a_torn_one_is_counted_once(log_dir: Path, view: str) -> None:
    write(log_dir, request(0, "request-0"), glued(request(1, "request-1")), request(2, "request-2"))
    ids = [row["request_id"] for row in rows_of(log_dir, f"select request_id from {view} order by time")]
    assert ids == ["request-0", "request-1", "request-2"]


def test_line_behind_a_torn_one_is_counted_once_in_each_view_of_a_question(log_dir: Path) -> None:
    write(log_dir, request(0, "request-0"), glued(request(1, "request-1")), glued(query(2, "request-1")))
    sql = (
        "select (select count(*) from requests) as requests, (select count(*) from records) as records, "
        "(select count(*) from statements) as statements"
    )
    assert rows_of(log_dir, sql) == [{"requests": 2, "records": 3, "statements": 1}]


@pytest.mark.parametrize("torn", ["service.jsonl", "errors.jsonl", "both"])
def test_line_that_is_torn_in_one_log_and_whole_in_another_is_counted_once(log_dir: Path, torn: str) -> None:
    failed = failure()[0]
    for name in ("service.jsonl", "errors.jsonl"):
        write(log_dir, "rubbish", glued(failed) if torn in (name, "both") else failed, name=name)
    assert count(log_dir, "true", "records") == 1
    with database_of(log_dir) as database:
        database.load("records", ["logger", "event"])
        assert len(database.rows("select * from records")) == 1


def test_report_reads_the_line_behind_a_torn_one(log_dir: Path) -> None:
    write(log_dir, request(0, "request-0"), glued(request(1, "request-1")), glued(record(2)))
    assert kept(log_dir, "") == ["request-0", "request-1"]


def test_broken_lines_are_counted_once_however_many_views_are_asked(log_dir: Path) -> None:
    write(log_dir, request(), "rubbish", "{}", "", "[1]", "null", '{"timestamp": null}', TORN)
    write(log_dir, "rubbish", record(level="error"), name="errors.jsonl")
    sql = "select 1 from requests, records r1, records r2, statements"
    _, said = answered(log_dir, "sql", sql=sql)
    assert said == "7 broken lines left out.\n"


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


@given(lines=st.lists(st.binary(max_size=30) | OBJECTS.map(lambda each: dumped([each]).strip()), max_size=8))
@settings(deadline=None, max_examples=60)
def test_lines_of_any_content_leave_the_others_readable(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    directory = tmp_path_factory.mktemp("log")
    content = b"\n".join([dumped([request()]).strip(), *lines, dumped([request(1)])])
    (directory / "service.jsonl").write_bytes(content)
    assert len(rows_of(directory, "select * from records where event = 'request'")) == 2


def test_compressed_file_without_its_end_is_read_up_to_there(log_dir: Path) -> None:
    content = gzip.compress(dumped(request(second, f"request-{second}") for second in range(2_000)))
    (log_dir / "service.jsonl.1.gz").write_bytes(content[: len(content) // 2])
    write(log_dir, request(3_000, "request-3000"))
    with database_of(log_dir) as database:
        database.load("requests", ["request_id"])
        (row,) = database.rows("select count(*) as n, count(distinct request_id) as ids from requests")
        assert 1 < row["n"] < 2_000
        assert row["n"] == row["ids"]
        assert database.sources.problems == [f"{log_dir}/service.jsonl.1.gz is damaged, and was read up to there."]


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(dumped([request()]))[:-8] + b"12345678"])
def test_compressed_file_that_is_none_leaves_the_others_readable(log_dir: Path, content: bytes) -> None:
    (log_dir / "service.jsonl.1.gz").write_bytes(content)
    write(log_dir, request(1, "request-1"))
    assert "request-1" in kept(log_dir, "")


def test_log_without_lines_has_no_rows(log_dir: Path) -> None:
    write(log_dir)
    (log_dir / "service.jsonl.1").touch()
    for view in VIEWS:
        assert rows_of(log_dir, f"select * from {view}") == []


def test_many_lines_are_read_within_the_memory_that_is_given(log_dir: Path) -> None:
    lines = [dumped([request(number / 100, f"request-{number}")]) for number in range(1_000)]
    (log_dir / "service.jsonl").write_bytes(b"".join(lines) * 100)
    assert count(log_dir, "true", "records") == 100_000
    distinct = "select distinct request_id from records"
    sql = f"select sum(length(r.path)) as n from records r join ({distinct}) using (request_id)"
    assert rows_of(log_dir, sql) == [{"n": 800_000}]


# Without DuckDB


@pytest.fixture
def no_duckdb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)


@pytest.mark.usefixtures("no_duckdb")
@pytest.mark.parametrize("question", ["top", "sql"])
def test_what_is_to_be_installed_is_told(log_dir: Path, question: str) -> None:
    write(log_dir, request())
    with pytest.raises(ReadingError, match="pip install duckdb"):
        answered(log_dir, question, sql="select 1", by="time")


@pytest.mark.usefixtures("no_duckdb")
def test_condition_needs_duckdb(log_dir: Path) -> None:
    write(log_dir, request())
    with pytest.raises(ReadingError, match="pip install duckdb"):
        answered(log_dir, None, where="status = 200")


@pytest.mark.usefixtures("no_duckdb")
def test_lines_and_a_request_are_shown_without_duckdb(log_dir: Path) -> None:
    write(log_dir, request())
    assert "GET /trucks/ 200" in answered(log_dir, None)[0]
    assert "GET /trucks/  200" in answered(log_dir, "request", id="request-1")[0]
