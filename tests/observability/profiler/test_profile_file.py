"""The profile file, also if it is missing, damaged, locked or of another version."""

import fcntl
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from pytest_django import Settings

from observability.profiler import profile_file
from observability.profiler.profile_file import SCHEMA_VERSION, ProfileFile, profile_path
from tests.server import ROOT

ADD = "INSERT INTO panel VALUES (?, 'SQLPanel', '')"
ADDING = """
import sys
from pathlib import Path
from observability.profiler.profile_file import ProfileFile
from tests.observability.profiler.test_profile_file import add
file = ProfileFile(Path(sys.argv[1]))
for line in sys.stdin:
    add(file, int(line))
    print("added", flush=True)
"""


@pytest.fixture
def file(path: Path) -> Iterator[ProfileFile]:
    file = ProfileFile(path)
    yield file
    file.close()


@pytest.fixture
def other(path: Path) -> Iterator[ProfileFile]:
    """Open the same file again, as another process does."""
    file = ProfileFile(path)
    yield file
    file.close()


def add(file: ProfileFile, number: int) -> None:
    with file.writing() as connection:
        connection.execute(ADD, (number,))


@contextmanager
def adding_process(path: Path) -> Iterator[Callable[[int], None]]:
    """Return a function that adds numbers to the file in another process. The process has it open during the block."""
    command, pipe = [sys.executable, "-c", ADDING, str(path)], subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe) as process:

        def add_in_process(number: int) -> None:
            print(number, file=process.stdin, flush=True)
            assert process.stdout is not None
            assert process.stdout.readline() == "added\n"

        yield add_in_process


def numbers(file: ProfileFile) -> list[int]:
    with file.reading() as connection:
        return [row["number"] for row in connection.execute("SELECT number FROM panel ORDER BY number")]


def test_written_data_can_be_read_by_another_process(file: ProfileFile, other: ProfileFile) -> None:
    assert numbers(other) == []
    add(file, 1)
    assert numbers(other) == [1]


def test_file_and_its_wal_files_are_private(file: ProfileFile, path: Path) -> None:
    mask = os.umask(0)
    try:
        add(file, 1)
    finally:
        os.umask(mask)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {path.name: 0o600, f"{path.name}-wal": 0o600, f"{path.name}-shm": 0o600}


def test_directories_of_the_file_are_created(path: Path) -> None:
    file = ProfileFile(path.parent / "var" / "own" / "profiles.sqlite3")
    add(file, 1)
    file.close()
    assert file.path.is_file()


def test_failed_block_is_rolled_back(file: ProfileFile) -> None:
    def write_and_fail() -> None:
        with file.writing() as connection:
            connection.execute(ADD, (1,))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert numbers(file) == []
    add(file, 2)
    assert numbers(file) == [2]


def test_deleted_file_is_created_again(file: ProfileFile, path: Path) -> None:
    add(file, 1)
    path.unlink()
    add(file, 2)
    assert numbers(file) == [2]
    assert path.is_file()


def test_file_that_was_deleted_with_its_wal_files_is_created_again(file: ProfileFile, path: Path) -> None:
    add(file, 1)
    for each in path.parent.iterdir():
        each.unlink()
    add(file, 2)
    assert numbers(file) == [2]


def test_file_that_was_deleted_is_shared_by_two_processes_again(file: ProfileFile, path: Path) -> None:
    with adding_process(path) as add_in_process:
        add(file, 1)
        add_in_process(2)
        path.unlink()
        # The process closes the deleted file while the new file is already written.
        for number in (3, 5, 7):
            add(file, number)
            add_in_process(number + 1)
        assert numbers(file) == [3, 4, 5, 6, 7, 8]


def test_file_of_another_version_is_emptied(file: ProfileFile, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE profile (number INTEGER, old TEXT)")
        connection.execute("CREATE TABLE panel (old TEXT)")
        connection.execute("INSERT INTO panel VALUES ('of another version')")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        connection.commit()
    assert numbers(file) == []
    add(file, 1)
    assert numbers(file) == [1]


def test_file_of_this_version_keeps_its_data(file: ProfileFile, path: Path) -> None:
    add(file, 1)
    file.close()
    later = ProfileFile(path)
    assert numbers(later) == [1]
    later.close()


def test_file_that_is_not_a_database_is_an_error_and_is_unchanged(file: ProfileFile, path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)
    for _ in range(2):
        with pytest.raises(sqlite3.DatabaseError, match="not a database"):
            add(file, 1)
    assert path.read_bytes() == b"no database at all" * 100


def test_file_is_created_after_an_invalid_file_was_deleted(file: ProfileFile, path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        add(file, 1)
    path.unlink()
    add(file, 2)
    assert numbers(file) == [2]


def test_directory_that_cannot_be_created_is_an_error(path: Path) -> None:
    path.write_text("a file")
    with pytest.raises(OSError, match="Not a directory"):
        add(ProfileFile(path / "profiles.sqlite3"), 1)


def test_file_is_used_when_it_can_be_created_again(file: ProfileFile, path: Path) -> None:
    add(file, 1)
    path.unlink()
    path.mkdir()
    for _ in range(2):
        with pytest.raises(OSError, match="directory"):
            add(file, 2)
    path.rmdir()
    add(file, 3)
    assert numbers(file) == [3]


def test_lock_of_another_process_is_an_error_after_the_timeout_and_nothing_is_written(
    file: ProfileFile, other: ProfileFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_file, "LOCK_TIMEOUT_S", 0.05)
    with other.writing() as writing:
        writing.execute(ADD, (1,))
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            add(file, 2)
        assert numbers(file) == []
    assert numbers(file) == [1]
    add(file, 3)
    assert numbers(other) == [1, 3]


def test_write_waits_for_the_lock_of_another_process(
    file: ProfileFile, other: ProfileFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_file, "LOCK_TIMEOUT_S", 20)
    with other.writing() as writing:
        writing.execute(ADD, (1,))
        waiting = Thread(target=add, args=(file, 2))
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
    waiting.join()
    assert numbers(file) == [1, 2]


def test_file_is_opened_by_one_process_at_a_time(file: ProfileFile, path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        opening = Thread(target=add, args=(file, 1))
        opening.start()
        opening.join(0.2)
        assert not path.exists()
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)
    opening.join()
    assert numbers(file) == [1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_forked_process_does_not_wait_for_a_lock_of_its_parent(file: ProfileFile) -> None:
    add(file, 1)
    is_reading, is_forked = Event(), Event()

    def read() -> None:
        with file.reading():
            is_reading.set()
            is_forked.wait()

    reading = Thread(target=read)
    reading.start()
    is_reading.wait()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            # If the child waits, the signal ends it.
            signal.alarm(20)
            add(file, 2)
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    is_forked.set()
    reading.join()
    assert status == 0
    assert numbers(file) == [1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_process_writes_with_a_new_connection(file: ProfileFile) -> None:
    add(file, 1)
    with file.reading() as connection:
        of_parent = connection
    child = os.fork()
    if child == 0:
        # The child must end here in any case, so that it does not continue with the tests.
        status = 1
        try:
            add(file, 2)
            with file.reading() as connection:
                status = int(connection is of_parent or numbers(file) != [1, 2])
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    add(file, 3)
    assert numbers(file) == [1, 2, 3]
    with file.reading() as connection:
        assert connection is of_parent


def test_path_is_relative_to_the_code_root(settings: Settings) -> None:
    settings.OBSERVABILITY = {"VAR_DIR": "own", "CODE_ROOT": "/srv/app"}
    assert profile_path() == Path("/srv/app/own/profiles.sqlite3")


def test_path_without_a_code_root_is_relative_to_the_working_directory(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings.OBSERVABILITY = {"VAR_DIR": "own"}
    assert profile_path() == tmp_path / "own" / "profiles.sqlite3"
