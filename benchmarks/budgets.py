"""Cost of counting the queries of a serializer field: recorder, readers, test fixtures, debug cursor."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from statistics import median
from typing import Any

from benchmarks.measure import cpu_ms
from benchmarks.project import temporary_project

QUERIES = 40
ROUTE = "/api/v1/books/"


def main(arguments: list[str]) -> None:
    """Print a row for each way of counting: CPU time of a query, and its ratio to a query that is not counted."""
    parser = argparse.ArgumentParser(prog="bin/bench budgets", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="number of measurements (%(default)s)")
    rounds = parser.parse_args(arguments).rounds
    with temporary_project():
        counters, run = query_counters(), queries()
        times: dict[str, list[float]] = {name: [] for name in counters}
        for _ in range(rounds + 1):
            for name, counter in counters.items():
                with counter():
                    times[name].append(cpu_ms(run))
        print_table({name: each[1:] for name, each in times.items()})


def print_table(times_ms: dict[str, list[float]]) -> None:
    """Print the median of the fastest tenth of the rounds: other work of the machine only slows rounds down."""
    fastest = {name: median(sorted(each)[: max(1, len(each) // 10)]) for name, each in times_ms.items()}
    sys.stdout.write(f"{QUERIES} queries per round, each for one book, in a request\n\n")
    sys.stdout.write(f"{'':<28}{'us/query':>12}{'ratio':>9}\n")
    for name, each in fastest.items():
        sys.stdout.write(f"{name:<28}{each * 1000 / QUERIES:>12.1f}{each / fastest['bare']:>9.3f}\n")


def queries() -> Callable[[], object]:
    """Return a function that serializes a list with one query in each row, and closes the observation."""
    from rest_framework import serializers  # noqa: PLC0415 - Django is set up by now

    from observability import current  # noqa: PLC0415 - as above
    from tests.probe.models import Book  # noqa: PLC0415 - as above

    class Row(serializers.Serializer[Any]):
        book = serializers.SerializerMethodField()

        def get_book(self, _: int) -> None:
            Book.objects.filter(isbn="978-0-00-000001-0").first()

    def run() -> None:
        Row(list(range(QUERIES)), many=True).data  # noqa: B018 - reading it runs the queries
        observation = current()
        if observation is not None:
            observation.close()

    return run


def query_counters() -> dict[str, Callable[[], AbstractContextManager[object]]]:
    """Return the ways of counting by name, as context managers."""
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    from observability.core.readers import readers  # noqa: PLC0415

    connection.ensure_connection()
    installed = readers._installed  # noqa: SLF001 - to restore them
    budgets = [each for each in installed if type(each).__name__ == "QueryBudgetReader"]

    @contextmanager
    def debug_cursor() -> Iterator[None]:
        with _without_recorder(connection), CaptureQueriesContext(connection):
            yield

    return {
        "bare": lambda: _without_recorder(connection),
        "bare again": lambda: _without_recorder(connection),
        "recorder, no observation": nullcontext,
        "recorder": _request,
        "recorder and budget": lambda: _request(*budgets),
        "in tests, line and field": lambda: _request(_query_collector()),
        "CaptureQueriesContext": debug_cursor,
    }


@contextmanager
def _without_recorder(connection: Any) -> Iterator[None]:  # noqa: ANN401 - of any database
    wrappers, connection.execute_wrappers = connection.execute_wrappers, []
    if not wrappers:
        raise RuntimeError("the database recorder is not installed")
    try:
        yield
    finally:
        connection.execute_wrappers = wrappers


@contextmanager
def _request(*active_readers: object) -> Iterator[None]:
    """Open an observation of a request with these readers until the block ends."""
    from observability.core.context import activate  # noqa: PLC0415
    from observability.core.http_attributes import HttpAttributes  # noqa: PLC0415
    from observability.core.observation import Observation  # noqa: PLC0415
    from observability.core.readers import readers  # noqa: PLC0415

    installed = readers._installed  # noqa: SLF001 - as above
    http = HttpAttributes("GET", ROUTE, route=ROUTE)
    with ExitStack() as stack:
        readers.install(active_readers)
        stack.callback(readers.install, installed)
        stack.enter_context(activate(Observation("request", "GET", http=http)))
        yield


def _query_collector() -> object:
    from observability.budgets.query_collector import QueryCollector  # noqa: PLC0415

    collector = QueryCollector(lambda *_: None)
    collector.is_measuring = True
    return collector
