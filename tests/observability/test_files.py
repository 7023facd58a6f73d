"""Atomic writes, private files and advisory locks."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from observability.files import (
    create_private_file,
    locked_directory,
    match_owner,
    try_lock,
    try_lock_file,
    unlock,
    write_atomically,
)
from tests.server import ROOT


def names(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir())


def test_file_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    for content in (b"first", b"second"):
        write_atomically(path, content)
        assert (path.read_bytes(), names(tmp_path)) == (content, ["state.json"])
    assert path.stat().st_mode & 0o777 == 0o600


def test_file_gets_the_given_mode(tmp_path: Path) -> None:
    write_atomically(tmp_path / "state.json", b"", mode=0o640)
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o640


def test_failed_write_keeps_the_old_file_and_removes_the_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    write_atomically(path, b"old")

    def fail(*_: object) -> int:
        raise OSError("disk full")

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["state.json"])


def test_partial_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:3]))
    write_atomically(tmp_path / "state.json", b"0123456789")
    assert (tmp_path / "state.json").read_bytes() == b"0123456789"


def test_path_may_be_relative_to_an_open_directory(tmp_path: Path) -> None:
    prepared: list[bool] = []
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        write_atomically("state.json", b"1", directory=directory, prepare=lambda each: prepared.append(each > 0))
    finally:
        os.close(directory)
    assert ((tmp_path / "state.json").read_bytes(), prepared) == (b"1", [True])


def test_existing_private_file_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    create_private_file(path)
    path.write_text("kept")
    create_private_file(path)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("kept", 0o600)


def test_symbolic_link_with_the_name_of_the_draft_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / f".state.json.{os.getpid()}.{threading.get_native_id()}").symlink_to(tmp_path / "elsewhere")
    write_atomically(tmp_path / "state.json", b"new")
    assert ((tmp_path / "state.json").read_bytes(), (tmp_path / "elsewhere").exists()) == (b"new", False)


def is_locked_for_another_process(directory: Path) -> bool:
    """Start another process, and return whether it finds the directory locked."""
    program = "import os, sys\nfrom observability.files import try_lock\n"
    program += "sys.exit(not try_lock(os.open(sys.argv[1], os.O_RDONLY)))"
    return subprocess.run([sys.executable, "-c", program, str(directory)], cwd=ROOT, check=False).returncode == 1


def test_locked_directory_is_locked_for_other_processes(tmp_path: Path) -> None:
    with locked_directory(tmp_path):
        assert is_locked_for_another_process(tmp_path)
    assert not is_locked_for_another_process(tmp_path)


def test_second_descriptor_of_a_locked_file_cannot_lock_it(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    try:
        assert (try_lock(first), try_lock(second)) == (True, False)
        unlock(first)
        assert try_lock(second)
    finally:
        os.close(first)
        os.close(second)


def test_only_root_changes_the_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fchown", lambda _, user, group: changed.append((user, group)))
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        for user in (0, 1000):
            monkeypatch.setattr(os, "geteuid", lambda user=user: user)
            match_owner(directory, directory)
    finally:
        os.close(directory)
    status = tmp_path.stat()
    assert changed == [(status.st_uid, status.st_gid)]


def test_lock_file_has_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "service.jsonl"
    with try_lock_file(path) as first, try_lock_file(path) as second:
        assert first is not None
        assert second is None
    with try_lock_file(path) as third:
        assert third is not None
    assert [file.name for file in tmp_path.iterdir()] == ["service.jsonl.lock"]
