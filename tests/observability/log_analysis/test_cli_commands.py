"""The subcommands, from their options to their output."""

import csv
import errno
import json
import os
import time
from io import StringIO
from pathlib import Path

import pytest

from observability.log_analysis import LogAnalysisError, prune
from observability.log_analysis.columns import COLUMNS
from observability.log_analysis.terminal import Terminal
from tests.observability.log_analysis.records import (
    CONTROLS,
    at,
    failure,
    query,
    record,
    request,
    rows_of,
    run_logs,
    write,
)

REPORTS = [("top", "time"), ("slow", "time"), ("errors", "count"), ("statements", "time"), ("users", "requests")]
NARROW = Terminal(40, has_colors=False)


# Reports


@pytest.mark.parametrize(("subcommand", "by"), REPORTS)
def test_report_as_json_is_one_object_per_row(log_dir: Path, subcommand: str, by: str) -> None:
    write(log_dir, *failure(), query())
    output, _ = run_logs(log_dir, subcommand, by=by, as_json=True)
    rows = [json.loads(line) for line in output.splitlines()]
    assert len(rows) == 1
    assert all("#" not in key for key in rows[0])


@pytest.mark.parametrize(("subcommand", "by"), REPORTS)
def test_empty_report_says_so(log_dir: Path, subcommand: str, by: str) -> None:
    write(log_dir, record())
    output, messages = run_logs(log_dir, subcommand, by=by)
    assert output.startswith("No ")
    assert messages == ""


@pytest.mark.parametrize(("subcommand", "by"), REPORTS)
def test_control_characters_in_a_report_are_escaped(log_dir: Path, subcommand: str, by: str) -> None:
    unchanged = ("timestamp", "level", "event", "logger")
    texts = {each.key: CONTROLS for each in COLUMNS.values() if each.type == "VARCHAR" and each.key not in unchanged}
    write(log_dir, *(each | texts for each in (*failure(), query(), record(level="error"))))
    output, _ = run_logs(log_dir, subcommand, by=by)
    assert not set(output.replace("\n", "")) & set(CONTROLS)


def test_report_shows_the_number_of_omitted_rows(log_dir: Path) -> None:
    write(log_dir, *(request(second, http__route=f"/{second}/") for second in range(5)))
    assert run_logs(log_dir, "top", by="time", limit=2)[0].endswith("… and 3 more: --limit 0 shows all.\n")


@pytest.mark.parametrize("subcommand", ["top", None, "request", "sql"])
def test_directory_without_a_log_is_reported(log_dir: Path, subcommand: str | None) -> None:
    with pytest.raises(LogAnalysisError, match=f"No log file with JSON lines in {log_dir}"):
        run_logs(log_dir, subcommand, by="time", request_id="request-1", sql="select 1")


def test_other_json_files_in_a_directory_are_ignored(log_dir: Path) -> None:
    """Such files are for example the Sentry spool and the file of changed log levels."""
    write(log_dir, record())
    write(log_dir, {"event_id": "1", "timestamp": "2026-01-05T08:30:00Z", "level": "error"}, name="sentry.jsonl")
    write(log_dir, {"changes": []}, name="loglevel.json")
    text, messages = run_logs(log_dir, "sql", sql="select count(*) as n from records", as_json=True)
    assert (text, messages) == ('{"n": 1}\n', "")


def test_missing_path_is_reported(tmp_path: Path) -> None:
    with pytest.raises(LogAnalysisError, match=r"nowhere does not exist"):
        run_logs(tmp_path / "nowhere", "top", by="time")


# One request


def test_unknown_id_is_reported(log_dir: Path) -> None:
    write(log_dir, request())
    with pytest.raises(LogAnalysisError, match="No log line has the id 'request-2'"):
        run_logs(log_dir, "request", request_id="request-2")


def test_request_as_json_has_the_lines_of_the_file(log_dir: Path) -> None:
    records = failure()
    write(log_dir, *records)
    output, _ = run_logs(log_dir, "request", request_id="request-1", as_json=True)
    assert [json.loads(line) for line in output.splitlines()] == records


# SQL


def test_sql_result_is_a_table(log_dir: Path) -> None:
    write(log_dir, request(0, http__route="/Łódź/"), request(1, http__route=None))
    output, _ = run_logs(log_dir, "sql", sql="select http.route, count(*) as n from requests group by 1 order by 1")
    assert output.splitlines() == ["route   n", "/Łódź/  1", "        1"]


def test_row_that_does_not_fit_is_printed_as_a_list(log_dir: Path) -> None:
    write(log_dir, request())
    output, _ = run_logs(log_dir, "sql", NARROW, sql="select * from requests")
    assert ["route", "/books/"] in [line.split() for line in output.splitlines()]
    assert max(map(len, output.splitlines())) <= 40


def test_control_characters_in_an_sql_result_are_escaped(log_dir: Path) -> None:
    write(log_dir, request(0, url__path=CONTROLS) | {CONTROLS: CONTROLS, "nested": {CONTROLS: CONTROLS}})
    for terminal in (NARROW, Terminal(None, has_colors=False)):
        output, _ = run_logs(log_dir, "sql", terminal, sql="select * from requests")
        assert not set(output.replace("\n", "")) & set(CONTROLS)


def test_rows_beyond_the_limit_are_reported(log_dir: Path) -> None:
    write(log_dir, *(request(second) for second in range(120)))
    assert len(run_logs(log_dir, "sql", sql="select path from requests", limit=100)[0].splitlines()) == 102
    assert len(run_logs(log_dir, "sql", sql="select path from requests", limit=0)[0].splitlines()) == 121


def test_empty_sql_result_is_reported(log_dir: Path) -> None:
    write(log_dir, record())
    assert run_logs(log_dir, "sql", sql="select path from requests")[0] == "No rows.\n"


def test_csv_has_all_rows_with_unchanged_values(log_dir: Path) -> None:
    paths = ['a "quote", b', "two\nlines", "\x1b[2J", "车"]
    write(log_dir, *(request(second, url__path=path) for second, path in enumerate(paths)))
    output, _ = run_logs(log_dir, "sql", sql="select path, user_id from requests order by time", as_csv=True, limit=1)
    assert list(csv.reader(StringIO(output, newline=""))) == [["path", "user_id"], *([path, ""] for path in paths)]


def test_json_result_has_types_and_times(log_dir: Path) -> None:
    write(log_dir, request(0.5, over=True, branches=["a"]))
    sql = "select time, duration_ms, status, user_id, over, branches, [1, 2] as list, {'a': 1} as object from requests"
    assert rows_of(log_dir, sql) == [
        {
            "time": "2026-01-05T08:30:00.500000Z", "duration_ms": 10.0, "status": 200, "user_id": None, "over": True,
            "branches": '["a"]', "list": [1, 2], "object": {"a": 1},
        }
    ]  # fmt: skip


def test_parquet_result_reports_its_number_of_rows(log_dir: Path, tmp_path: Path) -> None:
    write(log_dir, request(0), request(1))
    path = tmp_path / "answer.parquet"
    _, messages = run_logs(log_dir, "sql", sql="select * from requests", parquet=path)
    assert messages == f"{path}: 2 rows.\n"


def test_sql_without_a_query_lists_the_columns(log_dir: Path) -> None:
    output, _ = run_logs(log_dir, "sql", sql=None)
    assert all(column.name in output and column.key in output for column in COLUMNS.values())


# Follow


def test_last_lines_are_shown_oldest_first(log_dir: Path) -> None:
    write(log_dir, *(record(second, f"event-{second}") for second in range(30)))
    output, _ = run_logs(log_dir, None, line_count=2)
    day, *shown = output.splitlines()
    assert day == "2026-01-05 UTC"
    assert [line.split()[2] for line in shown] == ["event-28", "event-29"]


@pytest.mark.parametrize(
    ("options", "events"),
    [
        ({"level": "warning"}, ["warned", "failed"]),
        ({"logger": "library"}, ["done", "warned"]),
        ({"logger": "libr"}, []),
        ({"where": "level = 'error' or event = 'done'"}, ["done", "failed"]),
        ({"where": "branch = 7"}, ["warned"]),
        ({"since": at(1)}, ["warned", "failed"]),
        ({"until": at(2)}, ["done", "warned"]),
    ],
)
def test_options_select_lines(log_dir: Path, options: dict[str, str], events: list[str]) -> None:
    write(log_dir, record(0, "done"), record(1, "warned", level="warning", logger="library.api", branch=7))
    write(log_dir, record(2, "failed", level="error", logger="other"))
    output, _ = run_logs(log_dir, None, as_json=True, **options)
    assert [json.loads(line)["event"] for line in output.splitlines()] == events


def test_line_as_json_equals_the_line_of_the_file(log_dir: Path) -> None:
    line = request(0, url__path="/车/\x1b")
    write(log_dir, line)
    assert json.loads(run_logs(log_dir, None, as_json=True)[0]) == line


def test_lines_of_other_programs_are_printed_by_their_mapped_columns(log_dir: Path) -> None:
    write(log_dir, {"ts": 1_767_601_801, "msg": "second"}, {"ts": 1_767_601_800, "msg": "first"})
    output, _ = run_logs(log_dir, None, columns=["time=ts", "event=msg"])
    assert [line.split()[:2] for line in output.splitlines()[1:]] == [
        ["08:30:00.000", "first"],
        ["08:30:01.000", "second"],
    ]


def test_broken_lines_are_reported(log_dir: Path) -> None:
    write(log_dir, record(), "rubbish", "{}")
    assert run_logs(log_dir, None)[1].startswith("2 broken lines left out")


def test_control_characters_in_lines_are_escaped(log_dir: Path) -> None:
    texts = dict.fromkeys(("event", "logger", "level", "request_id", "exception.stacktrace", CONTROLS), CONTROLS)
    write(log_dir, record() | texts, request(url__path=CONTROLS), query(db__query__text=CONTROLS))
    output, _ = run_logs(log_dir, None)
    assert not set(output.replace("\n", "")) & set(CONTROLS)


# Prune


@pytest.fixture
def three_files(log_dir: Path) -> Path:
    """Return a log with files whose last lines are 2, 1 and 0 days old."""
    for days, name in enumerate(("service.jsonl", "service.jsonl.1", "service.jsonl.2")):
        path = write(log_dir, record(), name=name)
        os.utime(path, (time.time() - days * 86_400 - 60,) * 2)
    return log_dir


def files_of(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("service.jsonl*") if path.suffix != ".lock")


def test_pruned_files_are_reported_and_gone(three_files: Path) -> None:
    output, _ = run_logs(three_files, "prune", keep="36h")
    assert output.splitlines()[0].startswith(f"deleted {three_files}/service.jsonl.2 (")
    assert output.splitlines()[-1].endswith(" kept in 1 log.")
    assert files_of(three_files) == ["service.jsonl", "service.jsonl.1"]


def test_dry_run_deletes_nothing(three_files: Path) -> None:
    output, _ = run_logs(three_files, "prune", max_bytes=0, dry_run=True)
    assert [line.split()[0] for line in output.splitlines()[:2]] == ["would", "would"]
    assert len(files_of(three_files)) == 3


def test_pruning_requires_a_limit(three_files: Path) -> None:
    with pytest.raises(LogAnalysisError, match="--keep 30d, --max-size 5GB, or both"):
        run_logs(three_files, "prune")


def test_newer_files_are_kept_if_one_cannot_be_deleted(three_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[str] = []

    def refuse(each: prune.PrunableFile) -> bool:
        attempts.append(each.file.path.name)
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(prune, "delete_file", refuse)
    with pytest.raises(LogAnalysisError, match="Some files could not be deleted"):
        run_logs(three_files, "prune", max_bytes=0)
    assert attempts == ["service.jsonl.2"]
