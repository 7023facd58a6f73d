"""Records lost by kills, rotation, a full disk or moved files; the exit code is 1 if a loss is not reported."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import scenarios
from benchmarks.scenarios import Outcome

NAMES = ("rotation", "kill", "stop", "fork", "rename", "disk", "directory", "permission", "large", "threads")
HEADINGS = ("written", "files", "lost", "reported", "duplicate", "torn", "disordered")


def main(arguments: list[str]) -> int:
    """Print a line for each fault. Return 1 if a record was lost without a report, written twice or out of order."""
    parser = argparse.ArgumentParser(prog="bin/bench faults", description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"one or more of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--records", type=int, default=200_000, help="records for rotation and kill (%(default)s)")
    parser.add_argument("--kills", type=int, default=43, help="number of killed processes (%(default)s)")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.faults) - set(NAMES):
        parser.error(f"unknown fault {', '.join(sorted(unknown))}. Available: {', '.join(NAMES)}")
    faults = _faults(chosen.records, chosen.kills)
    sys.stdout.write(f"{'':<46}{''.join(f'{heading:>11}' for heading in HEADINGS)}\n")
    results = [_result(faults[name]) for name in chosen.faults or NAMES]
    sys.stdout.write(
        "\nlost: records whose log call returned but that are in no file"
        "\nreported: lost records that the event log_records_dropped counts"
        "\ntorn: incomplete lines after a kill; readers skip them\n"
    )
    return 0 if all(results) else 1


def _faults(records: int, kills: int) -> dict[str, Callable[[Path], Outcome]]:
    share = max(20, records // 400)
    return {
        "rotation": partial(scenarios.many_writers, records=records, max_bytes=6_400, rounds=40),
        "kill": partial(scenarios.killed, records=records, kills=kills),
        "stop": partial(scenarios.stopped, rounds=20),
        "fork": partial(scenarios.forked, records=share * 10),
        "rename": partial(scenarios.renamed, renames=5),
        "disk": partial(scenarios.disk_full, records=share),
        "directory": scenarios.directory_removed,
        "permission": scenarios.permission_lost,
        "large": partial(scenarios.large_records, records=share),
        "threads": partial(scenarios.many_threads, records=share),
    }


def _result(fault: Callable[[Path], Outcome]) -> bool:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        outcome = fault(Path(directory))
    census = outcome.census
    figures = (census.written, census.files, census.lost, outcome.reported_dropped, census.duplicate, census.torn)
    columns = "".join(f"{figure:>11,}" for figure in (*figures, census.disordered))
    sys.stdout.write(f"{outcome.fault:<46}{columns}\n")
    sys.stdout.flush()
    return outcome.is_good
