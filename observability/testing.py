"""For tests: counting the queries of a block, with the lines of code that caused them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from observability.callsite import call_site
from observability.observation import Observation, Step, observe
from observability.readers import readers


class QueryCounter:
    """A reader that keeps each statement with the line of our code that caused it."""

    def __init__(self) -> None:
        self.queries: Counter[tuple[str, str]] = Counter()

    def step(self, _: Observation, step: Step) -> None:
        if step.kind == "query":
            self.queries[step.fingerprint, str(call_site())] += 1


@contextmanager
def query_count(expected: int) -> Iterator[None]:
    """Fail unless the block runs exactly `expected` queries, in a request or outside of any."""
    counter = QueryCounter()
    with readers.added(counter), observe("query_count"):
        yield
    counted = counter.queries.total()
    if counted != expected:
        raise AssertionError(report(expected, counter.queries))


def report(expected: int, queries: Counter[tuple[str, str]]) -> str:
    """What ran instead: each statement once, with how often it ran, and where."""
    counted = queries.total()
    lines = [f"{counted} {'query' if counted == 1 else 'queries'} instead of {expected}:"]
    for (statement, place), count in queries.most_common():
        lines += [f"  {count}x {statement}", f"      {place}"]
    return "\n".join(lines)
