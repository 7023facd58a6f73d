"""The handler of the log files under faults of files and processes. `bin/bench faults` runs longer."""

import json
import logging
import re
import tempfile
from pathlib import Path

import pytest

from benchmarks import scenarios
from benchmarks.census import log_files
from benchmarks.scenarios import Outcome
from observability.logs.formatters import JsonFormatter
from observability.logs.handlers import SharedRotatingFileHandler
from tests.observability.log_records import log_record


def written(path: Path, record: logging.LogRecord) -> str:
    """Return the text that the handler writes for a record."""
    handler = SharedRotatingFileHandler(path / "service.jsonl")
    handler.setFormatter(JsonFormatter(service_name="vitrine"))
    handler.handle(record)
    handler.close()
    return (path / "service.jsonl").read_text()


@pytest.fixture(scope="module")
def full_disk(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return scenarios.disk_full(tmp_path_factory.mktemp("disk"), records=400)


def test_four_processes_that_rotate_lose_no_record(tmp_path: Path) -> None:
    census = scenarios.many_writers(tmp_path, records=4_000, max_bytes=9_000).census
    assert (census.written, census.lost, census.duplicate, census.torn, census.disordered) == (4_000, 0, 0, 0, 0)
    assert census.files > 10


@pytest.mark.parametrize("kills", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_killed_processes_lose_no_record_that_was_logged_before(tmp_path: Path, kills: int) -> None:
    """A killed process may leave a fragment of a line. The reader continues with the next line."""
    census = scenarios.killed(tmp_path, records=1_000, kills=kills).census
    assert census.written >= 1_000
    assert (census.lost, census.duplicate, census.disordered) == (0, 0, 0)
    assert census.torn <= kills


def test_stopped_process_whose_file_was_deleted_continues_in_the_new_file(tmp_path: Path) -> None:
    census = scenarios.stopped(tmp_path, rounds=2).census
    assert census.written > 0
    assert (census.lost, census.duplicate, census.torn) == (0, 0, 0)


def test_handler_created_before_a_fork_loses_no_record(tmp_path: Path) -> None:
    census = scenarios.forked(tmp_path, records=500).census
    assert (census.written, census.lost, census.duplicate, census.torn, census.disordered) == (2_000, 0, 0, 0, 0)


@pytest.mark.slow
def test_no_record_is_lost_if_other_programs_rename_the_file_under_load(tmp_path: Path) -> None:
    census = scenarios.renamed(tmp_path, renames=1).census
    assert (census.written, census.lost, census.duplicate, census.torn, census.disordered) == (1_800, 0, 0, 0, 0)
    assert census.files >= 2


@pytest.mark.external("small-disk")
def test_full_disk_raises_no_exception_and_dropped_records_are_counted(full_disk: Outcome) -> None:
    census = full_disk.census
    assert census.written == 2 * (20 + 400 + 20)
    assert census.lost > 400
    assert (full_disk.reported_dropped, census.duplicate, census.torn) == (census.lost, 0, 0)


@pytest.mark.external("small-disk")
def test_full_disk_is_reported_on_stderr_once_per_second(full_disk: Outcome) -> None:
    # Two processes: each writes one message per second while the disk is full, and one after the recovery.
    assert 4 <= len(full_disk.stderr) <= 2 * (full_disk.seconds + 2)
    message = re.compile(r"logging: \S+ (cannot|can) be written.* records? dropped( so far| before)?\.")
    assert [line for line in full_disk.stderr if not message.fullmatch(line)] == []


@pytest.mark.slow
def test_file_is_written_again_when_its_directory_exists_again(tmp_path: Path) -> None:
    outcome = scenarios.directory_removed(tmp_path)
    assert (outcome.census.written, outcome.census.lost, outcome.reported_dropped) == (20, 15, 15)


@pytest.mark.slow
def test_only_records_that_cannot_be_written_without_permission_are_dropped() -> None:
    """A process can write to a file that it has open. The directory is readable for other users."""
    with tempfile.TemporaryDirectory() as directory:
        outcome = scenarios.permission_lost(Path(directory))
    assert (outcome.census.written, outcome.census.lost, outcome.reported_dropped) == (65, 5, 5)


@pytest.mark.slow
def test_records_of_20_kb_are_complete(tmp_path: Path) -> None:
    census = scenarios.large_records(tmp_path, records=30).census
    assert (census.written, census.lost, census.duplicate, census.torn) == (120, 0, 0, 0)


def test_64_threads_lose_no_record(tmp_path: Path) -> None:
    census = scenarios.many_threads(tmp_path, records=30).census
    assert (census.written, census.lost, census.duplicate, census.torn, census.disordered) == (1_920, 0, 0, 0, 0)


def test_record_that_contains_itself_is_one_line(tmp_path: Path) -> None:
    list_that_contains_itself: list[object] = []
    list_that_contains_itself.append(list_that_contains_itself)
    line = written(
        tmp_path, log_record("circle", items=list_that_contains_itself, mapping={"items": list_that_contains_itself})
    )
    assert json.loads(line)["event"] == "circle"


def test_record_of_a_megabyte_is_one_line_that_lists_the_truncated_keys(tmp_path: Path) -> None:
    body = [f"part {number}" * 100 for number in range(1_500)]
    line = written(tmp_path, log_record("large", body=body, isbn="978-0-00-000001-0"))
    fields = json.loads(line)
    assert (fields["truncated"], fields["isbn"], line.count("\n")) == (["body"], "978-0-00-000001-0", 1)
    assert 50_000 < len(line.encode()) <= 65_536


@pytest.mark.parametrize(("max_bytes", "backup_count"), [(0, 0), (0, 5), (10, 0)])
def test_without_rotation_a_renamed_file_is_reopened_immediately(
    tmp_path: Path, max_bytes: int, backup_count: int
) -> None:
    """WatchedFileHandler does the same."""
    file = tmp_path / "service.jsonl"
    handler = SharedRotatingFileHandler(file, maxBytes=max_bytes, backupCount=backup_count)
    handler.handle(log_record("before"))
    file.rename(tmp_path / "renamed")
    handler.handle(log_record("after"))
    handler.close()
    assert ((tmp_path / "renamed").read_text(), file.read_text(), log_files(file)) == ("before\n", "after\n", [file])
