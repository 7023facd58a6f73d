"""Files that several processes share."""

from pathlib import Path

from observability.files import try_lock_file


def test_lock_file_has_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "service.jsonl"
    with try_lock_file(path) as first, try_lock_file(path) as second:
        assert first is not None
        assert second is None
    with try_lock_file(path) as third:
        assert third is not None
    assert [file.name for file in tmp_path.iterdir()] == ["service.jsonl.lock"]
