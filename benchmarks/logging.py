"""What a log line costs, rotation by several processes, and the access line; ours, and what else is in use."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import request
from benchmarks.census import Census, chain, take_census
from benchmarks.measure import Work, compare_all
from benchmarks.packages import site_packages
from benchmarks.project import temporary_project
from benchmarks.scenarios import job_in, jobs_of
from benchmarks.writers import counted, write_together

TABLES = ("record", "rotation", "request")
RECORDS = 1_000
PROCESSES = 4
NO_ROTATION = 10**12
WIDTH = 52


def main(arguments: list[str]) -> None:
    """Print the tables that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks logging", description=__doc__)
    parser.add_argument(
        "tables", nargs="*", metavar="TABLE", help=f"some of {', '.join(TABLES)}; all, if none is named"
    )
    parser.add_argument("--rounds", type=int, default=20, help="how often each is measured (%(default)s)")
    parser.add_argument("--records", type=int, default=50_000, help="of each process that rotates (%(default)s)")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.tables) - set(TABLES):
        parser.error(f"there is no table {', '.join(sorted(unknown))}: choose among {', '.join(TABLES)}")
    tables: dict[str, Callable[[], None]] = {
        "record": lambda: measure_records(chosen.rounds),
        "rotation": lambda: measure_rotation(max(1, chosen.rounds // 7), chosen.records),
        "request": lambda: request.measure(chosen.rounds),
    }
    with temporary_project():
        for name in chosen.tables or TABLES:
            tables[name]()


def measure_records(rounds: int) -> None:
    """Print the CPU time of one record by each pipeline, as a multiple of one `os.write` of its line."""
    import structlog  # noqa: PLC0415 - the settings configured it

    from benchmarks.pipelines import BOUND, FACTS, floor, pipelines  # noqa: PLC0415 - as above
    from observability import observe  # noqa: PLC0415 - as above

    sys.stdout.write(
        f"\nOne record of {len(FACTS)} keys and {len(BOUND)} bound ones, in an observation: CPU time, as a multiple of"
        f"\none os.write of the line that ours writes\n\n{'':<{WIDTH}}{'median':>9}{'min/min':>9}   wanted\n"
    )
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        stack.callback(logging.setLogRecordFactory, logging.getLogRecordFactory())
        stack.enter_context(structlog.contextvars.bound_contextvars(**BOUND))
        stack.enter_context(observe("benchmark"))
        found = pipelines(directory)
        works = [_repeated(floor(directory / "floor"), logging.LogRecord)]
        works += [_repeated(pipeline.log, pipeline.record_factory) for pipeline in found]
        floor_ms, *others = compare_all(works, rounds)
    wanted = {"ours, structlog": "at most 8", "ours, extra= of logging": "at most 11"}
    for pipeline, times_ms in zip(found, others, strict=True):
        ratio = median(time / least for time, least in zip(times_ms, floor_ms, strict=True))
        row = f"{pipeline.name:<{WIDTH}}{ratio:>9.1f}{min(times_ms) / min(floor_ms):>9.1f}"
        sys.stdout.write(f"{row}   {wanted.get(pipeline.name, '')}".rstrip() + "\n")


def _repeated(log: Callable[[], object], record_factory: type[logging.LogRecord]) -> Work:
    def work() -> None:
        logging.setLogRecordFactory(record_factory)
        for _ in range(RECORDS):
            log()

    return work


def measure_rotation(rounds: int, records: int) -> None:
    """Print how much faster ours with rotation is than others, for four processes, and what they lose."""
    handlers: dict[str, dict[str, Any]] = {
        "ours": {},
        "ours, without rotation": {"max_bytes": NO_ROTATION},
        "RotatingFileHandler": {"handler": "logging.handlers.RotatingFileHandler"},
    }
    packages = site_packages("concurrent-log-handler")
    if packages is not None:
        concurrent = "concurrent_log_handler.ConcurrentRotatingFileHandler"
        options = {"handler": concurrent, "packages": str(packages)}
        handlers["ConcurrentRotatingFileHandler"] = options
        handlers["the same, python-json-logger"] = options | {"formatter": "pythonjsonlogger.json.JsonFormatter"}
    sys.stdout.write(
        f"\n{PROCESSES} processes, {records:,} records each, files of 5 MB, our formatter where no other is named: how"
        f"\nmany times as many lines a second ours with rotation writes, and what became of the lines in all rounds\n"
        f"\n{'':<{WIDTH - 18}}{'median':>9}{'min':>9}{'written':>12}{'lost':>9}{'doubled':>9}{'torn':>7}   wanted\n"
    )
    rates: dict[str, list[float]] = {name: [] for name in handlers}
    found = {name: Census() for name in handlers}
    for _ in range(rounds):
        for name, options in handlers.items():
            rates[name].append(_rotated(options, records, found[name]))
    wanted = {"ours, without rotation": "at least 0.9", "ConcurrentRotatingFileHandler": "at least 4"}
    wanted["the same, python-json-logger"] = wanted["ConcurrentRotatingFileHandler"]
    for name, census in found.items():
        ratios = [ours / theirs for ours, theirs in zip(rates["ours"], rates[name], strict=True)]
        counts = f"{census.written:>12,}{census.lost:>9,}{census.doubled:>9,}{census.torn:>7,}"
        row = f"{name:<{WIDTH - 18}}{median(ratios):>9.2f}{min(ratios):>9.2f}{counts}   {wanted.get(name, '')}"
        sys.stdout.write(f"{row.rstrip()}\n")


def _rotated(options: dict[str, Any], records: int, found: Census) -> float:
    """Lines per second of one round, whose census is added to what was found."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        jobs = jobs_of(job_in(Path(directory), backup_count=1_000, **{"max_bytes": 5_000_000} | options), PROCESSES)
        seconds = write_together(jobs, records)
        found.add(take_census(chain(Path(jobs[0].path)), counted(jobs)))
        return PROCESSES * records / seconds
