"""The verdict of a run: its problems, and the updated budgets."""

from dataclasses import replace

import pytest

from observability.budgets.budget_file import Budget, Budgets, Scale
from observability.budgets.routes import Route
from observability.budgets.verdict import Measurement, Measurements, RunResult, find_problems, update_budgets

FULL = RunResult(is_full=True, has_passed=True, command="bin/test", file="budgets.json")
PART = replace(FULL, is_full=False)
FAILED = replace(FULL, has_passed=False)

LIST = "GET /list/"
BUDGETS: Budgets = {LIST: Budget(2, "constant", ("2x SELECT …",))}


def measured(count: int, scale: Scale = "constant", key: str = LIST) -> Measurements:
    return Measurements(
        {key: Measurement(count, (f"{count}x SELECT …",), test="tests/test_list.py::test", scale=scale)}
    )


def titles(
    budgets: Budgets, measurements: Measurements, run: RunResult, required: list[Route] | None = None
) -> list[str]:
    return [each.title for each in find_problems(budgets, measurements, run, required)]


@pytest.mark.parametrize("count", [1, 2])
def test_count_within_the_budget_is_allowed(count: int) -> None:
    assert titles(BUDGETS, measured(count), FULL) == []


@pytest.mark.parametrize("run", [FULL, PART, FAILED])
def test_count_over_the_budget_is_a_problem_in_any_run(run: RunResult) -> None:
    assert titles(BUDGETS, measured(3), run) == ["GET /list/ runs 3 queries, its budget is 2"]


def test_waived_budget_is_never_exceeded() -> None:
    assert titles({LIST: Budget(None, reason="a report")}, measured(99), FULL) == []


@pytest.mark.parametrize(("run", "number"), [(FULL, 1), (PART, 0), (FAILED, 1)])
def test_missing_entry_is_a_problem_in_a_full_run(run: RunResult, number: int) -> None:
    assert len(titles({}, measured(1), run)) == number


@pytest.mark.parametrize(("run", "number"), [(FULL, 1), (PART, 0), (FAILED, 0)])
def test_stale_entry_is_a_problem_in_a_full_run_that_passed(run: RunResult, number: int) -> None:
    assert len(titles(BUDGETS, Measurements(), run)) == number


def test_constant_budget_that_no_test_verifies_is_a_problem() -> None:
    assert titles(BUDGETS, measured(2, scale=""), FULL) == ["GET /list/ is marked `constant`, but no test verifies it"]


def test_required_route_must_be_measured_with_each_of_its_methods() -> None:
    route = Route("/list/", ("GET", "POST"), "views.List")
    assert titles(BUDGETS, measured(2), FULL, [route]) == ["POST /list/ is not measured by any test"]


def test_route_without_declared_methods_must_be_measured_with_one() -> None:
    budgets = {"POST /list/": Budget(2, "constant")}
    assert titles(budgets, measured(2, key="POST /list/"), FULL, [Route("/list/", (), "views.list")]) == []


def test_raising_a_budget_needs_a_reason() -> None:
    updated, refused = update_budgets(BUDGETS, measured(3), FULL)
    assert (updated[LIST].maximum, [each.key for each in refused]) == (2, [LIST])
    updated, refused = update_budgets(BUDGETS, measured(3), FULL, reason="it shows more")
    assert (updated[LIST].maximum, updated[LIST].reason, refused) == (3, "it shows more", [])


def test_existing_reason_is_kept() -> None:
    budgets = {LIST: Budget(2, "", (), "it shows more")}
    assert update_budgets(budgets, measured(1), FULL)[0][LIST].reason == "it shows more"
    assert update_budgets(budgets, measured(3), FULL)[0][LIST].maximum == 3


@pytest.mark.parametrize(("run", "maximum"), [(FULL, 1), (PART, 2), (FAILED, 2)])
def test_only_a_passed_full_run_lowers_a_budget(run: RunResult, maximum: int) -> None:
    assert update_budgets(BUDGETS, measured(1), run)[0][LIST].maximum == maximum


@pytest.mark.parametrize(("run", "prune", "is_present"), [(FULL, True, False), (FULL, False, True), (PART, True, True)])
def test_only_a_full_run_with_prune_removes_a_stale_entry(run: RunResult, prune: bool, is_present: bool) -> None:
    assert (LIST in update_budgets(BUDGETS, Measurements(), run, prune=prune)[0]) is is_present


def test_merged_measurements_do_not_depend_on_their_order() -> None:
    several = [
        (LIST, Measurement(2, ("2x b",), test="1")),
        (LIST, Measurement(3, ("3x a",), test="2")),
        (LIST, Measurement(3, ("3x b",), test="1")),
        (LIST, Measurement(1, ("1x c",), test="3", scale="constant")),
    ]
    forwards, backwards = Measurements(), Measurements()
    forwards.add_all(several)
    backwards.add_all(reversed(several))
    assert forwards == backwards == {LIST: Measurement(3, ("3x a",), test="2", scale="constant")}


def test_measurements_survive_json() -> None:
    sent = measured(3)
    assert Measurements.from_json(sent.to_json()) == sent


@pytest.mark.parametrize(("run", "is_added"), [(FULL, True), (PART, True), (FAILED, False)])
def test_route_is_added_unless_a_test_failed(run: RunResult, *, is_added: bool) -> None:
    assert (LIST in update_budgets({}, measured(0), run)[0]) is is_added
