"""`FileLock`: a lock that a forked child does not share."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from observability.files import FileLock


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def acquire(directory: int, name: str = "file") -> FileLock | None:
    return FileLock.try_acquire(name, directory=directory, create=True)


def test_lock_has_one_owner_until_it_is_released(directory: int) -> None:
    lock = acquire(directory)
    assert lock is not None
    assert acquire(directory) is None
    lock.release()
    assert acquire(directory) is not None


def test_missing_file_is_not_locked(directory: int) -> None:
    assert FileLock.try_acquire("file", directory=directory) is None


def test_symbolic_link_is_not_followed(directory: int, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("file of another user")
    (tmp_path / "file").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links"):
        acquire(directory)


def test_named_pipe_is_not_locked(directory: int, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "file")
    assert acquire(directory) is None


def test_new_lock_file_is_private_under_any_umask(directory: int, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        acquire(directory)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forked_child_does_not_hold_the_lock(directory: int) -> None:
    """The child closes its copy of the descriptor, which does not unlock the file for the parent."""
    lock = acquire(directory)
    assert lock is not None
    (reading, writing), (received, sending) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.close(writing)
        os.write(sending, b"\n")
        os.read(reading, 1)
        os._exit(0)
    os.read(received, 1)
    assert acquire(directory) is None
    # Close without unlocking, as the end of the parent process does.
    os.close(lock.descriptor)
    lock.descriptor = os.open("/dev/null", os.O_RDONLY)
    assert acquire(directory) is not None
    os.close(writing)
    os.waitpid(child, 0)


def test_released_file_can_be_locked_while_a_child_has_a_copy_of_the_descriptor(directory: int) -> None:
    lock = acquire(directory)
    assert lock is not None
    copy = os.dup(lock.descriptor)
    lock.release()
    assert acquire(directory) is not None
    os.close(copy)


def test_file_deleted_between_open_and_lock_is_not_locked(
    directory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove_and_lock(descriptor: int, operation: int) -> None:
        (tmp_path / "file").unlink(missing_ok=True)
        flock(descriptor, operation)

    flock = fcntl.flock
    monkeypatch.setattr("fcntl.flock", remove_and_lock)
    assert acquire(directory) is None
