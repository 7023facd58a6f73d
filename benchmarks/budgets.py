"""A SQLite query with what counts it: the recorder alone, with its budget, with line and field, a debug cursor."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from statistics import median

from benchmarks.measure import cpu_ms
from benchmarks.project import temporary_project

QUERIES = 40


def main(arguments: list[str]) -> None:
    """Print a row for each way of counting: CPU of a query, and how many times that of a bare one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks budgets", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="how often each is measured (%(default)s)")
    rounds = parser.parse_args(arguments).rounds
    with temporary_project():
        ways = counted_by()
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds + 1):
            for name, way in ways.items():
                with way():
                    times[name].append(cpu_ms(run))
        show({name: each[1:] for name, each in times.items()})


def show(times_ms: dict[str, list[float]]) -> None:
    """The quickest tenth of the rounds: what else the machine does only adds to the others."""
    quick = {name: median(sorted(each)[: max(1, len(each) // 10)]) for name, each in times_ms.items()}
    sys.stdout.write(f"{QUERIES} queries a round, each of one truck, in a request\n\n")
    sys.stdout.write(f"{'':<28}{'us a query':>12}{'ratio':>9}\n")
    for name, each in quick.items():
        sys.stdout.write(f"{name:<28}{each * 1000 / QUERIES:>12.1f}{each / quick['bare']:>9.3f}\n")


def run() -> None:
    """The queries, as a view makes them."""
    from service.models import Truck  # noqa: PLC0415 - models exist once Django is set up

    for _ in range(QUERIES):
        Truck.objects.filter(vin="LZZ5DXSBXSA000001").first()


def counted_by() -> dict[str, Callable[[], AbstractContextManager[object]]]:
    """The ways of counting, by name."""
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    from observability.budgets.recording import Recorder  # noqa: PLC0415
    from observability.database import QueryRecorder  # noqa: PLC0415
    from observability.observation import HttpExchange, Observation, active  # noqa: PLC0415
    from observability.readers import readers  # noqa: PLC0415

    connection.ensure_connection()
    installed = readers._installed  # noqa: SLF001 - it puts back what it takes out

    @contextmanager
    def without_recorder() -> Iterator[None]:
        wrappers, connection.execute_wrappers = connection.execute_wrappers, []
        try:
            yield
        finally:
            connection.execute_wrappers = wrappers

    @contextmanager
    def request(*read_by: object) -> Iterator[None]:
        exchange = HttpExchange("GET", "/api/v1/trucks/", route="/api/v1/trucks/")
        readers.install(read_by)
        try:
            with active(Observation("request", "GET", http=exchange)):
                yield
        finally:
            readers.install(installed)

    @contextmanager
    def debug_cursor() -> Iterator[None]:
        with without_recorder(), CaptureQueriesContext(connection):
            yield

    @contextmanager
    def with_cause() -> Iterator[None]:
        recorder = Recorder(lambda *_: None)
        recorder.is_measuring = True
        with request(recorder):
            yield

    budgets = next(each for each in installed if type(each).__name__ == "QueryBudgets")
    if not any(isinstance(wrapper, QueryRecorder) for wrapper in connection.execute_wrappers):
        raise RuntimeError("the database recorder is not installed")
    return {
        "bare": without_recorder,
        "bare again": without_recorder,
        "recorder, outside of work": nullcontext,
        "recorder": request,
        "recorder and budget": lambda: request(budgets),
        "recorder, line and field": with_cause,
        "CaptureQueriesContext": debug_cursor,
    }
