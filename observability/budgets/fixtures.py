"""The fixtures of the plugin."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from observability.budgets.budget_run import BudgetRun
from observability.budgets.failure import BudgetFailure
from observability.budgets.failure_message import over_budget
from observability.budgets.growth import grown
from observability.budgets.markers import query_budget
from observability.budgets.measured import Measurements
from observability.budgets.query_collector import Recording
from observability.budgets.scaling import SCALES, NotMeasured, measure

run_key = pytest.StashKey[BudgetRun]()


@pytest.fixture
def django_query_recorder(request: pytest.FixtureRequest) -> Callable[[], AbstractContextManager[Recording]]:
    """Give a context manager that records the queries of its block, and never fails: `.count`, `.statements`."""
    return request.config.stash[run_key].recorder.block


@pytest.fixture
def django_assert_query_budget(
    request: pytest.FixtureRequest,
) -> Callable[..., AbstractContextManager[Recording]]:
    """Give a context manager that fails where the application runs more queries than `max`, or others than `exact`."""
    recorder = request.config.stash[run_key].recorder

    @contextmanager
    def budget(
        max: int | None = None,  # noqa: A002 - as in the budget file
        exact: int | None = None,
        using: str | Sequence[str] = "__all__",
    ) -> Iterator[Recording]:
        __tracebackhide__ = True
        limit = query_budget(max, exact, using)
        with recorder.block() as recording:
            yield recording
        kept = recording.in_databases(using)
        problem = limit.broken_by(kept)
        if problem:
            title = f"{', '.join(recording.routes) or 'the block'} runs {problem}"
            raise BudgetFailure("\n".join(over_budget(title, kept, {})))

    return budget


@pytest.fixture
def django_assert_constant_queries(request: pytest.FixtureRequest, db: None) -> Callable[..., dict[int, Recording]]:  # noqa: ARG001
    """Give a function that fails where a call runs more queries the more rows there are.

    `populate(rows)` makes the rows, `call()` is measured with each number of `scales`; `slope` is how many queries more
    each row may cost. Both are undone after each call, but in a test with `live_server`, whose thread would not see
    what was not committed: there `populate` has to make up the difference itself.
    """
    run = request.config.stash[run_key]
    rolls_back = "live_server" not in request.fixturenames

    def constant(
        populate: Callable[[int], object],
        call: Callable[[], Any],
        scales: tuple[int, ...] = SCALES,
        slope: float = 0,
    ) -> dict[int, Recording]:
        __tracebackhide__ = True
        before = dict(run.measurements)
        try:
            recordings = measure(run.recorder, populate, call, scales, rolls_back=rolls_back)
            problem = grown(recordings, slope)
        except NotMeasured as refusal:
            problem = str(refusal)
        if problem:
            # One failure is enough: what was measured so far is neither compared with the file nor recorded.
            run.measurements = Measurements(before)
            raise BudgetFailure(problem)
        if slope == 0:
            run.proved_constant([key for recording in recordings.values() for key in recording.routes])
        return recordings

    return constant
