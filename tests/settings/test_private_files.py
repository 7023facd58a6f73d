"""Files of the service are private from their first moment, under any umask."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from settings import private_files
from settings.secret_key import machine_secret_key


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize(
    "arguments", [["manage.py"], ["manage.py", "runserver"], ["gunicorn"], ["manage.py", "migrate"]]
)
def test_file_of_a_server_or_command_is_private(tmp_path: Path, arguments: list[str]) -> None:
    private_files.set_umask(arguments)
    (tmp_path / "file").write_text("")
    (tmp_path / "directory").mkdir()
    assert (mode(tmp_path / "file"), mode(tmp_path / "directory")) == (0o600, 0o700)


@pytest.mark.parametrize("command", ["makemigrations", "startapp", "makemessages"])
def test_source_code_that_a_command_writes_is_not_private(tmp_path: Path, command: str) -> None:
    os.umask(0o022)
    private_files.set_umask(["manage.py", command])
    (tmp_path / "file").write_text("")
    assert mode(tmp_path / "file") == 0o644


def test_missing_parents_are_private_and_existing_ones_are_unchanged(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    private_files.create_directory(tmp_path / "a" / "b")
    private_files.create_directory(tmp_path / "a" / "b")
    assert [mode(path) for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")] == [0o755, 0o700, 0o700]


def test_secret_key_is_private_without_a_change_of_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Path, "chmod")
    machine_secret_key(tmp_path / "var" / "secret-key")
    assert mode(tmp_path / "var" / "secret-key") == 0o600
    assert mode(tmp_path / "var") == 0o700
