"""What the census of log files finds."""

import json
from pathlib import Path

import pytest

from benchmarks.census import Census, chain, take_census
from benchmarks.scenarios import Outcome
from benchmarks.writer import EVENT


def line(number: int, writer: int = 0) -> str:
    numbered = {"timestamp": "2026-01-01T00:00:00.000000Z", "event": EVENT, "writer": writer, "worker": 0}
    return json.dumps(numbered | {"number": number}, separators=(",", ":")) + "\n"


def census_of(file: Path, text: str, *, written: int) -> Census:
    file.write_text(text)
    return take_census([file], {(0, 0): range(written)})


def test_record_that_is_in_no_file_is_lost(tmp_path: Path) -> None:
    census = census_of(tmp_path / "log", line(0) + line(2), written=3)
    assert (census.written, census.lost, census.doubled) == (3, 1, 0)


def test_record_that_is_there_twice_is_doubled(tmp_path: Path) -> None:
    census = census_of(tmp_path / "log", line(0) + line(0), written=1)
    assert (census.lost, census.doubled) == (0, 1)


def test_record_after_a_fragment_is_found(tmp_path: Path) -> None:
    census = census_of(tmp_path / "log", line(0)[:40] + line(1) + line(2)[:40], written=2)
    assert (census.torn, census.lost) == (2, 1)


def test_order_is_that_of_a_thread(tmp_path: Path) -> None:
    census = census_of(tmp_path / "log", line(1) + line(0, writer=1) + line(0), written=2)
    assert (census.disordered, census.lost) == (1, 0)


def test_backups_are_read_from_the_oldest(tmp_path: Path) -> None:
    names = ["log.10", "log.9", "log"]
    for name in [*names, "log.lock"]:
        (tmp_path / name).touch()
    assert [file.name for file in chain(tmp_path / "log")] == names


@pytest.mark.parametrize(
    ("census", "is_good"),
    [
        (Census(), True),
        (Census(lost=1), False),
        (Census(lost=1, others=[{"event": "log_records_dropped", "dropped_count": 1}]), True),
        (Census(doubled=1), False),
        (Census(disordered=1), False),
    ],
)
def test_loss_that_the_files_do_not_tell_is_not_good(census: Census, *, is_good: bool) -> None:
    assert Outcome("", census).is_good is is_good
