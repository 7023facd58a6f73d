"""The secret key for development."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from settings.secret_key import machine_secret_key


def test_key_is_created_once_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret-key"
    key = machine_secret_key(path)
    assert key.startswith("django-insecure-")
    assert path.stat().st_mode & 0o777 == 0o600
    assert machine_secret_key(path) == key


def test_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        keys = set(pool.map(machine_secret_key, [tmp_path / "secret-key"] * 20))
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]


def test_key_is_created_again_if_the_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "secret-key"
    path.write_text("")
    assert machine_secret_key(path).startswith("django-insecure-")
