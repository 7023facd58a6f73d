"""An open log file that is deleted, renamed or closed by others, or is on a full disk."""

import json
import logging
import os
from pathlib import Path

import pytest

from observability.logs.handlers import SharedRotatingFileHandler
from observability.logs.rotation import LogFile
from tests.observability.disk_space import space_of
from tests.observability.log_records import log_record
from tests.observability.logs.processes import run_python

LINE = '{"event":"numbered"}\n'


def write(handler: logging.Handler) -> None:
    handler.handle(log_record(LINE.strip()))


@pytest.mark.parametrize("free_bytes", range(len(LINE)))
def test_start_of_a_line_is_hidden_if_its_end_does_not_fit_on_the_disk(tmp_path: Path, free_bytes: int) -> None:
    file = tmp_path / "service.jsonl"
    handler = SharedRotatingFileHandler(file)
    write(handler)
    with space_of(len(LINE) + free_bytes):
        write(handler)
    write(handler)
    handler.close()
    events = [
        json.loads(line).get("event") for line in file.read_text().splitlines() if "log_records_dropped" not in line
    ]
    assert [event for event in events if event] == ["numbered", "numbered"]


def test_fragment_that_cannot_be_hidden_is_a_separate_line(tmp_path: Path) -> None:
    """The fragment is in a renamed file. In the next line, only the line break does not fit on the disk."""
    file, renamed = tmp_path / "service.jsonl", tmp_path / "renamed"
    handler = SharedRotatingFileHandler(file, maxBytes=10_000, backupCount=1)
    write(handler)
    file.rename(renamed)
    with space_of(len(LINE) + 5):
        write(handler)
        handler._next_check_at = 1e12
    with space_of(len(LINE) + 5 + len(LINE)):
        write(handler)
        handler._next_check_at = 1e12
    write(handler)
    handler.close()
    whole = LINE.strip()
    assert renamed.read_text().splitlines() == [whole, whole[:5], whole, whole, "log_records_dropped"]


def test_fragment_that_was_overwritten_by_another_process_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "service.jsonl"
    file = LogFile(str(path))
    os.write(file.descriptor, LINE[:9].encode())
    with path.open("r+") as other:
        other.write("{}\n{}\n{}\n")
    assert not file.overwrite_fragment(str(path), LINE[:9].encode())
    assert path.read_text() == "{}\n{}\n{}\n"


def test_file_that_other_code_closed_is_opened_again(tmp_path: Path) -> None:
    """A daemon closes all inherited descriptors. The number may belong to another file afterwards."""
    file, other = tmp_path / "service.jsonl", tmp_path / "other"
    handler = SharedRotatingFileHandler(file)
    write(handler)
    assert handler._file is not None
    os.close(handler._file.descriptor)
    opened = os.open(other, os.O_CREAT | os.O_WRONLY)
    assert opened == handler._file.descriptor
    write(handler)
    write(handler)
    os.close(opened)
    handler.close()
    assert (file.read_text(), other.read_text()) == (LINE * 3, "")


FORKING = """
import logging, os, pathlib, sys
from observability.logs.handlers import SharedRotatingFileHandler
from observability.logs.rotation import LogFile

path = pathlib.Path(sys.argv[1])
handler = SharedRotatingFileHandler(path, maxBytes=10_000, backupCount=3)

def write(text):
    handler.handle(logging.makeLogRecord({"msg": text}))

write("before")
path.unlink()
write("unseen")
if (child := os.fork()) == 0:
    handler._next_check_at = 0.0
    write("child")
    os._exit(0)
os.waitpid(child, 0)
handler._next_check_at = 0.0
write("parent")
"""


def test_line_of_a_deleted_file_is_rescued_once_by_a_process_and_its_child(tmp_path: Path) -> None:
    """Both processes write with the descriptor from before the fork."""
    path = tmp_path / "service.jsonl"
    completed = run_python("-c", FORKING, str(path))
    assert (completed.returncode, completed.stderr) == (0, "")
    assert path.read_text().splitlines() == ["before", "unseen", "child", "parent"]
