"""The pytest fixtures of the plugin."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pytest

from observability.budgets.budget_run import BudgetRun
from observability.budgets.failure_message import BudgetFailure, format_over_budget
from observability.budgets.markers import query_budget
from observability.budgets.query_collector import ALL_DATABASES, CollectedQueries
from observability.budgets.scaling import DEFAULT_SCALES, ScalingError, describe_growth, measure_scales
from observability.budgets.verdict import Measurements

run_key = pytest.StashKey[BudgetRun]()


@pytest.fixture
def django_query_collector(request: pytest.FixtureRequest) -> Callable[[], AbstractContextManager[CollectedQueries]]:
    """Return a context manager that collects the queries of its block and never fails the test."""
    return request.config.stash[run_key].collector.collect


@pytest.fixture
def django_assert_query_budget(
    request: pytest.FixtureRequest,
) -> Callable[..., AbstractContextManager[CollectedQueries]]:
    """Return a context manager that fails if its block runs more than `max` queries, or a number other than `exact`."""
    collector = request.config.stash[run_key].collector

    @contextmanager
    def assert_query_budget(
        max: int | None = None,  # noqa: A002 - as in the budget file
        exact: int | None = None,
        using: str | Sequence[str] = ALL_DATABASES,
    ) -> Iterator[CollectedQueries]:
        __tracebackhide__ = True
        limit = query_budget(max, exact, using)
        with collector.collect() as collected:
            yield collected
        limited = collected.in_databases(using)
        excess = limit.describe_excess(limited)
        if excess:
            title = f"{', '.join(collected.routes) or 'the block'} runs {excess}"
            raise BudgetFailure("\n".join(format_over_budget(title, limited, {})))

    return assert_query_budget


@pytest.fixture
def django_assert_constant_queries(
    request: pytest.FixtureRequest,
    db: None,  # noqa: ARG001 - it allows the test to use the database
) -> Callable[..., dict[int, CollectedQueries]]:
    """Return a function that fails if the number of queries of a call grows with the number of rows.

    `populate(rows)` creates the rows. `call()` is measured with each number of rows in `scales`. `slope` is the allowed
    number of additional queries per row. The changes of both are rolled back after each measurement, except in a test
    with `live_server`: the thread of the server does not see uncommitted rows. There, rows of the previous scale still
    exist, and `populate` has to create only the missing rows.
    """
    run = request.config.stash[run_key]
    rolls_back = "live_server" not in request.fixturenames

    def assert_constant_queries(
        populate: Callable[[int], object],
        call: Callable[[], object],
        scales: tuple[int, ...] = DEFAULT_SCALES,
        slope: float = 0,
    ) -> dict[int, CollectedQueries]:
        __tracebackhide__ = True
        before = dict(run.measurements)
        try:
            results = measure_scales(run.collector, populate, call, scales, rolls_back=rolls_back)
            problem = describe_growth(results, slope)
        except ScalingError as error:
            problem = str(error)
        if problem:
            # The test fails here. Discard the measurements, so that the same requests do not fail the run again.
            run.measurements = Measurements(before)
            raise BudgetFailure(problem)
        if slope == 0:
            run.mark_constant([key for collected in results.values() for key in collected.routes])
        return results

    return assert_constant_queries
