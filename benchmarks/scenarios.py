"""What can happen to processes that write a log file, made to happen."""

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

from benchmarks.census import Census, chain, take_census
from benchmarks.writer import Counts, Job
from benchmarks.writers import Writer, counted, empty_counts, wait_until, write, write_together, writing
from observability.logs.handlers import LOG_RECORDS_DROPPED

NOBODY = 65_534
SMALL_DISK_BYTES = 262_144
NO_MOUNT = "a small file system cannot be mounted: it needs root, or namespaces of users (unshare --map-root-user)"
# A writer looks at the path of its file once a second.
LOOK_AGAIN_S = 1.1
ENDLESS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fault left: the census of the files, and what the writers said on stderr within some seconds."""

    fault: str
    census: Census
    stderr: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def reported_dropped(self) -> int:
        """How many records the files themselves say are lost."""
        return sum(each["dropped_count"] for each in self.census.others if each.get("event") == LOG_RECORDS_DROPPED)

    @property
    def is_good(self) -> bool:
        """Whether each record is there once and in order, or is said to be lost."""
        return self.census.lost <= self.reported_dropped and not (self.census.doubled or self.census.disordered)


def many_writers(directory: Path, *, records: int, max_bytes: int, rounds: int = 1) -> Outcome:
    """Four processes write files so small that one of them rotates all the time.

    A rotation renames all backups, so that those of many rounds are more than those of a long one.
    """
    total = Census()
    for number in range(rounds):
        (directory / str(number)).mkdir()
        jobs = jobs_of(job_in(directory / str(number), max_bytes=max_bytes), 4)
        write_together(jobs, records // rounds // len(jobs))
        total.add(_outcome("", jobs).census)
    return Outcome("rotation by four processes", total)


def killed(directory: Path, *, records: int, kills: int, max_bytes: int = 18_000) -> Outcome:
    """Of four processes that write, one at random is killed, again and again, and another takes its place."""
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
    """A process is stopped while another one writes so much that retention deletes the file that it had open.

    It is stopped somewhere while it writes, and then between two records. What it wrote before may have been deleted,
    as it should; what it writes when it goes on is counted.
    """
    job = job_in(directory, max_bytes=10_000, backup_count=2, pause_s=0.0005)
    counts = Counts(job.counts)
    sum_of_all = Census()

    def count_from(first: int) -> None:
        sum_of_all.add(take_census(chain(Path(job.path)), {(0, 0): range(first, counts[0, 0])}))

    with writing([job, replace(job, number=1, pause_s=0.0)]) as (writer, other):
        for _ in range(rounds):
            first = counts[0, 0]
            writer.begin(20)
            wait_until(lambda: counts[0, 0], first + 5, "records")
            # The one under way may be in the file that is deleted now.
            first = _delete_under(writer, other, counts) + 1
            writer.finish()
            count_from(first)
            first = _delete_under(writer, other, counts)
            write([writer], 20)
            count_from(first)
    return Outcome(f"stopped {2 * rounds} times, and its file deleted", sum_of_all)


def _delete_under(writer: Writer, other: Writer, counts: Counts) -> int:
    """Stop a writer until the other one caused its file to be deleted; how many calls of it had returned."""
    writer.send(signal.SIGSTOP)
    write([other], 400)
    returned = counts[0, 0]
    writer.send(signal.SIGCONT)
    return returned


def forked(directory: Path, *, records: int) -> Outcome:
    """A handler that has its file open is forked; the parent and three children write."""
    job = job_in(directory, max_bytes=18_000, forks=3)
    write_together([job], records)
    return _outcome("three forks of a handler", [job])


def renamed(directory: Path, *, renames: int) -> Outcome:
    """An outside program renames the file of three processes, and tells nobody; they rotate by themselves too."""
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
    return _outcome(f"renamed {renames} times by others", jobs)


def disk_full(directory: Path, *, records: int) -> Outcome:
    """The disk fills up under two processes, and there is space again; NotImplementedError where none can be made."""
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
        return replace(_outcome("disk full, and space again", jobs, writers), seconds=time.monotonic() - started)


def directory_removed(directory: Path) -> Outcome:
    """The directory of a process is removed and made again; what it wrote since its last look is gone with it."""
    job = job_in(directory, max_bytes=10_000_000)
    with writing([job]) as writers:
        write(writers, 5)
        time.sleep(LOOK_AGAIN_S)
        shutil.rmtree(directory / "log")
        write(writers, 5)
        time.sleep(LOOK_AGAIN_S)
        write(writers, 5)
        (directory / "log").mkdir()
        write(writers, 5)
        return _outcome("directory removed and made again", [job], writers)


def permission_lost(directory: Path) -> Outcome:
    """A process may not write to its directory, then may, then may not even search it, and may again."""
    job = job_in(directory, max_bytes=2_000, uid=0 if os.getuid() else NOBODY, options={"delay": True})
    log = Path(job.path).parent
    directory.chmod(0o755)
    log.chmod(0o555)
    with writing([job]) as writers:
        write(writers, 5)
        log.chmod(0o777)
        write(writers, 20)
        log.chmod(0)
        time.sleep(LOOK_AGAIN_S)
        write(writers, 20)
        log.chmod(0o777)
        write(writers, 20)
        return _outcome("permission lost twice", [job], writers)


def large_records(directory: Path, *, records: int) -> Outcome:
    """Four processes write records of 20 kB."""
    jobs = jobs_of(job_in(directory, max_bytes=500_000, filler_bytes=20_000), 4)
    write_together(jobs, records)
    return _outcome("records of 20 kB by four processes", jobs)


def many_threads(directory: Path, *, records: int) -> Outcome:
    """64 threads of one process write."""
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
    """A job that writes `log/service.jsonl` in this directory."""
    log = directory / "log"
    log.mkdir()
    every_option = {"maxBytes": max_bytes, "backupCount": backup_count, **(options or {})}
    return Job(str(log / "service.jsonl"), empty_counts(directory), options=every_option, **others)


def jobs_of(job: Job, count: int) -> list[Job]:
    """The same job for so many processes."""
    return [replace(job, number=number) for number in range(count)]


def _outcome(fault: str, jobs: list[Job], writers: Iterable[Writer] = ()) -> Outcome:
    census = take_census(chain(Path(jobs[0].path)), counted(jobs))
    return Outcome(fault, census, [line for writer in writers for line in writer.stderr_lines])


@contextmanager
def _small_disk(directory: Path) -> Iterator[Path]:
    """A small file system, mounted in a namespace of its own, by root or anybody; the path by which others reach it."""
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
