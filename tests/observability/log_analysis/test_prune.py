"""`logs prune`: the oldest files of logs are deleted."""

import fcntl
import gzip
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks.scenarios import ENDLESS, job_in
from benchmarks.writer import Counts
from benchmarks.writers import wait_until, writing
from observability.log_analysis import prune
from observability.log_analysis.lines import read_lines
from observability.log_analysis.prune import PrunableFile, delete_file, find_prunable
from observability.log_analysis.snapshot import open_logs

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def put(path: Path, days_ago: float, size: int = 1_000) -> None:
    path.write_bytes(gzip.compress(b"x" * size) if path.suffix == ".gz" else b"x" * size)
    modified = (NOW - timedelta(days=days_ago)).timestamp()
    os.utime(path, (modified, modified))


def prunable(
    directory: Path, *names: str, keep: float | None = None, max_bytes: int | None = None
) -> list[tuple[str, str]]:
    """Return the names of the prunable files, and the reasons."""
    days = timedelta(days=keep) if keep is not None else None
    with open_logs([directory / name for name in names or ("service.jsonl",)]) as (logs, _):
        return [
            (each.file.path.name, each.reason) for each in find_prunable(logs, keep=days, max_bytes=max_bytes, now=NOW)
        ]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory with a log: one file for each of the last five days."""
    put(tmp_path / "service.jsonl", 0)
    for number in range(1, 5):
        put(tmp_path / f"service.jsonl.{number}", number)
    return tmp_path


def test_old_files_are_prunable_the_oldest_first(directory: Path) -> None:
    assert prunable(directory, keep=2.5) == [("service.jsonl.4", "age"), ("service.jsonl.3", "age")]


def test_oldest_files_are_prunable_until_the_others_fit(directory: Path) -> None:
    assert prunable(directory, max_bytes=3_000) == [("service.jsonl.4", "size"), ("service.jsonl.3", "size")]
    assert prunable(directory, max_bytes=5_000) == []


def test_current_file_is_never_prunable(directory: Path) -> None:
    put(directory / "service.jsonl", 100)
    names = [name for name, _ in prunable(directory, keep=0, max_bytes=0)]
    assert names == [f"service.jsonl.{number}" for number in (4, 3, 2, 1)]


def test_max_size_applies_to_all_logs_together(directory: Path) -> None:
    put(directory / "errors.jsonl", 0)
    put(directory / "errors.jsonl.1", 3.5)
    assert [name for name, _ in prunable(directory, "service.jsonl", "errors.jsonl", max_bytes=4_000)] == [
        "service.jsonl.4",
        "errors.jsonl.1",
        "service.jsonl.3",
    ]


def test_pruning_leaves_no_gap(directory: Path) -> None:
    """A newer file may have an older time, for example if it was copied."""
    put(directory / "service.jsonl.2", 50)
    assert prunable(directory, keep=10) == []
    assert [name for name, _ in prunable(directory, keep=2.5)] == [f"service.jsonl.{number}" for number in (4, 3, 2)]


def test_dated_and_compressed_files_are_prunable(tmp_path: Path) -> None:
    put(tmp_path / "service.jsonl", 0)
    put(tmp_path / "service.jsonl-20261120.gz", 6)
    put(tmp_path / "service.jsonl-20261124", 2)
    assert prunable(tmp_path, keep=3) == [("service.jsonl-20261120.gz", "age")]


def oldest(directory: Path) -> PrunableFile:
    with open_logs([directory / "service.jsonl"]) as (logs, _):
        (each, *_) = find_prunable(logs, keep=timedelta(0), max_bytes=None, now=NOW)
        # The file stays open after the block.
        descriptor = os.dup(each.file.descriptor)
    return PrunableFile(each.log, type(each.file)(each.file.name, descriptor, each.file.size, 0), each.reason)


def test_renamed_file_is_deleted_by_identity(directory: Path) -> None:
    each = oldest(directory)
    (directory / "service.jsonl.4").rename(directory / "service.jsonl.5")
    (directory / "service.jsonl.3").rename(directory / "service.jsonl.4")
    assert delete_file(each)
    assert sorted(path.name for path in directory.glob("service.jsonl.[0-9]")) == [
        f"service.jsonl.{number}" for number in (1, 2, 4)
    ]


def test_deleted_file_returns_false(directory: Path) -> None:
    each = oldest(directory)
    (directory / "service.jsonl.4").unlink()
    assert not delete_file(each)


def test_locked_log_raises_a_timeout_after_some_attempts(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "LOCK_ATTEMPTS", 3)
    each = oldest(directory)
    with (directory / "service.jsonl.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match="another process holds the lock"):
            delete_file(each)
    assert delete_file(each)


def test_missing_permission_raises() -> None:
    # Other users can read this directory; they cannot read the directories of pytest.
    with TemporaryDirectory() as name:
        directory = Path(name)
        for number, mark in enumerate(("", ".4")):
            put(directory / f"service.jsonl{mark}", number)
        directory.chmod(0o555)
        each = oldest(directory)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65_534)
        try:
            with pytest.raises(PermissionError):
                delete_file(each)
        finally:
            os.seteuid(user)
        assert (directory / "service.jsonl.4").exists()


def test_only_the_oldest_records_are_deleted_while_a_process_rotates(tmp_path: Path) -> None:
    job = job_in(tmp_path, max_bytes=50_000)
    path = Path(job.path)
    with writing([job]) as (writer,):
        writer.begin(ENDLESS)
        counts = Counts(job.counts)
        for _ in range(5):
            wait_until(lambda: counts[0, 0], counts[0, 0] + 500, "records")
            with open_logs([path]) as (logs, _):
                for each in find_prunable(logs, keep=None, max_bytes=200_000, now=datetime.now(UTC)):
                    delete_file(each)
    with open_logs([path]) as (logs, _):
        found = [
            json.loads(line)["number"]
            for log_file in logs[0].files
            for line in read_lines(log_file)
            if line[-1:] == b"}"
        ]
    # Only the oldest records are deleted: the other numbers have no gap.
    assert found == list(range(found[0], found[0] + len(found)))
    assert found[0] > 0
    assert found[-1] >= counts[0, 0] - 1


def test_prunable_file_has_the_time_of_its_last_line(directory: Path) -> None:
    with open_logs([directory / "service.jsonl"]) as (logs, _):
        (each, *_) = find_prunable(logs, keep=timedelta(0), max_bytes=None, now=NOW)
        assert each.last_written == NOW - timedelta(days=4)
