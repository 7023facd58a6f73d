"""Cost of a log record, of rotation by several processes and of the access log, compared with other libraries."""

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
from benchmarks.census import Census, log_files, take_census
from benchmarks.measure import Work, compare_all
from benchmarks.packages import site_packages
from benchmarks.project import temporary_project
from benchmarks.scenarios import job_in, jobs_of
from benchmarks.writers import returned_calls, write_together

TABLES = ("record", "rotation", "request")
RECORDS = 1_000
PROCESSES = 4
NO_ROTATION = 10**12
WIDTH = 52


def main(arguments: list[str]) -> None:
    """Print the given tables, or all."""
    parser = argparse.ArgumentParser(prog="bin/bench logging", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"one or more of {', '.join(TABLES)} (default: all)")
    parser.add_argument("--rounds", type=int, default=20, help="number of measurements (%(default)s)")
    parser.add_argument("--records", type=int, default=50_000, help="records per process for rotation (%(default)s)")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.tables) - set(TABLES):
        parser.error(f"unknown table {', '.join(sorted(unknown))}. Available: {', '.join(TABLES)}")
    tables: dict[str, Callable[[], None]] = {
        "record": lambda: measure_records(chosen.rounds),
        "rotation": lambda: measure_rotation(max(1, chosen.rounds // 7), chosen.records),
        "request": lambda: request.measure(chosen.rounds),
    }
    with temporary_project():
        for name in chosen.tables or TABLES:
            tables[name]()


def measure_records(rounds: int) -> None:
    """Print the CPU time of one record in each pipeline, as a multiple of one `os.write` of the same line."""
    import structlog  # noqa: PLC0415 - the settings have configured it

    from benchmarks.pipelines import BOUND, FACTS, lower_bound, pipelines  # noqa: PLC0415 - as above
    from observability import observe  # noqa: PLC0415 - as above

    sys.stdout.write(
        f"\nOne record with {len(FACTS)} keys and {len(BOUND)} bound keys in an observation: CPU time as a multiple of"
        f"\none os.write of our line\n\n{'':<{WIDTH}}{'median':>9}{'min/min':>9}   target\n"
    )
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        stack.callback(logging.setLogRecordFactory, logging.getLogRecordFactory())
        stack.enter_context(structlog.contextvars.bound_contextvars(**BOUND))
        stack.enter_context(observe("benchmark"))
        measured = pipelines(directory)
        works = [_repeated(lower_bound(directory / "lower_bound"), logging.LogRecord)]
        works += [_repeated(pipeline.log, pipeline.record_factory) for pipeline in measured]
        floor_ms, *others = compare_all(works, rounds)
    targets = {"ours, structlog": "at most 8", "ours, extra= of logging": "at most 11"}
    for pipeline, times_ms in zip(measured, others, strict=True):
        ratio = median(time / least for time, least in zip(times_ms, floor_ms, strict=True))
        row = f"{pipeline.name:<{WIDTH}}{ratio:>9.1f}{min(times_ms) / min(floor_ms):>9.1f}"
        sys.stdout.write(f"{row}   {targets.get(pipeline.name, '')}".rstrip() + "\n")


def _repeated(log: Callable[[], object], record_factory: type[logging.LogRecord]) -> Work:
    def work() -> None:
        logging.setLogRecordFactory(record_factory)
        for _ in range(RECORDS):
            log()

    return work


def measure_rotation(rounds: int, records: int) -> None:
    """Print how much faster our handler with rotation is than others, for four processes, and the lost records."""
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
        f"\n{PROCESSES} processes, {records:,} records each, files of 5 MB, our formatter if no other is named."
        f"\nRatio: lines per second of ours with rotation, divided by those of the row. Counts: lines of all rounds.\n"
        f"\n{'':<{WIDTH - 18}}{'median':>9}{'min':>9}{'written':>12}{'lost':>9}{'duplicate':>11}{'torn':>7}   target\n"
    )
    rates: dict[str, list[float]] = {name: [] for name in handlers}
    totals = {name: Census() for name in handlers}
    for _ in range(rounds):
        for name, options in handlers.items():
            rates[name].append(_measure_rotation(options, records, totals[name]))
    targets = {"ours, without rotation": "at least 0.9", "ConcurrentRotatingFileHandler": "at least 4"}
    targets["the same, python-json-logger"] = targets["ConcurrentRotatingFileHandler"]
    for name, census in totals.items():
        ratios = [ours / theirs for ours, theirs in zip(rates["ours"], rates[name], strict=True)]
        counts = f"{census.written:>12,}{census.lost:>9,}{census.duplicate:>11,}{census.torn:>7,}"
        row = f"{name:<{WIDTH - 18}}{median(ratios):>9.2f}{min(ratios):>9.2f}{counts}   {targets.get(name, '')}"
        sys.stdout.write(f"{row.rstrip()}\n")


def _measure_rotation(options: dict[str, Any], records: int, total: Census) -> float:
    """Run one round, add its census to the total, and return its lines per second."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        jobs = jobs_of(job_in(Path(directory), backup_count=1_000, **{"max_bytes": 5_000_000} | options), PROCESSES)
        seconds = write_together(jobs, records)
        total.add(take_census(log_files(Path(jobs[0].path)), returned_calls(jobs)))
        return PROCESSES * records / seconds
