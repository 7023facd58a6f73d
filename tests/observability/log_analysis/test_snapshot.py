"""Snapshots of the files of a log, also while real processes write, rotate and compress them."""

import gzip
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import pytest

from benchmarks.scenarios import ENDLESS, job_in, jobs_of
from benchmarks.writer import Counts, Job
from benchmarks.writers import Writer, wait_until, writing
from observability.log_analysis import snapshot
from observability.log_analysis.lines import read_lines
from observability.log_analysis.log_files import Log, LogFile, main_logs
from observability.log_analysis.snapshot import LogScan, open_logs, scan_log


@contextmanager
def open_one_log(path: Path, modified_since: float | None = None) -> Iterator[Log]:
    with open_logs([path], modified_since=modified_since) as (logs, problems):
        assert problems == []
        yield logs[0]


def names(path: Path) -> list[str]:
    with open_one_log(path) as log:
        return [log_file.path.name for log_file in log.files]


def records(files: Iterable[LogFile]) -> list[dict[str, int]]:
    """Return the records of the files, without a last line that is still being written."""
    found = [line for log_file in files for line in read_lines(log_file)]
    if found and not found[-1].endswith(b"}"):
        found.pop()
    return [json.loads(line) for line in found]


def numbers(files: Iterable[LogFile]) -> list[int]:
    return [record["number"] for record in records(files)]


def numbers_in(path: Path) -> list[int]:
    """Return the numbers of the records, in the order of the files."""
    with open_one_log(path) as log:
        return numbers(log.files)


def put(path: Path, number: int) -> Path:
    """Write a file of one record, compressed if its name says so."""
    line = f'{{"number": {number}}}\n'.encode()
    path.write_bytes(gzip.compress(line) if path.suffix == ".gz" else line)
    return path


@pytest.fixture
def readable_directory() -> Iterator[Path]:
    """Return a directory that other users can read; they cannot read the directories of pytest."""
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@contextmanager
def as_unprivileged_user() -> Iterator[None]:
    """Run the block as a user with fewer permissions than root."""
    user = os.geteuid()
    with open_logs([]):
        # Import all modules while the permissions allow it.
        pass
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)


# Files and their order


@pytest.mark.parametrize(
    "marks",
    [
        (".3", ".2", ".1", ""),
        (".10", ".9.gz", ".2.zst", ".1", ""),
        ("-20261124.gz", "-20261125.xz", "-20261126", ""),
        (".2026-11-24.gz", ".2026-11-25.bz2", ".2026-11-26", ""),
        ("-1795651200", "-1795737600", ""),
        ("-202610", "-202611", ""),
        (".2", ".1"),
    ],
)
def test_files_of_a_log_are_in_order_from_the_oldest(tmp_path: Path, marks: tuple[str, ...]) -> None:
    for mark in marks:
        (tmp_path / f"service.jsonl{mark}").write_text("")
    assert names(tmp_path / "service.jsonl") == [f"service.jsonl{mark}" for mark in marks]


def test_400_rotated_files_are_complete_and_in_order(tmp_path: Path) -> None:
    path = put(tmp_path / "service.jsonl", 400)
    for number in range(400):
        put(tmp_path / f"service.jsonl.{400 - number}", number)
    assert numbers_in(path) == list(range(401))


def test_files_after_a_missing_number_are_read(tmp_path: Path) -> None:
    """A process that dies during rotation leaves a gap."""
    for mark in (".40", ".2", ""):
        put(tmp_path / f"service.jsonl{mark}", 0)
    assert names(tmp_path / "service.jsonl") == ["service.jsonl.40", "service.jsonl.2", "service.jsonl"]


@pytest.mark.parametrize("other", ["service.jsonl.lock", "service.jsonl.bak", "service.jsonl.1~", "service.jsonl2"])
def test_other_files_do_not_belong_to_the_log(tmp_path: Path, other: str) -> None:
    for name in ("service.jsonl", other):
        (tmp_path / name).write_text("")
    assert names(tmp_path / "service.jsonl") == ["service.jsonl"]


def test_special_files_are_left_out(tmp_path: Path) -> None:
    """Opening a named pipe would wait for a writer."""
    os.mkfifo(tmp_path / "service.jsonl")
    (tmp_path / "service.jsonl.1").mkdir()
    (tmp_path / "service.jsonl.2").write_text("")
    assert names(tmp_path / "service.jsonl") == ["service.jsonl.2"]


def test_files_older_than_modified_since_are_left_out(tmp_path: Path) -> None:
    path = put(tmp_path / "service.jsonl", 1)
    os.utime(put(tmp_path / "service.jsonl.1", 0), (1_000, 1_000))
    with open_one_log(path, modified_since=1_001) as log:
        assert [log_file.path for log_file in log.files] == [path]


def test_rotated_file_that_is_given_alone_is_read_alone(tmp_path: Path) -> None:
    path = put(tmp_path / "service.jsonl.1.gz", 7)
    put(tmp_path / "service.jsonl", 8)
    assert numbers_in(path) == [7]


def test_repeating_logs_are_left_out_if_there_are_others() -> None:
    service, errors, sql = (Log(Path(f"{name}.jsonl")) for name in ("service", "errors", "sql"))
    assert main_logs([errors, service, sql]) == [service]
    assert main_logs([errors, sql]) == [errors, sql]


def test_unreadable_file_is_reported_and_the_others_are_opened(readable_directory: Path) -> None:
    path = put(readable_directory / "service.jsonl", 1)
    put(readable_directory / "service.jsonl.1", 0).chmod(0o000)
    with as_unprivileged_user(), open_logs([path]) as (logs, problems):
        assert numbers(logs[0].files) == [1]
    assert problems == [f"{path}.1 cannot be read: Permission denied."]


def test_directory_without_search_permission_is_reported_for_each_listed_file(readable_directory: Path) -> None:
    path = put(readable_directory / "service.jsonl", 1)
    readable_directory.chmod(0o444)
    with as_unprivileged_user(), open_logs([path]) as (logs, problems):
        assert logs[0].files == []
    assert problems == [f"{path} cannot be read: Permission denied."]


# Changes by other processes


def test_lines_that_are_added_later_are_not_in_the_snapshot(tmp_path: Path) -> None:
    path = put(tmp_path / "service.jsonl", 1)
    with open_one_log(path) as log:
        with path.open("a") as file:
            file.write('{"number": 2}\n')
        assert numbers(log.files) == [1]


def test_snapshot_survives_renames_and_deletion(tmp_path: Path) -> None:
    path = put(tmp_path / "service.jsonl", 2)
    older = put(tmp_path / "service.jsonl.1", 1)
    with open_one_log(path) as log:
        older.unlink()
        path.rename(older)
        put(path, 3)
        assert numbers(log.files) == [1, 2]


def test_all_files_are_closed_at_the_end(tmp_path: Path) -> None:
    path = put(tmp_path / "service.jsonl", 1)
    put(tmp_path / "service.jsonl.1.gz", 0)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers
    with open_one_log(path) as log:
        assert numbers(log.files) == [0, 1]
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def run_in_processes(job: Job, writers: int = 1) -> Iterator[Counts]:
    with writing(jobs_of(job, writers)) as processes:
        for each in processes:
            each.begin(ENDLESS)
        counts = Counts(job.counts)
        wait_until(lambda: min(counts[number, 0] for number in range(writers)), 20, "records")
        yield counts


running_in_processes = contextmanager(run_in_processes)


# Race conditions appear by chance, so more rounds find more of them. A usual test run does only a few rounds.
@pytest.mark.parametrize("rounds", [10, pytest.param(60, marks=pytest.mark.slow)])
def test_snapshot_has_each_record_once_while_a_process_rotates_and_deletes(tmp_path: Path, rounds: int) -> None:
    """Each file has about a hundred records, so all files are renamed many times per second."""
    job = job_in(tmp_path, max_bytes=20_000, backup_count=30)
    with running_in_processes(job) as counts:
        for _ in range(rounds):
            returned = counts[0, 0]
            found = numbers_in(Path(job.path))
            assert found == list(range(found[0], found[0] + len(found)))
            assert found[-1] >= returned - 1


@pytest.mark.parametrize("rounds", [5, pytest.param(30, marks=pytest.mark.slow)])
def test_snapshot_has_each_record_once_while_rotated_files_are_added(tmp_path: Path, rounds: int) -> None:
    job = job_in(tmp_path, max_bytes=300)
    with running_in_processes(job) as counts:
        for _ in range(rounds):
            returned = counts[0, 0]
            found = numbers_in(Path(job.path))
            assert found == list(range(len(found)))
            assert len(found) >= returned


@pytest.mark.parametrize("rounds", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_snapshot_has_each_record_of_several_processes_once(tmp_path: Path, rounds: int) -> None:
    job = job_in(tmp_path, max_bytes=2_000)
    with running_in_processes(job, writers=3) as counts:
        for _ in range(rounds):
            returned = [counts[writer, 0] for writer in range(3)]
            with open_one_log(Path(job.path)) as log:
                all_records = records(log.files)
            for writer in range(3):
                found = [record["number"] for record in all_records if record["writer"] == writer]
                assert found == list(range(len(found)))
                assert len(found) >= returned[writer]


def compress(path: Path) -> None:
    """Compress as gzip does: the complete new file gets the modification time of the old one."""
    status = path.stat()
    with path.open("rb") as plain, gzip.open(f"{path}.gz", "wb") as packed:
        packed.write(plain.read())
    os.utime(f"{path}.gz", ns=(status.st_atime_ns, status.st_mtime_ns))
    path.unlink()


def test_file_that_is_being_compressed_is_read_once(tmp_path: Path) -> None:
    path = put(tmp_path / "service.jsonl", 1)
    older = put(tmp_path / "service.jsonl.1", 0)
    (tmp_path / "service.jsonl.1.gz").write_bytes(gzip.compress(older.read_bytes()))
    assert numbers_in(path) == [0, 1]


def test_file_that_was_compressed_after_the_scan_is_read_by_another_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "service.jsonl", 1)
    older = put(tmp_path / "service.jsonl-20261125", 0)
    scans: list[Path] = []

    def scan_and_compress(*arguments: Any) -> LogScan:  # noqa: ANN401 - those of `scan_log`
        found = scan_log(*arguments)
        if not scans:
            compress(older)
        scans.append(path)
        return found

    monkeypatch.setattr(snapshot, "scan_log", scan_and_compress)
    assert numbers_in(path) == [0, 1]
    assert len(scans) == 2


def test_file_that_was_deleted_after_the_scan_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "service.jsonl", 1)
    older = put(tmp_path / "service.jsonl.1", 0)

    def scan_and_delete(*arguments: Any) -> LogScan:  # noqa: ANN401 - those of `scan_log`
        found = scan_log(*arguments)
        older.unlink()
        return found

    monkeypatch.setattr(snapshot, "scan_log", scan_and_delete)
    assert numbers_in(path) == [1]


def test_older_compressed_file_with_the_same_number_is_read(tmp_path: Path) -> None:
    """Such a file can be an old one of logrotate."""
    path = put(tmp_path / "service.jsonl", 2)
    put(tmp_path / "service.jsonl.1", 1)
    os.utime(put(tmp_path / "service.jsonl.1.gz", 0), (1_000, 1_000))
    assert numbers_in(path) == [0, 1, 2]


@pytest.mark.parametrize("rounds", [30, pytest.param(150, marks=pytest.mark.slow)])
def test_snapshot_has_each_record_once_while_files_are_renamed_and_compressed(tmp_path: Path, rounds: int) -> None:
    """The files are renamed as logrotate does."""
    path = tmp_path / "service.jsonl"
    count = 0
    is_over = Event()

    def rotate() -> None:
        nonlocal count
        while not is_over.is_set():
            for number in range(3, 0, -1):
                old = tmp_path / f"service.jsonl.{number}.gz"
                if old.exists():
                    old.rename(tmp_path / f"service.jsonl.{number + 1}.gz")
            if path.exists():
                path.rename(tmp_path / "service.jsonl.1")
            put(path, count)
            count += 1
            if (first := tmp_path / "service.jsonl.1").exists():
                compress(first)
            # This rotates a hundred times per second; logrotate does it once a day.
            time.sleep(0.01)

    thread = Thread(target=rotate)
    thread.start()
    try:
        for _ in range(rounds):
            found = numbers_in(path)
            assert found == list(range(found[0], found[0] + len(found))) if found else count < 2
    finally:
        is_over.set()
        thread.join()


@pytest.mark.parametrize("writers", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_snapshot_is_complete_after_processes_are_killed(tmp_path: Path, writers: int) -> None:
    job = job_in(tmp_path, max_bytes=600, backup_count=40)
    for number in range(writers):
        with Writer(jobs_of(job, writers)[number]) as writer:
            writer.wait_until_ready()
            writer.begin(ENDLESS)
            counts = Counts(job.counts)
            wait_until(lambda: counts[number, 0], 200, "records")  # noqa: B023 - waited for here
        with open_one_log(Path(job.path)) as log:
            found = records(log.files)
        last = [record["number"] for record in found if record["writer"] == number]
        assert last == list(range(last[0], last[0] + len(last)))
