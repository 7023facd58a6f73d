"""The file of changed levels."""

import json
import os
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from observability.logs.levels import LevelChange, LevelFileError, edit_changes, read_changes, read_signature

WRITTEN = {
    "logger": "library.loans", "level": "DEBUG", "was": "INFO, inherited", "until": 4e9, "seconds": 600, "by": "ada",
    "pid": 7,
}  # fmt: skip


def change(logger: str, *, seconds: float = 600) -> LevelChange:
    return LevelChange(logger, "DEBUG", "INFO", time.time() + seconds, seconds, "ada", 7)


def test_missing_file_has_no_changes(tmp_path: Path) -> None:
    assert read_changes(tmp_path / "nowhere" / "loglevel.json") == []


def test_written_changes_are_read(tmp_path: Path) -> None:
    file = tmp_path / "log" / "loglevel.json"
    one = change("library")
    with edit_changes(file) as changes:
        changes["library"] = one
    assert read_changes(file) == [one]
    assert [each.name for each in file.parent.iterdir()] == ["loglevel.json"]


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_only_the_owner_can_read_the_file_under_any_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with edit_changes(tmp_path / "new" / "loglevel.json"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "loglevel.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_ended_change_is_not_written_again(tmp_path: Path) -> None:
    file = tmp_path / "loglevel.json"
    with edit_changes(file) as changes:
        changes["over"] = change("over", seconds=0)
        changes["library"] = change("library")
    with edit_changes(file) as changes:
        assert list(changes) == ["library"]


def test_concurrent_commands_lose_no_change(tmp_path: Path) -> None:
    file = tmp_path / "loglevel.json"

    def write(number: int) -> None:
        with edit_changes(file) as changes:
            changes[f"logger{number}"] = change(f"logger{number}")

    threads = [Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_changes(file)) == 20


def test_files_of_a_killed_command_do_not_block_the_next_command(tmp_path: Path) -> None:
    (tmp_path / "loglevel.json.new").write_text('{"changes": [{"log')
    with edit_changes(tmp_path / "loglevel.json") as changes:
        changes["library"] = change("library")
    assert [each.logger for each in read_changes(tmp_path / "loglevel.json")] == ["library"]


def test_path_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")
    with (
        pytest.raises(LevelFileError, match=r"log/loglevel.json cannot be written: "),
        edit_changes(tmp_path / "log/loglevel.json"),
    ):
        pass


def test_too_many_changes_are_an_error_and_earlier_changes_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "loglevel.json"
    with edit_changes(file) as changes:
        changes["library"] = change("library")
    with pytest.raises(LevelFileError, match="Reset some changes"), edit_changes(file) as changes:
        changes |= {f"logger{number}": change(f"logger{number}") for number in range(3000)}
    assert [each.logger for each in read_changes(file)] == ["library"]


def test_change_does_not_last_longer_if_the_clock_is_set_back(tmp_path: Path) -> None:
    assert LevelChange("library", "DEBUG", "INFO", time.time() + 1e9, 600, "ada", 7).remaining_s() == 600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[1]",
        b'{"changes": 1}',
        b'{"changes": [1]}',
        b"[" * 100_000,
        b" " * 300_000,
        *(
            json.dumps({"changes": [WRITTEN | wrong]}).encode()
            for wrong in (
                {"level": "LOUD"}, {"logger": 3}, {"until": "soon"}, {"until": float("inf")}, {"seconds": True},
                {"more": 1},
            )
        ),
    ],
)  # fmt: skip
def test_other_content_is_an_error_with_the_path(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "loglevel.json"
    file.write_bytes(content)
    with pytest.raises(LevelFileError, match=r"loglevel.json is not a file of `manage.py loglevel`. Delete it."):
        read_changes(file)
    with pytest.raises(LevelFileError), edit_changes(file):
        pass
    assert file.read_bytes() == content


def test_directory_instead_of_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LevelFileError, match="is not a regular file"):
        read_changes(tmp_path)


def test_signature_differs_after_each_change(tmp_path: Path) -> None:
    file = tmp_path / "loglevel.json"
    seen: set[Any] = {read_signature(file)}
    for _ in range(5):
        with edit_changes(file) as changes:
            changes["library"] = change("library")
        seen.add(read_signature(file))
    assert len(seen) == 6
