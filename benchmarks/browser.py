"""What a call costs in development: recorded, with the toolbar, with both, under silk; and what its pages take."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import IO, cast

from benchmarks._development import REQUESTS, WAYS

ROOT = Path(__file__).resolve().parent.parent
CALLS = 500
PAGES = {"requests": "the list of {calls} calls", "call": "the page of a call"}


class Process:
    """A process that answers in one way, and the CPU milliseconds of a request in each round."""

    def __init__(self, questions: IO[str], answers: IO[str]) -> None:
        self.questions = questions
        self.answers = answers
        self.times_ms: list[float] = []

    def ask(self, question: str) -> float:
        """Its answer. Raises `RuntimeError` where it ended."""
        self.questions.write(f"{question}\n")
        self.questions.flush()
        return float(self.said())

    def said(self) -> str:
        """The next line that it says."""
        if line := self.answers.readline():
            return line.strip()
        raise RuntimeError("a process of the benchmark ended; its reason stands above")


def main(arguments: list[str]) -> None:
    """Print a row for each way, and what the pages take. Each way is a process; they take turns, round by round."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks browser", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="how often each is measured (%(default)s)")
    parser.add_argument("--calls", type=int, default=CALLS, help="in the list of calls, at most 500 (%(default)s)")
    options = parser.parse_args(arguments)
    rounds, calls = options.rounds, options.calls
    with ExitStack() as stack:
        ways = {way: stack.enter_context(_started(way)) for way in WAYS}
        for _ in range(rounds):
            for process in ways.values():
                process.times_ms.append(process.ask("round"))
        show({way: process.times_ms for way, process in ways.items()})
        _fill(ways["toolbar_and_recorded"], calls)
        for page, name in PAGES.items():
            taken = [ways["toolbar_and_recorded"].ask(f"{page} {calls}") for _ in range(rounds)]
            wanted = "   wanted: below 300" if page == "requests" else ""
            label = f"{name.format(calls=calls)}, ms"
            sys.stdout.write(f"{label:<34}{median(taken):>9.0f}{wanted and f'            {wanted}'}\n")


def show(times_ms: dict[str, list[float]]) -> None:
    """The table: CPU of one request, how many times that of the bare list it is, and of what that is made."""
    bare = times_ms["bare"]
    sys.stdout.write(f"a list of DRF with 21 queries, {REQUESTS} requests a round\n\n")
    sys.stdout.write(f"{'':<34}{'ms':>9}{'x bare':>9}\n")
    for way, each in times_ms.items():
        sys.stdout.write(f"{way.replace('_', ' '):<34}{median(each):>9.2f}{_ratio(each, bare):>9.2f}\n")
    observed, recorded = (_ratio(times_ms[way], bare) for way in ("observed", "recorded"))
    both = _ratio(times_ms["toolbar_and_recorded"], times_ms["toolbar"])
    sys.stdout.write(f"\n{'recorded, x bare':<34}{recorded:>18.2f}   wanted: at most 1.15\n")
    sys.stdout.write(f"{'of it, the observation':<34}{observed - 1:>18.2f}\n")
    sys.stdout.write(f"{'of it, recording':<34}{recorded - observed:>18.2f}\n")
    sys.stdout.write(f"{'toolbar and recorded, x toolbar':<34}{both:>18.2f}   wanted: at most 1.30\n\n")


def _ratio(times_ms: list[float], others_ms: list[float]) -> float:
    return median(first / second for first, second in zip(times_ms, others_ms, strict=True))


@contextmanager
def _started(way: str) -> Iterator[Process]:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        process = subprocess.Popen(  # noqa: S603 - its own
            [sys.executable, "-m", "benchmarks._development", way, directory],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            asked = Process(cast("IO[str]", process.stdin), cast("IO[str]", process.stdout))
            asked.said()
            yield asked
        finally:
            process.kill()
            process.communicate()


def _fill(process: Process, calls: int) -> None:
    """Let it have as many calls, or more."""
    for _ in range(-(-calls // REQUESTS)):
        process.ask("round")
