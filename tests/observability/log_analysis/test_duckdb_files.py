"""Log files, also compressed ones, as DuckDB reads them."""

import bz2
from pathlib import Path

import pytest

from tests.observability.log_analysis.records import (
    COMPRESSIONS,
    database_of,
    record,
    request,
    rows_of,
    run_logs,
    to_lines,
    write,
)


@pytest.mark.parametrize("ending", COMPRESSIONS)
def test_compressed_file_is_read_with_the_others(log_dir: Path, ending: str) -> None:
    (log_dir / f"service.jsonl.1.{ending}").write_bytes(COMPRESSIONS[ending](to_lines([request(0, "request-0")])))
    write(log_dir, request(1, "request-1"))
    rows = rows_of(log_dir, "select request_id from requests order by time")
    assert [row["request_id"] for row in rows] == ["request-0", "request-1"]


@pytest.mark.parametrize("ending", COMPRESSIONS)
def test_record_after_a_fragment_in_a_compressed_file_is_read(log_dir: Path, ending: str) -> None:
    content = b'{"timestamp":"2026-' + to_lines([request(0, "request-0")])
    (log_dir / f"service.jsonl.1.{ending}").write_bytes(COMPRESSIONS[ending](content))
    write(log_dir, request(1, "request-1"))
    sql = "select request_id from requests order by time"
    assert [row["request_id"] for row in rows_of(log_dir, sql)] == ["request-0", "request-1"]


@pytest.mark.parametrize("ending", COMPRESSIONS)
def test_truncated_compressed_file_leaves_other_files_readable(log_dir: Path, ending: str) -> None:
    content = COMPRESSIONS[ending](to_lines(request(second, f"request-{second}") for second in range(5_000)))
    (log_dir / f"service.jsonl.1.{ending}").write_bytes(content[: len(content) // 2])
    write(log_dir, request(9_000, "request-9000"))
    sql = "select request_id from requests order by time desc limit 1"
    assert rows_of(log_dir, sql) == [{"request_id": "request-9000"}]


def test_only_the_damaged_file_of_hundreds_is_reported(log_dir: Path) -> None:
    """DuckDB's error has the descriptor in the path, and other descriptors start with the same digits."""
    for number in range(1, 251):
        content = COMPRESSIONS["gz"](to_lines([request(number)]))
        (log_dir / f"service.jsonl.{number}.gz").write_bytes(content[:-20] if number == 240 else content)
    _, problems = run_logs(log_dir, "sql", sql="select count(*) as n from requests")
    assert problems.splitlines() == [
        f"{log_dir}/service.jsonl.240.gz is damaged: the result has only the lines before the damage.",
        "1 broken line left out: not a JSON object, or without a timestamp.",
    ]


def test_files_of_all_compressions_are_read_together(log_dir: Path) -> None:
    for number, (ending, compress) in enumerate(COMPRESSIONS.items(), 1):
        (log_dir / f"service.jsonl.{number}.{ending}").write_bytes(compress(to_lines([record(-number)])))
    write(log_dir, record())
    assert rows_of(log_dir, "select count(*) as n from records") == [{"n": 5}]


def test_line_with_half_a_surrogate_is_read_with_a_question_mark(log_dir: Path) -> None:
    write(log_dir, '{"timestamp":"2026-01-05T08:30:00Z","event":"half \\ud83d"}')
    assert rows_of(log_dir, "select event from records") == [{"event": "half ?"}]


@pytest.mark.parametrize(
    "line",
    [
        b'{"timestamp":"2026-01-05T08:30:00Z","event":"\xff"}',
        b'{"timestamp":"2026-01-05T08:30:00Z","event":"\\ud83d"}',
        b'{"timestamp":"2026-01-05T08:30:00Z","event":NaN}',
        b'\0\0\0{"timestamp":"2026-01-05T08:30:00Z"}',
        b'\xef\xbb\xbf{"timestamp":"2026-01-05T08:30:00Z"}',
        b'{"timestamp":"2026-01-05T08:30:00Z"}\r',
    ],
)
def test_complete_line_with_odd_content_is_read_once(log_dir: Path, line: bytes) -> None:
    write(log_dir, record(), "rubbish")
    with (log_dir / "service.jsonl").open("ab") as file:
        file.write(line + b"\n")
    text, messages = run_logs(log_dir, "sql", sql="select count(*) as n from records", as_json=True)
    assert (text, messages.split(": ")[0]) == ('{"n": 2}\n', "1 broken line left out")


def test_fragment_before_a_line_is_counted_as_broken(log_dir: Path) -> None:
    write(log_dir, record(), f'{{"timestamp":"2026-{to_lines([record(1)]).decode().strip()}')
    text, messages = run_logs(log_dir, "sql", sql="select count(*) as n from records", as_json=True)
    assert (text, messages.split(": ")[0]) == ('{"n": 2}\n', "1 broken line left out")


def test_long_line_does_not_stop_reading(log_dir: Path) -> None:
    write(log_dir, record(0), record(1, text="x" * 17_000_000), "x" * 17_000_000, record(2))
    assert rows_of(log_dir, "select count(*) as n from records where time >= '2026-01-05 08:30:02'") == [{"n": 1}]


def test_file_that_is_renamed_after_opening_is_read(log_dir: Path) -> None:
    path = write(log_dir, request())
    with database_of(log_dir) as database:
        path.rename(log_dir / "service.jsonl.1")
        path.write_text("something else")
        database.load("requests", ["request_id"])
        assert len(database.fetch_rows("select * from requests")) == 1


def test_file_name_may_contain_any_characters(tmp_path: Path) -> None:
    directory = tmp_path / 'lo\'g "x" {a,b} [1] *?'
    directory.mkdir()
    write(directory, request(), name="it's [1].jsonl")
    (directory / "it's [1].jsonl.1.bz2").write_bytes(bz2.compress(to_lines([request()])))
    assert rows_of(directory, "select count(*) as n from requests") == [{"n": 2}]


def test_byte_order_mark_at_the_start_of_a_file_is_skipped(log_dir: Path) -> None:
    (log_dir / "service.jsonl").write_bytes(b"\xef\xbb\xbf" + to_lines([record(0), record(1), "rubbish"]))
    text, messages = run_logs(log_dir, "sql", sql="select count(*) as n from records", as_json=True)
    assert (text, messages.split(": ")[0]) == ('{"n": 2}\n', "1 broken line left out")
