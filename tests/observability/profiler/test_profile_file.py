"""The profile file: missing, damaged, of another version, or locked."""

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
    """Open the same file as another process would."""
    file = ProfileFile(path)
    yield file
    file.close()


def add(file: ProfileFile, number: int) -> None:
    with file.writing() as connection:
        connection.execute(ADD, (number,))


@contextmanager
def adding_process(path: Path) -> Iterator[Callable[[int], None]]:
    """Add numbers to the file in another process, which has it open until the block ends."""
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


def test_what_is_written_is_read_by_another(file: ProfileFile, other: ProfileFile) -> None:
    assert numbers(other) == []
    add(file, 1)
    assert numbers(other) == [1]


def test_file_and_those_beside_it_are_for_their_owner_alone(file: ProfileFile, path: Path) -> None:
    mask = os.umask(0)
    try:
        add(file, 1)
    finally:
        os.umask(mask)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {path.name: 0o600, f"{path.name}-wal": 0o600, f"{path.name}-shm": 0o600}


def test_directories_of_the_file_are_made(path: Path) -> None:
    file = ProfileFile(path.parent / "var" / "own" / "profiles.sqlite3")
    add(file, 1)
    file.close()
    assert file.path.is_file()


def test_block_that_fails_is_rolled_back(file: ProfileFile) -> None:
    def write_and_fail() -> None:
        with file.writing() as connection:
            connection.execute(ADD, (1,))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert numbers(file) == []
    add(file, 2)
    assert numbers(file) == [2]


def test_file_that_was_deleted_is_created_again(file: ProfileFile, path: Path) -> None:
    add(file, 1)
    path.unlink()
    add(file, 2)
    assert numbers(file) == [2]
    assert path.is_file()


def test_file_that_was_deleted_with_those_beside_it_is_created_again(file: ProfileFile, path: Path) -> None:
    add(file, 1)
    for each in path.parent.iterdir():
        each.unlink()
    add(file, 2)
    assert numbers(file) == [2]


def test_file_that_was_deleted_under_two_processes_is_shared_by_them_again(file: ProfileFile, path: Path) -> None:
    with adding_process(path) as add_in_process:
        add(file, 1)
        add_in_process(2)
        path.unlink()
        # The process lets go of what it had while the new file is written already.
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


def test_file_of_this_version_keeps_what_it_has(file: ProfileFile, path: Path) -> None:
    add(file, 1)
    file.close()
    later = ProfileFile(path)
    assert numbers(later) == [1]
    later.close()


def test_file_that_is_not_a_database_is_refused_and_stays(file: ProfileFile, path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)
    for _ in range(2):
        with pytest.raises(sqlite3.DatabaseError, match="not a database"):
            add(file, 1)
    assert path.read_bytes() == b"no database at all" * 100


def test_file_that_was_not_a_database_is_used_once_it_is_deleted(file: ProfileFile, path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        add(file, 1)
    path.unlink()
    add(file, 2)
    assert numbers(file) == [2]


def test_directory_that_cannot_be_made_is_refused(path: Path) -> None:
    path.write_text("a file, and no directory")
    with pytest.raises(OSError, match="Not a directory"):
        add(ProfileFile(path / "profiles.sqlite3"), 1)


def test_file_that_could_not_be_made_again_is_used_when_it_can(file: ProfileFile, path: Path) -> None:
    add(file, 1)
    path.unlink()
    path.mkdir()
    for _ in range(2):
        with pytest.raises(OSError, match="directory"):
            add(file, 2)
    path.rmdir()
    add(file, 3)
    assert numbers(file) == [3]


def test_file_that_another_writes_for_too_long_is_refused_and_nothing_is_half_written(
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


def test_file_that_another_writes_is_waited_for(
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
def test_child_of_a_fork_does_not_wait_for_a_thread_that_only_its_parent_has(file: ProfileFile) -> None:
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
            # A child that waits is ended by the signal.
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
def test_child_of_a_fork_writes_by_a_connection_of_its_own(file: ProfileFile) -> None:
    add(file, 1)
    with file.reading() as connection:
        of_parent = connection
    child = os.fork()
    if child == 0:
        # Nothing of the tests may go on in the child, whatever happens in it.
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


def test_path_is_relative_to_the_root_of_the_code(settings: Settings) -> None:
    settings.OBSERVABILITY = {"VAR_DIR": "own", "CODE_ROOT": "/srv/app"}
    assert profile_path() == Path("/srv/app/own/profiles.sqlite3")


def test_path_without_a_root_of_the_code_is_relative_to_the_working_directory(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings.OBSERVABILITY = {"VAR_DIR": "own"}
    assert profile_path() == tmp_path / "own" / "profiles.sqlite3"
