"""Cost of a request in development: recorded, with the toolbar, with silk; and time of the profiler's pages."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import IO, cast

from benchmarks._development import CONFIGURATIONS, REQUESTS

ROOT = Path(__file__).resolve().parent.parent
LISTED_REQUESTS = 500
PAGES = {"list": "the list of {count} requests", "request": "the page of a request"}


class Process:
    """A process with one configuration, and the CPU milliseconds of a request in each round."""

    def __init__(self, stdin: IO[str], stdout: IO[str]) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.times_ms: list[float] = []

    def measure(self, command: str) -> float:
        """Return the milliseconds for a command. Raise `RuntimeError` if the process ended."""
        self.stdin.write(f"{command}\n")
        self.stdin.flush()
        return float(self.read_line())

    def read_line(self) -> str:
        """Return the next line of its output. Raise `RuntimeError` if the process ended."""
        if line := self.stdout.readline():
            return line.strip()
        raise RuntimeError("a process of the benchmark ended; the reason is above")


def main(arguments: list[str]) -> None:
    """Print a row for each configuration, and the times of the pages. The processes take turns in each round."""
    parser = argparse.ArgumentParser(prog="bin/bench profiler", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="number of measurements (%(default)s)")
    parser.add_argument(
        "--requests", type=int, default=LISTED_REQUESTS, help="requests in the list, at most 500 (%(default)s)"
    )
    options = parser.parse_args(arguments)
    rounds, count = options.rounds, options.requests
    with ExitStack() as stack:
        processes = {name: stack.enter_context(_started(name)) for name in CONFIGURATIONS}
        for _ in range(rounds):
            for process in processes.values():
                process.times_ms.append(process.measure("round"))
        print_table({name: process.times_ms for name, process in processes.items()})
        _send_requests(processes["toolbar_and_recorded"], count)
        for page, name in PAGES.items():
            times_ms = [processes["toolbar_and_recorded"].measure(f"{page} {count}") for _ in range(rounds)]
            target = "   target: below 300" if page == "list" else ""
            label = f"{name.format(count=count)}, ms"
            sys.stdout.write(f"{label:<34}{median(times_ms):>9.0f}{target and f'            {target}'}\n")


def print_table(times_ms: dict[str, list[float]]) -> None:
    """Print the CPU time of one request, as a multiple of the bare list too, and the parts of the difference."""
    bare = times_ms["bare"]
    sys.stdout.write(f"a DRF list with 21 queries, {REQUESTS} requests per round\n\n")
    sys.stdout.write(f"{'':<34}{'ms':>9}{'x bare':>9}\n")
    for name, each in times_ms.items():
        sys.stdout.write(f"{name.replace('_', ' '):<34}{median(each):>9.2f}{_ratio(each, bare):>9.2f}\n")
    observed, recorded = (_ratio(times_ms[name], bare) for name in ("observed", "recorded"))
    both = _ratio(times_ms["toolbar_and_recorded"], times_ms["toolbar"])
    sys.stdout.write(f"\n{'recorded, x bare':<34}{recorded:>18.2f}   target: at most 1.15\n")
    sys.stdout.write(f"{'  of this, the observation':<34}{observed - 1:>18.2f}\n")
    sys.stdout.write(f"{'  of this, the recording':<34}{recorded - observed:>18.2f}\n")
    sys.stdout.write(f"{'toolbar and recorded, x toolbar':<34}{both:>18.2f}   target: at most 1.30\n\n")


def _ratio(times_ms: list[float], others_ms: list[float]) -> float:
    return median(first / second for first, second in zip(times_ms, others_ms, strict=True))


@contextmanager
def _started(configuration: str) -> Iterator[Process]:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        process = subprocess.Popen(  # noqa: S603 - its own
            [sys.executable, "-m", "benchmarks._development", configuration, directory],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            started = Process(cast("IO[str]", process.stdin), cast("IO[str]", process.stdout))
            started.read_line()
            yield started
        finally:
            process.kill()
            process.communicate()


def _send_requests(process: Process, count: int) -> None:
    """Let the process record at least this number of requests."""
    for _ in range(-(-count // REQUESTS)):
        process.measure("round")
