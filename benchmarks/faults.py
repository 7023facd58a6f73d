"""What the log files lose to kills, rotation, a full disk and others who move them: nothing, or the status is 1."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import scenarios
from benchmarks.scenarios import Outcome

NAMES = ("rotation", "kill", "stop", "fork", "rename", "disk", "directory", "permission", "large", "threads")
HEADINGS = ("written", "files", "lost", "reported", "doubled", "torn", "disordered")


def main(arguments: list[str]) -> int:
    """Print a line for each fault; 1 if a record was lost in silence, written twice or out of order."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks faults", description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"some of {', '.join(NAMES)}; all, if none is named")
    parser.add_argument("--records", type=int, default=200_000, help="of the rotation and the kills (%(default)s)")
    parser.add_argument("--kills", type=int, default=43, help="processes that are killed (%(default)s)")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.faults) - set(NAMES):
        parser.error(f"there is no fault {', '.join(sorted(unknown))}: choose among {', '.join(NAMES)}")
    faults = _faults(chosen.records, chosen.kills)
    sys.stdout.write(f"{'':<46}{''.join(f'{heading:>11}' for heading in HEADINGS)}\n")
    results = [_result(faults[name]) for name in chosen.faults or NAMES]
    sys.stdout.write(
        "\nlost: of the records whose log call returned, those that are in no file; reported: how many are lost by what"
        "\nlog_records_dropped says; torn: what a kill left of a line, which a reader skips to the next record.\n"
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
    figures = (census.written, census.files, census.lost, outcome.reported_dropped, census.doubled, census.torn)
    columns = "".join(f"{figure:>11,}" for figure in (*figures, census.disordered))
    sys.stdout.write(f"{outcome.fault:<46}{columns}\n")
    sys.stdout.flush()
    return outcome.is_good
