"""A process that writes numbered log records: `python -m benchmarks.writer JOB`, with a Job as JSON.

If it reads the line `5` from stdin, each of its threads writes five records; then it prints `done`. It exits at the end
of stdin. It counts the log calls that returned in a shared file, so that the count survives `kill -9`.
"""

import importlib
import json
import logging
import mmap
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

from observability.logs.structlog_pipeline import configure_structlog

EVENT = "numbered"
MAX_WRITERS = 1_000
MAX_THREADS = 64
COUNTS_BYTES = MAX_WRITERS * MAX_THREADS * 8
FORMATTER = "observability.logs.formatters.JsonFormatter"
HANDLER = "observability.logs.handlers.SharedRotatingFileHandler"


@dataclass(frozen=True, slots=True)
class Job:
    """The task of a writer.

    `path` is the log file, `options` are those of the handler, `counts` is the file of `Counts`. At each command the
    process forks `forks` children, which have the next numbers and write the same number of records with the same
    handler. If `formatter` is not ours, the standard library creates the records.
    """

    path: str
    counts: str
    number: int = 0
    threads: int = 1
    forks: int = 0
    filler_bytes: int = 20
    pause_s: float = 0.0
    uid: int = 0
    handler: str = HANDLER
    options: dict[str, Any] = field(default_factory=dict)
    packages: str = ""
    formatter: str = FORMATTER


class Counts:
    """The number of returned log calls per thread of each writer, in a file that several processes map."""

    def __init__(self, path: str) -> None:
        with Path(path).open("r+b") as file:
            self.slots = memoryview(mmap.mmap(file.fileno(), COUNTS_BYTES)).cast("q")

    def __getitem__(self, place: tuple[int, int]) -> int:
        return self.slots[self.slot(*place)]

    @staticmethod
    def slot(writer: int, thread: int) -> int:
        """Return the index of the count of a thread."""
        return writer * MAX_THREADS + thread


def create_handler(job: Job) -> logging.Handler:
    """Create the handler of a job with its formatter; change to the user of the job first."""
    if job.packages:
        sys.path.append(job.packages)
    handler_class = _named(job.handler)
    if job.uid:
        os.setuid(job.uid)
    handler: logging.Handler = handler_class(job.path, **job.options)
    options = {"service_name": "library"} if job.formatter == FORMATTER else {"rename_fields": {"message": "event"}}
    handler.setFormatter(_named(job.formatter)(**options))
    return handler


def _named(dotted: str) -> Any:  # noqa: ANN401 - a class
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def write(job: Job, counts: Counts, thread: int, records: int) -> None:
    """Write the next records of one thread; count each record after its call has returned."""
    log = _log(job)
    writer, pause_s, filler = job.number, job.pause_s, "x" * job.filler_bytes
    # This loop must be cheap compared with the log call that is measured.
    slots, slot = counts.slots, counts.slot(writer, thread)
    first = slots[slot]
    for number in range(first, first + records):
        log(writer=writer, worker=thread, number=number, filler=filler)
        slots[slot] = number + 1
        if pause_s:
            time.sleep(pause_s)


def _log(job: Job) -> Callable[..., None]:
    if job.formatter == FORMATTER:
        return partial(structlog.get_logger(__name__).bind().info, EVENT)
    info = logging.getLogger(__name__).info
    return lambda **facts: info(EVENT, extra=facts)


def write_by_threads(job: Job, counts: Counts, records: int) -> None:
    threads = [threading.Thread(target=write, args=(job, counts, number, records)) for number in range(1, job.threads)]
    for thread in threads:
        thread.start()
    write(job, counts, 0, records)
    for thread in threads:
        thread.join()


def write_by_children(job: Job, counts: Counts, records: int) -> None:
    """Write in this process and its children at the same time, with the handler from before the fork."""
    fields = {name: getattr(job, name) for name in job.__slots__}
    children = []
    for index in range(job.forks):
        child = os.fork()
        if not child:
            write_by_threads(Job(**fields | {"number": job.number + 1 + index}), counts, records)
            os._exit(0)
        children.append(child)
    write_by_threads(job, counts, records)
    for child in children:
        os.waitpid(child, 0)


def serve(job: Job) -> None:
    """Execute the commands from stdin until its end."""
    settings.configure()
    if job.formatter == FORMATTER:
        configure_structlog()
    counts = Counts(job.counts)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(create_handler(job))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for command in sys.stdin:
        write_by_children(job, counts, int(command))
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(Job(**json.loads(sys.argv[1])))
