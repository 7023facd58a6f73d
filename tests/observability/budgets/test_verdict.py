"""What a run of the tests says of the budget file, and makes of it."""

from dataclasses import replace

import pytest

from observability.budgets.budget_file import Budget, Budgets
from observability.budgets.measured import Measured, Measurements
from observability.budgets.routes import Route
from observability.budgets.verdict import Run, findings, recorded

FULL = Run(is_full=True, is_clean=True, command="bin/test", file="budgets.json")
PART = replace(FULL, is_full=False)
FAILED = replace(FULL, is_clean=False)

LIST = "GET /list/"
BUDGETS: Budgets = {LIST: Budget(2, "constant", ("2x SELECT …",))}


def measured(count: int, scale: str = "constant", key: str = LIST) -> Measurements:
    return Measurements({key: Measured(count, (f"{count}x SELECT …",), test="tests/test_list.py::test", scale=scale)})


def titles(budgets: Budgets, measurements: Measurements, run: Run, required: list[Route] | None = None) -> list[str]:
    return [each.title for each in findings(budgets, measurements, run, required)]


@pytest.mark.parametrize("count", [1, 2])
def test_count_within_the_budget_is_no_finding(count: int) -> None:
    assert titles(BUDGETS, measured(count), FULL) == []


@pytest.mark.parametrize("run", [FULL, PART, FAILED])
def test_count_over_the_budget_is_one_in_any_run(run: Run) -> None:
    assert titles(BUDGETS, measured(3), run) == ["GET /list/ runs 3 queries, its budget is 2"]


def test_waived_budget_is_never_exceeded() -> None:
    assert titles({LIST: Budget(None, reason="a report")}, measured(99), FULL) == []


@pytest.mark.parametrize(("run", "number"), [(FULL, 1), (PART, 0), (FAILED, 1)])
def test_missing_entry_is_one_in_a_full_run(run: Run, number: int) -> None:
    assert len(titles({}, measured(1), run)) == number


@pytest.mark.parametrize(("run", "number"), [(FULL, 1), (PART, 0), (FAILED, 0)])
def test_stale_entry_is_one_in_a_full_run_that_passed(run: Run, number: int) -> None:
    assert len(titles(BUDGETS, Measurements(), run)) == number


def test_lost_proof_is_one() -> None:
    assert titles(BUDGETS, measured(2, scale=""), FULL) == ["GET /list/ is said to be constant, and no test proved it"]


def test_required_route_is_measured_with_each_of_its_methods() -> None:
    route = Route("/list/", ("GET", "POST"), "views.List")
    assert titles(BUDGETS, measured(2), FULL, [route]) == ["POST /list/ is measured by no test"]


def test_view_that_tells_no_methods_is_measured_with_any() -> None:
    budgets = {"POST /list/": Budget(2, "constant")}
    assert titles(budgets, measured(2, key="POST /list/"), FULL, [Route("/list/", (), "views.list")]) == []


def test_budget_is_raised_for_a_reason_only() -> None:
    kept, refused = recorded(BUDGETS, measured(3), FULL)
    assert (kept[LIST].maximum, [each.key for each in refused]) == (2, [LIST])
    kept, refused = recorded(BUDGETS, measured(3), FULL, reason="it shows more")
    assert (kept[LIST].maximum, kept[LIST].reason, refused) == (3, "it shows more", [])


def test_reason_is_kept() -> None:
    budgets = {LIST: Budget(2, "", (), "it shows more")}
    assert recorded(budgets, measured(1), FULL)[0][LIST].reason == "it shows more"
    assert recorded(budgets, measured(3), FULL)[0][LIST].maximum == 3


@pytest.mark.parametrize(("run", "maximum"), [(FULL, 1), (PART, 2), (FAILED, 2)])
def test_budget_is_lowered_by_a_full_run_that_passed(run: Run, maximum: int) -> None:
    assert recorded(BUDGETS, measured(1), run)[0][LIST].maximum == maximum


@pytest.mark.parametrize(("run", "prune", "is_kept"), [(FULL, True, False), (FULL, False, True), (PART, True, True)])
def test_stale_entry_is_pruned_by_a_full_run_that_is_asked_to(run: Run, prune: bool, is_kept: bool) -> None:
    assert (LIST in recorded(BUDGETS, Measurements(), run, prune=prune)[0]) is is_kept


def test_measurements_are_the_same_in_any_order() -> None:
    several = [
        (LIST, Measured(count, (f"{count}x {text}",), test=test, scale=scale))
        for count, text, test, scale in [
            (2, "b", "1", ""),
            (3, "a", "2", ""),
            (3, "b", "1", ""),
            (1, "c", "3", "constant"),
        ]
    ]
    forwards, backwards = Measurements(), Measurements()
    forwards.update_from(several)
    backwards.update_from(reversed(several))
    assert forwards == backwards == {LIST: Measured(3, ("3x a",), test="2", scale="constant")}


def test_measurements_of_a_worker_arrive_as_they_were() -> None:
    sent = measured(3)
    assert Measurements.from_json(sent.to_json()) == sent


@pytest.mark.parametrize(("run", "is_added"), [(FULL, True), (PART, True), (FAILED, False)])
def test_route_is_added_unless_a_test_failed(run: Run, *, is_added: bool) -> None:
    assert (LIST in recorded({}, measured(0), run)[0]) is is_added
