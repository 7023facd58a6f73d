"""Faults that can happen to processes that write a log file."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.census import Census, log_files, take_census
from benchmarks.writer import Counts, Job
from benchmarks.writers import Writer, empty_counts, returned_calls, wait_until, write, write_together, writing
from observability.logs.handlers import LOG_RECORDS_DROPPED

NOBODY = 65_534
SMALL_DISK_BYTES = 262_144
NO_MOUNT = "cannot mount a small file system: it needs root or user namespaces (unshare --map-root-user)"
# A writer checks the path of its file once per second.
PATH_CHECK_S = 1.1
ENDLESS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a fault: the census of the files, the stderr of the writers, and the duration in seconds."""

    fault: str
    census: Census
    stderr: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def reported_dropped(self) -> int:
        """Return the number of lost records that the log files report."""
        return sum(each["dropped_count"] for each in self.census.others if each.get("event") == LOG_RECORDS_DROPPED)

    @property
    def is_good(self) -> bool:
        """Return whether each record is there once and in order, or is reported as lost."""
        return self.census.lost <= self.reported_dropped and not (self.census.duplicate or self.census.disordered)


def many_writers(directory: Path, *, records: int, max_bytes: int, rounds: int = 1) -> Outcome:
    """Run four processes that write to very small files, so that they rotate very often.

    A rotation renames all backups. Several short rounds therefore have more rotations than one long round.
    """
    total = Census()
    for number in range(rounds):
        (directory / str(number)).mkdir()
        jobs = jobs_of(job_in(directory / str(number), max_bytes=max_bytes), 4)
        write_together(jobs, records // rounds // len(jobs))
        total.add(_outcome("", jobs).census)
    return Outcome("rotation by four processes", total)


def killed(directory: Path, *, records: int, kills: int, max_bytes: int = 18_000) -> Outcome:
    """Run four writers; kill a random one again and again, and start another instead."""
    jobs = jobs_of(job_in(directory, max_bytes=max_bytes, filler_bytes=200), kills)
    counts = Counts(jobs[0].counts)

    def written() -> int:
        return sum(counts[job.number, 0] for job in jobs)

    waiting = iter(jobs)
    running: list[Writer] = []
    with ExitStack() as stack:
        for killed_before in range(kills):
            while len(running) < min(4, kills - killed_before):
                running.append(stack.enter_context(Writer(next(waiting))))
                running[-1].wait_until_ready()
                running[-1].begin(ENDLESS)
            goal = written() + max(1, (records - written()) // (kills - killed_before))
            wait_until(written, goal, "records")
            running.pop(random.randrange(len(running))).kill()  # noqa: S311 - any
    return _outcome(f"kill -9 of {kills} processes", jobs)


def stopped(directory: Path, *, rounds: int) -> Outcome:
    """Stop a writer while another one writes so much that retention deletes the file that the first has open.

    It is stopped once during a write and once between two records. Records from before the stop may be deleted by
    retention; only records after it continues are counted.
    """
    job = job_in(directory, max_bytes=10_000, backup_count=2, pause_s=0.0005)
    counts = Counts(job.counts)
    total = Census()

    def count_from(first: int) -> None:
        total.add(take_census(log_files(Path(job.path)), {(0, 0): range(first, counts[0, 0])}))

    with writing([job, replace(job, number=1, pause_s=0.0)]) as (writer, other):
        for _ in range(rounds):
            first = counts[0, 0]
            writer.begin(20)
            wait_until(lambda: counts[0, 0], first + 5, "records")
            # The current record may be in the file that is deleted now.
            first = _delete_file_of_stopped(writer, other, counts) + 1
            writer.finish()
            count_from(first)
            first = _delete_file_of_stopped(writer, other, counts)
            write([writer], 20)
            count_from(first)
    return Outcome(f"stopped {2 * rounds} times, and its file deleted", total)


def _delete_file_of_stopped(writer: Writer, other: Writer, counts: Counts) -> int:
    """Stop a writer until the other one has caused the deletion of its file; return its number of returned calls."""
    writer.send(signal.SIGSTOP)
    write([other], 400)
    returned = counts[0, 0]
    writer.send(signal.SIGCONT)
    return returned


def forked(directory: Path, *, records: int) -> Outcome:
    """Fork a process whose handler has its file open; the parent and three children write."""
    job = job_in(directory, max_bytes=18_000, forks=3)
    write_together([job], records)
    return _outcome("three forks of a handler", [job])


def renamed(directory: Path, *, renames: int) -> Outcome:
    """Rename the file of three writers without notice, like an external program; the writers rotate too."""
    jobs = jobs_of(job_in(directory, max_bytes=10_000_000, pause_s=0.002), 3)
    path = Path(jobs[0].path)
    with writing(jobs) as writers:
        for number in range(renames):
            for writer in writers:
                writer.begin(600)
            wait_until(path.exists, 1, "a new file")
            path.rename(path.with_name(f"{path.name}.{renames - number}"))
            for writer in writers:
                writer.finish()
    return _outcome(f"renamed {renames} times by another program", jobs)


def disk_full(directory: Path, *, records: int) -> Outcome:
    """Fill the disk of two writers, then free it. Raise NotImplementedError if no small file system can be mounted."""
    job = job_in(directory, max_bytes=10_000_000)
    with ExitStack() as stack:
        disk = stack.enter_context(_small_disk(Path(job.path).parent))
        jobs = [replace(each, path=str(disk / "service.jsonl"), pause_s=0.003) for each in jobs_of(job, 2)]
        writers = stack.enter_context(writing(jobs))
        started = time.monotonic()
        write(writers, 20)
        _fill(disk / "filler")
        write(writers, records)
        (disk / "filler").unlink()
        write(writers, 20)
        return replace(_outcome("disk full, then free again", jobs, writers), seconds=time.monotonic() - started)


def directory_removed(directory: Path) -> Outcome:
    """Delete and create the directory of a writer. Records since its last check of the path are lost."""
    job = job_in(directory, max_bytes=10_000_000)
    with writing([job]) as writers:
        write(writers, 5)
        time.sleep(PATH_CHECK_S)
        shutil.rmtree(directory / "log")
        write(writers, 5)
        time.sleep(PATH_CHECK_S)
        write(writers, 5)
        (directory / "log").mkdir()
        write(writers, 5)
        return _outcome("directory deleted and created again", [job], writers)


def permission_lost(directory: Path) -> Outcome:
    """Take the write permission of the directory from a writer, then all permissions; restore them after each."""
    job = job_in(directory, max_bytes=2_000, uid=0 if os.getuid() else NOBODY, options={"delay": True})
    log = Path(job.path).parent
    directory.chmod(0o755)
    log.chmod(0o555)
    with writing([job]) as writers:
        write(writers, 5)
        log.chmod(0o777)
        write(writers, 20)
        log.chmod(0)
        time.sleep(PATH_CHECK_S)
        write(writers, 20)
        log.chmod(0o777)
        write(writers, 20)
        return _outcome("permission lost twice", [job], writers)


def large_records(directory: Path, *, records: int) -> Outcome:
    """Write records of 20 kB by four processes."""
    jobs = jobs_of(job_in(directory, max_bytes=500_000, filler_bytes=20_000), 4)
    write_together(jobs, records)
    return _outcome("records of 20 kB by four processes", jobs)


def many_threads(directory: Path, *, records: int) -> Outcome:
    """Write by 64 threads of one process."""
    job = job_in(directory, max_bytes=18_000, threads=64)
    write_together([job], records)
    return _outcome("64 threads", [job])


def job_in(
    directory: Path,
    *,
    max_bytes: int,
    backup_count: int = 10_000,
    options: dict[str, Any] | None = None,
    **others: Any,  # noqa: ANN401 - the fields of a job
) -> Job:
    """Return a job that writes `log/service.jsonl` in this directory."""
    log = directory / "log"
    log.mkdir()
    every_option = {"maxBytes": max_bytes, "backupCount": backup_count, **(options or {})}
    return Job(str(log / "service.jsonl"), empty_counts(directory), options=every_option, **others)


def jobs_of(job: Job, count: int) -> list[Job]:
    """Return the same job for this number of processes."""
    return [replace(job, number=number) for number in range(count)]


def _outcome(fault: str, jobs: list[Job], writers: Iterable[Writer] = ()) -> Outcome:
    census = take_census(log_files(Path(jobs[0].path)), returned_calls(jobs))
    return Outcome(fault, census, [line for writer in writers for line in writer.stderr_lines])


@contextmanager
def _small_disk(directory: Path) -> Iterator[Path]:
    """Mount a small file system in a new namespace, with or without root; return the path for other processes."""
    mount = f'mount -t tmpfs -o size={SMALL_DISK_BYTES} tmpfs "$0" && echo mounted && exec cat'
    for namespace in (["--mount"], ["--mount", "--map-root-user"]):
        command = ["unshare", *namespace, "sh", "-c", mount, str(directory)]
        try:
            holder = subprocess.Popen(  # noqa: S603 - ours
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except FileNotFoundError:
            break
        with holder:
            assert holder.stdout is not None  # noqa: S101 - it is a pipe
            if holder.stdout.readline() == b"mounted\n":
                yield Path(f"/proc/{holder.pid}/root{directory}")
                return
    raise NotImplementedError(NO_MOUNT)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1_024))
        except OSError:
            return
