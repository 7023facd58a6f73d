"""The handler of the log files in one process. `test_handlers_faults.py` tests several processes."""

import json
import logging
import os
import shutil
import stat
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from observability import files
from observability.files import try_lock_file
from observability.logs import handlers, rotation
from observability.logs.formatters import JsonFormatter
from observability.logs.handlers import SharedRotatingFileHandler
from tests.observability.log_records import log_record


def handler(file: Path, *, max_bytes: int = 200, backup_count: int = 50) -> SharedRotatingFileHandler:
    return SharedRotatingFileHandler(file, maxBytes=max_bytes, backupCount=backup_count, delay=True)


def write(handler: logging.Handler, text: str) -> None:
    handler.handle(log_record(text))


def lines_in(directory: Path) -> list[str]:
    """Return all lines, oldest file first."""
    files = [file for file in directory.glob("service.jsonl*") if file.suffix != ".lock"]
    files.sort(key=lambda file: 0 if file.suffix == ".jsonl" else -int(file.suffix[1:]))
    return [line for file in files for line in file.read_text().splitlines()]


def test_two_processes_write_to_the_same_file_after_one_of_them_rotated_it(tmp_path: Path) -> None:
    """Each handler represents a process."""
    file = tmp_path / "service.jsonl"
    one, other = handler(file), handler(file)
    for number in range(100):
        write(one, f"one {number}")
        write(other, f"other {number}")
    one.close()
    other.close()
    written = lines_in(tmp_path)
    assert sorted(written) == sorted([f"{name} {number}" for name in ("one", "other") for number in range(100)])
    assert [line for line in written if line.startswith("one")] == [f"one {number}" for number in range(100)]


def test_full_file_is_rotated_and_the_oldest_backup_is_deleted(tmp_path: Path) -> None:
    writer = handler(tmp_path / "service.jsonl", max_bytes=10, backup_count=2)
    for text in ("first line", "second line", "third line", "last"):
        write(writer, text)
    writer.close()
    found = {file.name: file.read_text() for file in tmp_path.iterdir() if file.suffix != ".lock"}
    assert found == {"service.jsonl": "last\n", "service.jsonl.1": "third line\n", "service.jsonl.2": "second line\n"}


@pytest.mark.parametrize("checks_path", [False, True])
def test_only_the_line_for_a_deleted_rotated_file_is_written_to_the_new_file(tmp_path: Path, checks_path: bool) -> None:
    """Each handler represents a process. The first one has checked the path after the deletion, or not yet."""
    file = tmp_path / "service.jsonl"
    one, other = (handler(file, max_bytes=50, backup_count=1) for _ in range(2))
    write(one, "before")
    for number in range(30):
        write(other, f"other {number}")
    assert "before" not in lines_in(tmp_path)
    if checks_path:
        one._next_check_at = 0
    write(one, "after")
    assert lines_in(tmp_path).count("after") == 1
    assert "before" not in lines_in(tmp_path)


def test_rotation_with_a_free_number_loses_no_backup(tmp_path: Path) -> None:
    """A process that was killed while it renamed backups leaves a free number."""
    for number in (1, 2, 4):
        (tmp_path / f"service.jsonl.{number}").write_text(f"backup {number}\n")
    writer = handler(tmp_path / "service.jsonl", max_bytes=5, backup_count=4)
    write(writer, "newest")
    writer.close()
    assert [(tmp_path / f"service.jsonl.{number}").read_text() for number in (1, 2, 3, 4)] == [
        "newest\n", "backup 1\n", "backup 2\n", "backup 4\n",
    ]  # fmt: skip


def test_file_is_not_rotated_without_backups(tmp_path: Path) -> None:
    writer = handler(tmp_path / "service.jsonl", max_bytes=5, backup_count=0)
    write(writer, "a long line")
    write(writer, "another one")
    writer.close()
    assert [file.name for file in tmp_path.iterdir()] == ["service.jsonl"]


def test_full_file_grows_while_another_process_has_the_lock_and_is_rotated_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "service.jsonl"
    writer = handler(file, max_bytes=5)
    with try_lock_file(file) as lock:
        assert lock is not None
        write(writer, "a long line")
        write(writer, "another one")
        assert file.read_text() == "a long line\nanother one\n"
    write(writer, "the last one")
    assert (tmp_path / "service.jsonl.1").read_text() == "a long line\nanother one\nthe last one\n"


def test_file_that_was_truncated_meanwhile_is_not_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logrotate does this with `copytruncate`; here it happens immediately before the rotation."""
    file = tmp_path / "service.jsonl"

    def emptied(path: str) -> AbstractContextManager[int | None]:
        os.truncate(file, 0)
        return try_lock_file(path)

    monkeypatch.setattr(rotation, "rotation_lock", emptied)
    writer = handler(file, max_bytes=5)
    write(writer, "a long line")
    monkeypatch.undo()
    write(writer, "new")
    assert lines_in(tmp_path) == ["new"]
    assert not (tmp_path / "service.jsonl.1").exists()


def test_manual_rollover_rotates_the_file(tmp_path: Path) -> None:
    writer = handler(tmp_path / "service.jsonl")
    write(writer, "before")
    writer.doRollover()
    write(writer, "after")
    writer.close()
    assert (tmp_path / "service.jsonl").read_text() == "after\n"
    assert (tmp_path / "service.jsonl.1").read_text() == "before\n"


@pytest.mark.parametrize("action", ["delete", "rename"])
def test_deleted_or_renamed_file_is_created_again(tmp_path: Path, action: str) -> None:
    file = tmp_path / "service.jsonl"
    writer = handler(file)
    write(writer, "before")
    if action == "delete":
        file.unlink()
    else:
        file.rename(tmp_path / "elsewhere")
    write(writer, "unseen")
    # Usually the next check of the path is one second after the last one.
    writer._next_check_at = 0
    write(writer, "after")
    writer.close()
    assert file.read_text() == ("before\nunseen\nafter\n" if action == "delete" else "after\n")


def test_only_the_owner_can_read_a_file_under_any_umask(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        writer = handler(tmp_path / "service.jsonl", max_bytes=5)
        write(writer, "a long line")
        write(writer, "another one")
        writer.close()
    finally:
        os.umask(umask)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


class CountingFormatter(logging.Formatter):
    """Counts the formatted records."""

    count = 0

    def format(self, record: logging.LogRecord) -> str:
        self.count += 1
        return super().format(record)


def test_record_is_formatted_once(tmp_path: Path) -> None:
    writer = handler(tmp_path / "service.jsonl")
    writer.setFormatter(counting := CountingFormatter())
    write(writer, "x" * 300)
    assert counting.count == 1


def test_line_that_is_too_long_is_truncated_json(tmp_path: Path) -> None:
    writer = handler(tmp_path / "service.jsonl", max_bytes=0)
    writer.setFormatter(JsonFormatter(service_name="vitrine"))
    writer.handle(log_record(facts={"bodies": ["x" * 50_000] * 20}))
    (line,) = (tmp_path / "service.jsonl").read_bytes().splitlines(keepends=True)
    assert len(line) <= 65_536
    assert json.loads(line)["truncated"] == ["bodies"]


def test_surrogate_in_a_text_line_is_escaped(tmp_path: Path) -> None:
    writer = handler(tmp_path / "service.jsonl")
    write(writer, "\ud800")
    assert (tmp_path / "service.jsonl").read_text() == "\\ud800\n"


@pytest.mark.parametrize("encoding", [None, "utf-8", "UTF-8", "utf8"])
def test_file_is_utf_8(tmp_path: Path, encoding: str | None) -> None:
    writer = SharedRotatingFileHandler(tmp_path / "service.jsonl", encoding=encoding)
    write(writer, "é")
    assert (tmp_path / "service.jsonl").read_bytes() == "é\n".encode()


def test_other_encoding_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"encoding is 'utf-16-le'\. Allowed: utf-8"):
        SharedRotatingFileHandler(tmp_path / "service.jsonl", encoding="utf-16-le")


def test_filter_of_the_handler_applies(tmp_path: Path) -> None:
    writer = handler(tmp_path / "service.jsonl")
    writer.addFilter(lambda record: record.msg != "dropped")
    write(writer, "dropped")
    write(writer, "written")
    assert (tmp_path / "service.jsonl").read_text() == "written\n"


def test_closed_handler_opens_its_file_again(tmp_path: Path) -> None:
    writer = handler(tmp_path / "service.jsonl")
    write(writer, "before")
    writer.close()
    write(writer, "after")
    assert (tmp_path / "service.jsonl").read_text() == "before\nafter\n"


def test_mode_other_than_append_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"mode is 'w'\. Allowed: 'a'"):
        SharedRotatingFileHandler(tmp_path / "service.jsonl", mode="w")


@pytest.mark.parametrize(
    ("option", "value"), [("maxLineBytes", "64k"), ("maxLineBytes", 0), ("maxBytes", -1), ("backupCount", "ten")]
)
def test_invalid_number_is_an_error(tmp_path: Path, option: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{option} is {value!r}. Allowed: a whole number, "):
        SharedRotatingFileHandler(tmp_path / "service.jsonl", **{option: value})  # type: ignore[arg-type]


def test_unknown_encoding_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="utf-88"):
        SharedRotatingFileHandler(tmp_path / "service.jsonl", encoding="utf-88")


def test_lines_of_a_deleted_file_are_rescued_once_while_other_processes_write_to_it(tmp_path: Path) -> None:
    """Each handler represents a process. The second one checks the path after the first one has rescued lines."""
    file = tmp_path / "service.jsonl"
    one, other = handler(file, max_bytes=10_000), handler(file, max_bytes=10_000)
    write(one, "one before")
    write(other, "other before")
    file.unlink()
    one._next_check_at = 0
    write(one, "one after")
    for number in range(20):
        write(other, f"other unseen {number}")
    other._next_check_at = 0
    write(other, "other after")
    assert sorted(file.read_text().splitlines()) == sorted(
        ["one before", "other before", "one after", "other after", *(f"other unseen {number}" for number in range(20))]
    )


def test_lines_from_before_the_last_check_are_not_rescued(tmp_path: Path) -> None:
    file = tmp_path / "service.jsonl"
    writer = handler(file, max_bytes=10_000)
    write(writer, "found at the next check")
    writer._next_check_at = 0
    write(writer, "unseen")
    file.unlink()
    writer._next_check_at = 0
    write(writer, "after")
    assert lines_in(tmp_path) == ["unseen", "after"]


def test_line_of_a_deleted_file_is_counted_as_dropped_if_another_process_has_the_lock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "service.jsonl"
    writer = handler(file, max_bytes=10_000)
    write(writer, "gone with the file")
    file.unlink()
    writer._next_check_at = 0
    with try_lock_file(file) as lock:
        assert lock is not None
        write(writer, "after")
    assert lines_in(tmp_path) == ["after", "log_records_dropped"]
    assert "its file was deleted; 1 record dropped so far." in capsys.readouterr().err


def test_file_that_cannot_be_opened_is_an_error_at_the_start_unless_it_is_delayed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SharedRotatingFileHandler(tmp_path / "absent" / "service.jsonl")


def test_dropped_records_are_counted_reported_once_per_second_and_logged_after_recovery(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = handler(tmp_path / "log" / "service.jsonl", max_bytes=0)
    writer.setFormatter(JsonFormatter(service_name="vitrine"))
    for number in range(50):
        write(writer, f"lost {number}")
    (tmp_path / "log").mkdir()
    write(writer, "written")
    written, dropped = map(json.loads, (tmp_path / "log" / "service.jsonl").read_text().splitlines())
    assert written["event"] == "written"
    assert (dropped["event"], dropped["level"], dropped["dropped_count"]) == ("log_records_dropped", "warning", 50)
    first, *others = capsys.readouterr().err.splitlines()
    assert first.endswith("log/service.jsonl'; 1 record dropped so far.")
    assert others[-1].endswith("can be written again; 50 records dropped before.")


def test_closed_file_is_opened_again_by_the_second_record(tmp_path: Path) -> None:
    """The next check of the path is not due yet."""
    writer = handler(tmp_path / "service.jsonl", max_bytes=10_000)
    write(writer, "before")
    assert writer._file is not None
    os.close(writer._file.descriptor)
    for text in ("lost", "after"):
        write(writer, text)
    assert lines_in(tmp_path) == ["before", "after", "log_records_dropped"]


def test_file_is_written_again_when_its_directory_exists_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Records in the deleted file, and records without a directory, count as dropped."""
    directory = tmp_path / "log"
    directory.mkdir()
    writer = handler(directory / "service.jsonl", max_bytes=10_000)
    write(writer, "gone with the directory")
    shutil.rmtree(directory)
    write(writer, "unseen")
    # Usually the next check of the path is one second after the last one.
    writer._next_check_at = 0
    write(writer, "lost")
    directory.mkdir()
    write(writer, "written")
    written, dropped = (directory / "service.jsonl").read_text().splitlines()
    assert (written, dropped) == ("written", "log_records_dropped")
    assert capsys.readouterr().err.endswith("can be written again; 3 records dropped before.\n")


def test_dropped_records_are_reported_when_the_handler_closes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = handler(tmp_path / "log" / "service.jsonl")
    write(writer, "lost")
    write(writer, "lost")
    writer.close()
    assert capsys.readouterr().err.splitlines()[-1].endswith("service.jsonl was closed; 2 records dropped.")


def test_failed_formatter_loses_only_its_record(tmp_path: Path) -> None:
    writer = handler(tmp_path / "service.jsonl")
    writer.setFormatter(logging.Formatter("%(absent)s"))
    write(writer, "lost")
    writer.setFormatter(None)
    write(writer, "written")
    assert (tmp_path / "service.jsonl").read_text().splitlines() == ["written", "log_records_dropped"]


def test_file_grows_if_it_cannot_be_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    writer = handler(tmp_path / "service.jsonl", max_bytes=5)
    monkeypatch.setattr(os, "rename", refuse)
    write(writer, "a long line")
    write(writer, "another one")
    assert (tmp_path / "service.jsonl").read_text() == "a long line\nanother one\n"
    (warning,) = capsys.readouterr().err.splitlines()
    assert "service.jsonl cannot be rotated: [Errno 13] Permission denied" in warning


def test_system_without_flock_warns_that_only_one_process_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "HAS_FLOCK", False)
    monkeypatch.setattr(files, "try_lock", lambda _: True)
    with pytest.warns(RuntimeWarning, match=r"Only one process may write .*, because this system has no flock"):
        writer = handler(tmp_path / "service.jsonl", max_bytes=5)
    write(writer, "a long line")
    write(writer, "another one")
    assert lines_in(tmp_path) == ["a long line", "another one"]


def test_device_is_written_and_never_rotated(capsys: pytest.CaptureFixture[str]) -> None:
    writer = handler(Path("/dev/null"), max_bytes=1)
    write(writer, "gone")
    assert capsys.readouterr().err == ""
