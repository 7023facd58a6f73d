"""The handler of the log files under what happens to files and processes; `bin/bench faults` does it for longer."""

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
    """Return what the handler writes for a record."""
    handler = SharedRotatingFileHandler(path / "service.jsonl")
    handler.setFormatter(JsonFormatter(service_name="vitrine"))
    handler.handle(record)
    handler.close()
    return (path / "service.jsonl").read_text()


@pytest.fixture(scope="module")
def full_disk(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return scenarios.disk_full(tmp_path_factory.mktemp("disk"), records=400)


def test_four_processes_that_rotate_lose_nothing(tmp_path: Path) -> None:
    census = scenarios.many_writers(tmp_path, records=4_000, max_bytes=9_000).census
    assert (census.written, census.lost, census.duplicate, census.torn, census.disordered) == (4_000, 0, 0, 0, 0)
    assert census.files > 10


@pytest.mark.parametrize("kills", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_processes_that_are_killed_lose_no_record_whose_call_returned(tmp_path: Path, kills: int) -> None:
    """A kill may leave the beginning of a line; the reader goes on at the next."""
    census = scenarios.killed(tmp_path, records=1_000, kills=kills).census
    assert census.written >= 1_000
    assert (census.lost, census.duplicate, census.disordered) == (0, 0, 0)
    assert census.torn <= kills


def test_process_that_was_stopped_while_its_file_was_deleted_writes_to_a_newer_one(tmp_path: Path) -> None:
    census = scenarios.stopped(tmp_path, rounds=2).census
    assert census.written > 0
    assert (census.lost, census.duplicate, census.torn) == (0, 0, 0)


def test_handler_made_before_a_fork_loses_nothing(tmp_path: Path) -> None:
    census = scenarios.forked(tmp_path, records=500).census
    assert (census.written, census.lost, census.duplicate, census.torn, census.disordered) == (2_000, 0, 0, 0, 0)


@pytest.mark.slow
def test_file_that_others_rename_under_load_loses_nothing(tmp_path: Path) -> None:
    census = scenarios.renamed(tmp_path, renames=1).census
    assert (census.written, census.lost, census.duplicate, census.torn, census.disordered) == (1_800, 0, 0, 0, 0)
    assert census.files >= 2


@pytest.mark.external("small-disk")
def test_full_disk_raises_nothing_and_says_how_many_records_it_cost(full_disk: Outcome) -> None:
    census = full_disk.census
    assert census.written == 2 * (20 + 400 + 20)
    assert census.lost > 400
    assert (full_disk.reported_dropped, census.duplicate, census.torn) == (census.lost, 0, 0)


@pytest.mark.external("small-disk")
def test_full_disk_is_reported_on_stderr_once_a_second(full_disk: Outcome) -> None:
    # Two writers, a line a second each while they fail, and one when they are well again.
    assert 4 <= len(full_disk.stderr) <= 2 * (full_disk.seconds + 2)
    message = re.compile(r"logging: \S+ (cannot be|is) written.* records? dropped( so far)?\.")
    assert [line for line in full_disk.stderr if not message.fullmatch(line)] == []


@pytest.mark.slow
def test_directory_that_was_removed_is_written_when_it_is_there_again(tmp_path: Path) -> None:
    outcome = scenarios.directory_removed(tmp_path)
    assert (outcome.census.written, outcome.census.lost, outcome.reported_dropped) == (20, 15, 15)


@pytest.mark.slow
def test_lost_permission_costs_what_cannot_be_written_without_it() -> None:
    """A process that has its file open goes on writing to it. The directory is one that other users reach."""
    with tempfile.TemporaryDirectory() as directory:
        outcome = scenarios.permission_lost(Path(directory))
    assert (outcome.census.written, outcome.census.lost, outcome.reported_dropped) == (65, 5, 5)


@pytest.mark.slow
def test_records_of_20_kb_are_whole(tmp_path: Path) -> None:
    census = scenarios.large_records(tmp_path, records=30).census
    assert (census.written, census.lost, census.duplicate, census.torn) == (120, 0, 0, 0)


def test_64_threads_lose_nothing(tmp_path: Path) -> None:
    census = scenarios.many_threads(tmp_path, records=30).census
    assert (census.written, census.lost, census.duplicate, census.torn, census.disordered) == (1_920, 0, 0, 0, 0)


def test_record_that_refers_to_itself_is_one_line(tmp_path: Path) -> None:
    itself: list[object] = []
    itself.append(itself)
    line = written(tmp_path, log_record("circle", items=itself, mapping={"items": itself}))
    assert json.loads(line)["event"] == "circle"


def test_record_of_a_megabyte_is_one_line_that_names_what_was_cut(tmp_path: Path) -> None:
    body = [f"part {number}" * 100 for number in range(1_500)]
    line = written(tmp_path, log_record("large", body=body, isbn="978-0-00-000001-0"))
    fields = json.loads(line)
    assert (fields["truncated"], fields["isbn"], line.count("\n")) == (["body"], "978-0-00-000001-0", 1)
    assert 50_000 < len(line.encode()) <= 65_536


@pytest.mark.parametrize(("max_bytes", "backup_count"), [(0, 0), (0, 5), (10, 0)])
def test_without_rotation_a_renamed_file_is_left_at_once(tmp_path: Path, max_bytes: int, backup_count: int) -> None:
    """As WatchedFileHandler does."""
    file = tmp_path / "service.jsonl"
    handler = SharedRotatingFileHandler(file, maxBytes=max_bytes, backupCount=backup_count)
    handler.handle(log_record("before"))
    file.rename(tmp_path / "renamed")
    handler.handle(log_record("after"))
    handler.close()
    assert ((tmp_path / "renamed").read_text(), file.read_text(), log_files(file)) == ("before\n", "after\n", [file])
