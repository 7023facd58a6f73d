"""The census of log files."""

import json
from pathlib import Path

import pytest

from benchmarks.census import Census, log_files, take_census
from benchmarks.scenarios import Outcome
from benchmarks.writer import EVENT


def line(number: int, writer: int = 0) -> str:
    numbered = {"timestamp": "2026-01-01T00:00:00.000000Z", "event": EVENT, "writer": writer, "worker": 0}
    return json.dumps(numbered | {"number": number}, separators=(",", ":")) + "\n"


def census_of(file: Path, text: str, *, written: int) -> Census:
    file.write_text(text)
    return take_census([file], {(0, 0): range(written)})


def test_record_in_no_file_is_lost(tmp_path: Path) -> None:
    census = census_of(tmp_path / "log", line(0) + line(2), written=3)
    assert (census.written, census.lost, census.duplicate) == (3, 1, 0)


def test_record_that_occurs_twice_is_duplicate(tmp_path: Path) -> None:
    census = census_of(tmp_path / "log", line(0) + line(0), written=1)
    assert (census.lost, census.duplicate) == (0, 1)


def test_record_after_a_torn_line_is_counted(tmp_path: Path) -> None:
    census = census_of(tmp_path / "log", line(0)[:40] + line(1) + line(2)[:40], written=2)
    assert (census.torn, census.lost) == (2, 1)


def test_order_is_checked_per_writer(tmp_path: Path) -> None:
    census = census_of(tmp_path / "log", line(1) + line(0, writer=1) + line(0), written=2)
    assert (census.disordered, census.lost) == (1, 0)


def test_log_files_start_with_the_oldest_backup(tmp_path: Path) -> None:
    names = ["log.10", "log.9", "log"]
    for name in [*names, "log.lock"]:
        (tmp_path / name).touch()
    assert [file.name for file in log_files(tmp_path / "log")] == names


@pytest.mark.parametrize(
    ("census", "is_good"),
    [
        (Census(), True),
        (Census(lost=1), False),
        (Census(lost=1, others=[{"event": "log_records_dropped", "dropped_count": 1}]), True),
        (Census(duplicate=1), False),
        (Census(disordered=1), False),
    ],
)
def test_outcome_is_good_only_if_lost_records_are_reported(census: Census, *, is_good: bool) -> None:
    assert Outcome("", census).is_good is is_good
