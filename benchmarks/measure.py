"""Compare the CPU time of functions in one process. They run in turns, so that a busy machine affects all of them."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Comparison:
    """CPU milliseconds of two functions in each round; a round is one run of each."""

    first_ms: list[float]
    second_ms: list[float]

    @property
    def ratios(self) -> list[float]:
        """Return the time of the first function divided by the time of the second, for each round."""
        return [first / second for first, second in zip(self.first_ms, self.second_ms, strict=True)]

    def rows(self, first_name: str, second_name: str) -> str:
        """Return a table with minimum, median and maximum of both times and of the ratio."""
        named = {f"{first_name}, ms": self.first_ms, f"{second_name}, ms": self.second_ms, "ratio": self.ratios}
        width = max(len(name) for name in named)
        lines = [f"{'':<{width}}{'min':>9}{'median':>9}{'max':>9}"]
        lines += [
            f"{name:<{width}}{min(values):>9.2f}{median(values):>9.2f}{max(values):>9.2f}"
            for name, values in named.items()
        ]
        return "\n".join(lines)


def compare(first: Work, second: Work, rounds: int, *, before_each: Work = lambda: None) -> Comparison:
    """Run both functions in turns, `rounds` times after one round that is not counted.

    `before_each` runs before each run; its time is not measured.
    """
    first_ms, second_ms = compare_all([first, second], rounds, before_each=before_each)
    return Comparison(first_ms, second_ms)


def compare_all(works: Sequence[Work], rounds: int, *, before_each: Work = lambda: None) -> list[list[float]]:
    """Run any number of functions like `compare`; return the milliseconds of each round for each function."""
    times_ms: list[list[float]] = [[] for _ in works]
    for _ in range(rounds + 1):
        for work, of_work in zip(works, times_ms, strict=True):
            before_each()
            of_work.append(cpu_ms(work))
    return [of_work[1:] for of_work in times_ms]


def cpu_ms(work: Work) -> float:
    """Return the CPU milliseconds of one run, after a garbage collection."""
    gc.collect()
    started = time.process_time_ns()
    work()
    return (time.process_time_ns() - started) / 1e6
