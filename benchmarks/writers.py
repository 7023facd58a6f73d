"""Start, control and stop processes of `benchmarks.writer`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Self

from benchmarks.writer import COUNTS_BYTES, Counts, Job

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_S = 60


class Writer:
    """A running writer; the end of the `with` block kills it if it is still running."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._stderr = Path(f"{job.counts}.stderr.{job.number}")
        command = [sys.executable, "-m", "benchmarks.writer", json.dumps(asdict(job))]
        with self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(  # noqa: S603 - ours
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def stderr_lines(self) -> list[str]:
        return self._stderr.read_text().splitlines()

    def wait_until_ready(self) -> None:
        """Wait until it can write. Raise RuntimeError with its stderr if it ends instead."""
        self._expect("ready")

    def begin(self, records: int) -> None:
        """Let each of its threads write this number of records."""
        stdin = _pipe(self._process.stdin)
        stdin.write(f"{records}\n")
        stdin.flush()

    def finish(self) -> None:
        """Wait until it has written them."""
        self._expect("done")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self._process.kill()
        self._process.wait()
        _pipe(self._process.stdin).close()
        _pipe(self._process.stdout).close()

    def _expect(self, answer: str) -> None:
        if _pipe(self._process.stdout).readline().strip() != answer:
            status = self._process.wait(DEADLINE_S)
            raise RuntimeError(f"a writer exited with {status}: {self._stderr.read_text()[-500:]}")


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # noqa: S101 - each process has one
    return stream


@contextmanager
def writing(jobs: Iterable[Job]) -> Iterator[list[Writer]]:
    """Start writers and wait until they are ready; kill them at the end of the block."""
    writers = [Writer(job) for job in jobs]
    try:
        for writer in writers:
            writer.wait_until_ready()
        yield writers
    finally:
        for writer in writers:
            writer.kill()


def write(writers: Iterable[Writer], records: int) -> float:
    """Let writers write this number of records per thread at the same time; return the seconds."""
    started = time.perf_counter()
    for writer in writers:
        writer.begin(records)
    for writer in writers:
        writer.finish()
    return time.perf_counter() - started


def write_together(jobs: Iterable[Job], records: int) -> float:
    """Start a process for each job and let them write; return the seconds."""
    with writing(jobs) as writers:
        return write(writers, records)


def empty_counts(directory: Path) -> str:
    """Create the file in which writers count their log calls; return its path."""
    path = directory / "counts"
    path.write_bytes(b"")
    os.truncate(path, COUNTS_BYTES)
    # A writer may run as another user.
    path.chmod(0o666)
    return str(path)


def returned_calls(jobs: Iterable[Job]) -> dict[tuple[int, int], range]:
    """Return the numbers of the records whose log call returned, by writer and thread."""
    written: dict[tuple[int, int], range] = {}
    for job in jobs:
        counts = Counts(job.counts)
        places = [(job.number + fork, thread) for fork in range(1 + job.forks) for thread in range(job.threads)]
        written |= {place: range(counts[place]) for place in places}
    return written


def wait_until(count: Callable[[], int], goal: int, what: str) -> None:
    """Wait until a count of the writers reaches a goal. Raise TimeoutError after a minute."""
    deadline = time.monotonic() + DEADLINE_S
    while count() < goal:
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {DEADLINE_S} s for {what}")
        time.sleep(0.005)
