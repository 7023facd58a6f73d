"""The handler of the log files."""

import logging
from pathlib import Path

import pytest

from observability.logs.handlers import SharedRotatingFileHandler


def handler(file: Path) -> SharedRotatingFileHandler:
    return SharedRotatingFileHandler(file, maxBytes=200, backupCount=50, delay=True)


def write(handler: SharedRotatingFileHandler, text: str) -> None:
    handler.emit(logging.makeLogRecord({"msg": text}))


def test_two_processes_write_to_the_same_file_after_one_of_them_rotated_it(tmp_path: Path) -> None:
    """Each handler stands for the one of a process."""
    file = tmp_path / "service.jsonl"
    one, other = handler(file), handler(file)
    for number in range(100):
        write(one, f"one {number}")
        write(other, f"other {number}")
    one.close()
    other.close()
    lines = [line for each in tmp_path.iterdir() for line in each.read_text().splitlines()]
    assert sorted(lines) == sorted([f"{name} {number}" for name in ("one", "other") for number in range(100)])
    assert file.read_text().splitlines()[-1] == "other 99"


@pytest.mark.parametrize("action", ["delete", "rename"])
def test_file_that_somebody_took_away_is_made_again(tmp_path: Path, action: str) -> None:
    file = tmp_path / "service.jsonl"
    writer = handler(file)
    write(writer, "before")
    if action == "delete":
        file.unlink()
    else:
        file.rename(tmp_path / "elsewhere")
    write(writer, "unseen")
    writer._look_at = 0
    write(writer, "after")
    writer.close()
    assert file.read_text() == ("before\nunseen\nafter\n" if action == "delete" else "after\n")
